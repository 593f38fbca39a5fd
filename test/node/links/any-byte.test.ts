// The real TCP link, cut after every single byte of a conversation: half a length, half a frame, or nothing at all.

import { describe, expect, test } from "vitest";
import { text } from "../../../src/core/message/define-message.js";
import type { Link } from "../../../src/core/path/link.js";
import type { Transport } from "../../../src/core/path/transport.js";
import { TcpLink } from "../../../src/node/tcp-link.js";
import { run } from "../../sim/flush.js";
import { PlainChannel } from "../../sim/plain-channel.js";
import { faultsOf } from "../../sim/schedule.js";
import { SeededRandom } from "../../sim/seeded-random.js";
import { LANE_BULK, LANE_CONTROL, LANE_INTERACTIVE, SessionPair } from "../../sim/session-pair.js";
import { SimNetwork } from "../../sim/sim-node.js";
import { type EndKind, MemoryConnection, type MemoryCut } from "./memory-socket.js";

const END_KINDS = ["end", "reset"] as const satisfies readonly EndKind[];

/** Some seconds on a machine that has nothing else to do. */
const LONG = { timeout: 120_000 };

describe("sessions over a stream of bytes", () => {
  const join = (pair: SessionPair, cut: MemoryCut | null, seed: number): MemoryConnection => {
    const connection = new MemoryConnection(new SeededRandom(seed), cut);
    new PlainChannel(new TcpLink(connection.accepting), false).join(pair.bob.ready(), 20);
    new PlainChannel(new TcpLink(connection.dialling), true).join(pair.alice.ready(), 20);
    return connection;
  };

  /** Greets, talks, and is cut; then the next connection carries what is missing. */
  const converse = async (cut: MemoryCut | null, seed: number): Promise<{ pair: SessionPair; connection: MemoryConnection }> => {
    const pair = new SessionPair();
    const first = join(pair, null, seed);
    await run(pair.clock, 20);
    first.end("reset");
    await run(pair.clock, 1);
    // Some wait for the link, some are said while it lives, each way.
    pair.alice.send(LANE_INTERACTIVE, 30);
    pair.bob.send(LANE_BULK, 40);
    const connection = join(pair, cut, seed + 1);
    await run(pair.clock, 5);
    pair.bob.send(LANE_INTERACTIVE, 20);
    await run(pair.clock, 2);
    pair.alice.send(LANE_CONTROL, 10);
    pair.alice.send(LANE_BULK, 50);
    await run(pair.clock, 30);
    if (!cut) return { pair, connection };
    expect(pair.alice.session.status).toBe("reconnecting");
    join(pair, null, seed + 2);
    await run(pair.clock, 500);
    return { pair, connection };
  };

  test.each(END_KINDS)(
    "carry every message once and in order, whichever byte is the last one before the %s",
    LONG,
    async (kind) => {
      const { connection: whole } = await converse(null, 1);
      expect(whole.passedBytes).toBeGreaterThan(300);
      const faults: string[] = [];
      for (let afterBytes = 0; afterBytes < whole.passedBytes; afterBytes++) {
        const { pair, connection } = await converse({ afterBytes, kind }, afterBytes);
        expect(connection.passedBytes).toBe(afterBytes);
        const { alice, bob } = pair;
        for (const fault of [...faultsOf(alice, bob), ...faultsOf(bob, alice)])
          faults.push(`after ${afterBytes} bytes: ${fault}`);
        for (const { name, statuses } of [alice, bob]) {
          const expected = "connecting connected reconnecting connected";
          const told = statuses.join(" ");
          // It may have been back for a moment.
          if (told !== expected && told !== `${expected} reconnecting connected`)
            faults.push(`after ${afterBytes} bytes: ${name} ${told}`);
        }
      }
      expect(faults).toEqual([]);
    },
  );
});

describe("managers over a stream of bytes", () => {
  /** Alice has dialled Bob; the connection that follows the first one is cut. */
  const converse = async (cut: MemoryCut | null): Promise<{ heard: unknown[][]; failed: number; second: MemoryConnection }> => {
    const net = new SimNetwork([]);
    const connections: MemoryConnection[] = [];
    let accept: ((link: Link) => void) | null = null;
    const bytes: Transport = {
      kind: "tcp",
      schemes: ["bytes"],
      rank: 20,
      listen: async ({ onLink }) => {
        accept = onLink;
        return { port: null, addresses: () => [], close: async () => undefined };
      },
    };
    const dial = async (): Promise<Link> => {
      const connection = new MemoryConnection(new SeededRandom(connections.length), connections.length === 1 ? cut : null);
      connections.push(connection);
      accept?.(new TcpLink(connection.accepting));
      return new TcpLink(connection.dialling);
    };
    const limits = { reconnectBaseMs: 1, reconnectMaxMs: 20 };
    const bob = await net.node("bob", {}, { transports: [bytes], limits });
    const { listen: _listen, ...dialled } = { ...bytes, dial };
    const alice = await net.node("alice", {}, { transports: [dialled], limits });
    let failed = 0;
    for (const { manager } of [alice, bob]) manager.on("failed", () => failed++);
    const met = alice.manager.connectToPeer("bytes://bob");
    await net.run(50);
    await met;
    connections[0]?.end("reset");
    for (const [from, to] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      for (const words of ["one", "two"]) expect(from.manager.sendMessage(to.manager.peerId, text(words))).toBe(true);
    }
    await net.run(300);
    for (const { manager } of [alice, bob]) await Promise.all([manager.stop(), net.run(3_000)]);
    return { heard: [alice.messages, bob.messages], failed, second: connections[1] as MemoryConnection };
  };

  test(
    "carry every message once and in order, wherever in a frame of the handshake or after it the link is cut",
    LONG,
    async () => {
      const { second: whole } = await converse(null);
      // Around the beginning and the end of each piece that was written, and all along: a piece may hold several frames.
      const along = Array.from({ length: Math.ceil(whole.passedBytes / 13) }, (_, i) => 13 * i);
      const offsets = new Set([...whole.writes.flatMap((at) => [at - 1, at, at + 1, at + 10]), ...along]);
      expect(offsets.size).toBeGreaterThan(40);
      const faults: string[] = [];
      for (const afterBytes of [...offsets].filter((at) => at < whole.passedBytes)) {
        for (const kind of END_KINDS) {
          const { heard, failed, second } = await converse({ afterBytes, kind });
          if (!second.over || second.passedBytes !== afterBytes) faults.push(`not cut after ${afterBytes} bytes`);
          const told = JSON.stringify({ heard, failed });
          const expected = JSON.stringify({
            heard: [
              ["one", "two"],
              ["one", "two"],
            ],
            failed: 0,
          });
          if (told !== expected) faults.push(`${kind} after ${afterBytes} bytes: ${told}`);
        }
      }
      expect(faults).toEqual([]);
    },
  );
});
