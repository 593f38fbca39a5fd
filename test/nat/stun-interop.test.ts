// STUN with others: our client asks coturn, on UDP and TCP, and coturn's clients ask our responder.

import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ensureCoturn } from "../../scripts/lib/coturn.mjs";
import { NetworkError } from "../../src/core/errors.js";
import type { DatagramPort, Endpoint } from "../../src/nat/datagram-port.js";
import { discoverNat } from "../../src/nat/nat-discovery.js";
import { stunBinding } from "../../src/nat/stun-client.js";
import { nodeClock } from "../../src/node/clock.js";
import { tcpStunBinding } from "../../src/node/tcp-stun.js";
import { createRelay, type Relay } from "../../src/server/index.js";
import { SeededRandom } from "../sim/seeded-random.js";

const present = await ensureCoturn();
if (!present) console.warn("SKIPPED: coturn is not installed here, and could not be: our STUN was compared with nobody's");

// Addresses and ports that nobody else uses: below those that systems give out by themselves.
const SERVER: Endpoint = { host: "127.0.0.81", port: 20_510 };
const OTHER: Endpoint = { host: "127.0.0.82", port: 20_511 };
const CLIENT = "127.0.0.83";
/** The server has so long to come up, in ms. */
const START_MS = 20_000;

const context = { clock: nodeClock, random: new SeededRandom(Date.now()) };

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A UDP socket of Node as our rules see it. */
async function udpPort(): Promise<DatagramPort> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, CLIENT, resolve));
  closers.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return {
    port: socket.address().port,
    send: (datagram, { host, port }) => socket.send(datagram, port, host, () => undefined),
    subscribe(receive) {
      const onMessage = (datagram: Uint8Array, from: { address: string; port: number }) =>
        receive(datagram, { host: from.address, port: from.port });
      socket.on("message", onMessage);
      return () => socket.off("message", onMessage);
    },
    close: () => undefined,
  };
}

describe.skipIf(!present)("our client and coturn's server", () => {
  const folder = mkdtempSync(join(tmpdir(), "coturn-"));
  let server: ChildProcess;
  let log = "";

  beforeAll(async () => {
    const ports = ["--listening-port", String(SERVER.port), "--alt-listening-port", String(OTHER.port)];
    const files = ["--log-file", "stdout", "--pidfile", join(folder, "pid"), "--userdb", join(folder, "db")];
    const only = ["-n", "--stun-only", "--no-tls", "--no-dtls", "--no-cli"];
    server = spawn("turnserver", [...only, ...files, ...ports, "-L", SERVER.host, "-L", OTHER.host], { cwd: folder });
    for (const output of [server.stdout, server.stderr]) output?.on("data", (chunk) => (log += chunk));
    const deadline = performance.now() + START_MS;
    // It is up when it answers; a request that comes before is lost, and the client repeats it.
    for (;;) {
      const port = await udpPort();
      const answer = await stunBinding(port, SERVER, context).catch((error: unknown) => error);
      if (!(answer instanceof NetworkError)) break;
      if (server.exitCode !== null || performance.now() > deadline) throw new Error(`coturn does not answer: ${log}`);
    }
  }, 2 * START_MS);

  afterAll(async () => {
    const ended = once(server, "close");
    server.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });

  test("agree on our endpoint and on coturn's second address", async () => {
    const port = await udpPort();
    expect(await stunBinding(port, SERVER, context)).toMatchObject({
      mapped: { host: CLIENT, port: port.port },
      server: SERVER,
      otherAddress: OTHER,
      responseOrigin: SERVER,
    });
  });

  test("agree on what is to be answered from elsewhere", async () => {
    for (const [address, changesPort, from] of [
      [true, true, OTHER],
      [false, true, { host: SERVER.host, port: OTHER.port }],
      [true, false, { host: OTHER.host, port: SERVER.port }],
    ] as const) {
      const change = { address, port: changesPort, otherAddress: OTHER };
      expect((await stunBinding(await udpPort(), SERVER, { ...context, change })).responseOrigin).toEqual(from);
    }
  });

  test("tell that there is no NAT and no filter between them", async () => {
    const port = await udpPort();
    const report = await discoverNat(port, [SERVER], { ...context, filtering: true, localHosts: [CLIENT] });
    expect(report).toMatchObject({
      open: true,
      mapping: "endpoint-independent",
      allocation: "preserving",
      filtering: "endpoint-independent",
      mapped: { host: CLIENT, port: port.port },
    });
    expect(report.observations.length).toBeGreaterThanOrEqual(3);
  });

  test("agree over TCP", async () => {
    const { mapped, local, socket } = await tcpStunBinding({ ...SERVER, ...context, localPort: 0, localAddress: CLIENT });
    closers.push(() => socket.destroy());
    expect([mapped, local.host]).toEqual([local, CLIENT]);
  });
});

describe.skipIf(!present)("coturn's clients and our responder", () => {
  async function relayWith(second: boolean): Promise<Relay> {
    const stunAlternate = second ? { host: "127.0.0.2", port: 0 } : undefined;
    const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: 0, stunAlternate });
    closers.push(() => relay.close());
    return relay;
  }

  async function output(command: string, ...args: string[]): Promise<string> {
    const child = spawn(command, args);
    closers.push(() => child.kill("SIGKILL"));
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
    await once(child, "close");
    return text;
  }

  test("agree on the mapping and the filtering, by the second address", async () => {
    const relay = await relayWith(true);
    const text = await output("turnutils_natdiscovery", "-m", "-f", "-p", String(relay.stunPort), "-L", "127.0.0.1", "127.0.0.1");
    const other = relay.stunAlternate as Endpoint;
    expect(text).toContain("NAT with Endpoint Independent Mapping!");
    expect(text).toContain("NAT with Endpoint Independent Filtering!");
    expect(text).toContain(`Other addr: : ${other.host}:${other.port}`);
    // The second test of the mapping is sent to the other address, that of the filtering is answered from there.
    expect(text).toContain(`Response origin: : ${other.host}:${relay.stunPort}`);
    expect(text).toContain(`Response origin: : ${other.host}:${other.port}`);
    expect(text).toMatch(/UDP reflexive addr: 127\.0\.0\.1:\d+/);
  });

  test("agree on the endpoint where there is no second address", async () => {
    const relay = await relayWith(false);
    const text = await output("turnutils_stunclient", "-p", String(relay.stunPort), "127.0.0.1");
    expect(text).toMatch(/UDP reflexive addr: 127\.0\.0\.1:\d+/);
  });
});
