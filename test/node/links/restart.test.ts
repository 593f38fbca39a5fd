// The other side's process, or the relay, starts anew under a session that lives on.

import { createRelay, type Relay } from "linknet/relay";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { next, record, started } from "../manager/support.js";
import { buildPeer } from "./build-peer.js";
import { PeerProcess } from "./call-process.js";
import { strayStatuses } from "./statuses.js";
import { numbersBothWays, proxyTo, QUICK, statusesOf, until } from "./support.js";

const SEED_OF_BOB = new Uint8Array(32).fill(7);

describe("a peer's process that dies and starts anew with the same identity", () => {
  let program = "";
  beforeAll(async () => {
    program = await buildPeer("restart");
  }, 60_000);

  const startBob = async () => {
    const process = new PeerProcess(program);
    onTestFinished(() => process.kill());
    return { process, ...(await process.call("start", { identity: SEED_OF_BOB, limits: QUICK })) };
  };

  test("is noticed: what it had not acknowledged is reported by id, and a new session begins", { timeout: 30_000 }, async () => {
    const first = await startBob();
    const alice = await started({ limits: QUICK });
    const proxy = await proxyTo(first.port);
    const heard = statusesOf(alice);
    const failed = record(alice, "failed");
    const delivered = record(alice, "delivered");
    await alice.connectToPeer("127.0.0.1", proxy.port);
    for (let payload = 0; payload < 10; payload++) await alice.deliver(first.peerId, { type: "number", payload });
    const known = delivered.length;

    proxy.stall();
    const ids = Array.from({ length: 100 }, (_, i) => i.toString(16).padStart(32, "0"));
    for (const id of ids) expect(alice.sendMessage(first.peerId, { type: "number", payload: 10, id })).toBe(true);
    await first.process.kill();
    const second = await startBob();
    expect(second.peerId).toBe(first.peerId);
    const again = next(alice, "connection", ({ status }) => status === "connected");
    proxy.target = second.port;
    proxy.reset();
    await again;

    await alice.deliver(second.peerId, { type: "number", payload: 0 });
    expect(failed.map((event) => event.messageId)).toEqual(ids);
    expect(new Set(failed.map((event) => event.error.code))).toEqual(new Set(["ERR_SESSION_LOST"]));
    expect(delivered).toHaveLength(known + 1);
    // The new process has seen nothing of the old session.
    expect(await second.process.call("report")).toMatchObject({ received: 1, faults: 0, errors: [] });
    const answer = next(alice, "message");
    await second.process.call("send", alice.peerId, 1, null);
    expect(await answer).toMatchObject({ payload: 0, senderId: second.peerId });
    expect(heard).toEqual(["connecting", "connected", "reconnecting", "connected"]);
    await second.process.call("stop");
  });
});

describe("a relay that dies and starts anew", () => {
  const openRelay = (port: number): Promise<Relay> => createRelay({ port, host: "127.0.0.1", stunPort: false });

  test("under two peers on the relay path: every message arrives once and in order", { timeout: 60_000 }, async () => {
    let relay = await openRelay(0);
    onTestFinished(() => relay.close());
    const port = Number(new URL(relay.url).port);
    const options = { relays: [relay.url], upgrade: false, limits: QUICK };
    const [alice, bob] = await Promise.all([started(options), started(options)]);
    const heard = [statusesOf(alice), statusesOf(bob)];
    await alice.connectToPeer(bob.peerId);
    const traffic = numbersBothWays(alice, bob);
    const ROUNDS = 2;
    for (let round = 1; round <= ROUNDS; round++) {
      await Promise.all([traffic.alice.reached(traffic.alice.next + 2_000), traffic.bob.reached(traffic.bob.next + 2_000)]);
      await relay.close();
      relay = await openRelay(port);
      const backAgain = (statuses: readonly string[] | undefined): boolean => statuses?.length === 2 + 2 * round;
      await until([alice, bob], () => heard.every(backAgain), `both are back after restart ${round}`, 30_000);
    }
    const counts = await traffic.settle();
    console.log(
      `${ROUNDS} restarts of the relay: ${counts.fromAlice} + ${counts.fromBob} messages, ` +
        `longest gap ${Math.round(Math.max(traffic.alice.longestGapMs, traffic.bob.longestGapMs))} ms`,
    );
    expect(traffic.faults()).toEqual([]);
    for (const statuses of heard) expect(strayStatuses(statuses)).toEqual([]);
    expect(alice.getPeer(bob.peerId)).toMatchObject({ path: "relay", status: "connected" });
  });
});
