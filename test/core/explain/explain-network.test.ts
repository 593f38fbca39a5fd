// `explain()` about this side: transports, relays and the NAT, and that nothing that is asked can hold it up.

import { expect, test, vi } from "vitest";
import { NetworkError } from "../../../src/core/errors.js";
import type { NatSummary, NetworkReport } from "../../../src/core/explain/report.js";
import type { NetworkManagerOptions } from "../../../src/core/options.js";
import type { Transport } from "../../../src/core/path/transport.js";
import { SimNetwork, type SimNode } from "../../sim/sim-node.js";

const NAT: NatSummary = {
  open: false,
  mapping: "endpoint-independent",
  filtering: "address-and-port-dependent",
  allocation: "preserving",
  mapped: "203.0.113.5:4000",
  localPort: 4000,
  servers: [{ server: "192.0.2.9:3478", mapped: "203.0.113.5:4000", code: null }],
  tookMs: 20,
};

interface Lab {
  readonly net: SimNetwork;
  readonly node: SimNode;
  readonly asked: (readonly string[])[];
}

/** A node whose NAT is told by `examine`. */
async function lab(examine: Transport["examine"], options: NetworkManagerOptions = {}): Promise<Lab> {
  const net = new SimNetwork([{ kind: "tcp", rank: 20, delayMs: 1 }]);
  const asked: (readonly string[])[] = [];
  const examiner: Transport = {
    kind: "scout",
    schemes: [],
    rank: 50,
    examine: (stunServers, signal) => {
      asked.push(stunServers);
      return (examine as NonNullable<typeof examine>)(stunServers, signal);
    },
  };
  const broken: Transport = { kind: "udp", schemes: [], rank: 25, problem: new NetworkError("ERR_UDP_UNAVAILABLE") };
  const transports = examine ? [broken, examiner] : [broken];
  return { net, node: await net.node("a", {}, { ...options, transports }), asked };
}

/** The outcome of a promise, after this much virtual time. */
async function after(net: SimNetwork, ms: number, work: Promise<NetworkReport>): Promise<NetworkReport | unknown> {
  let outcome: unknown = "still waiting";
  const settle = (value: unknown): void => {
    outcome = value;
  };
  work.then(settle, settle);
  await net.run(ms);
  return outcome;
}

test("tells each kind of link, what it can do, and why others are not there", async () => {
  const { node } = await lab(async () => NAT, { disableTransports: ["webrtc"] });
  const { transports, addresses, build, port, peerId } = await node.manager.explain();
  expect(transports).toEqual([
    { kind: "tcp", can: ["dial", "listen"], missing: null },
    { kind: "udp", can: [], missing: "ERR_UDP_UNAVAILABLE" },
    { kind: "scout", can: [], missing: null },
    { kind: "websocket", can: [], missing: "WHY_NOT_HERE" },
    { kind: "webrtc", can: [], missing: "WHY_DISABLED" },
  ]);
  expect({ addresses, build, port, peerId }).toEqual({
    addresses: ["tcp://10.0.0.1:1000"],
    build: "node",
    port: null,
    peerId: node.manager.peerId,
  });
});

test("asks the STUN servers that are known about the NAT", async () => {
  const { node, asked } = await lab(async () => NAT, { stunServers: ["stun:192.0.2.9"] });
  const { nat, stunServers } = await node.manager.explain();
  expect(nat).toEqual(NAT);
  expect(asked).toEqual([["stun:192.0.2.9"]]);
  expect(stunServers).toEqual(["stun:192.0.2.9"]);
});

test("where nothing can examine the NAT, it is null", async () => {
  const { node } = await lab(undefined);
  expect((await node.manager.explain()).nat).toBeNull();
});

test("an examination that fails leaves the NAT unknown", async () => {
  const { node } = await lab(() => Promise.reject(new Error("no socket")));
  expect(await node.manager.explain()).toMatchObject({ nat: null, build: "node" });
});

test("an examination that never ends is waited for no longer than the deadline, and is told to stop", async () => {
  const stopped: unknown[] = [];
  const { net, node } = await lab((_, signal) => {
    signal.addEventListener("abort", () => stopped.push(signal.reason?.code));
    return new Promise(() => undefined);
  });
  const early = node.manager.explain({ timeoutMs: 1_000 });
  expect(await after(net, 990, early)).toBe("still waiting");
  expect(await after(net, 20, early)).toMatchObject({ nat: null });
  const usual = node.manager.explain();
  expect(await after(net, 4_990, usual)).toBe("still waiting");
  expect(await after(net, 20, usual)).toMatchObject({ nat: null });
  expect(stopped).toEqual(["ERR_CLOSED_TIMEOUT", "ERR_CLOSED_TIMEOUT"]);
  expect(net.clock.pendingTimers).toBe(0);
});

test("the caller's signal and stop() end the wait with their reasons", async () => {
  const { net, node } = await lab(() => new Promise(() => undefined));
  const controller = new AbortController();
  const aborted = node.manager.explain({ signal: controller.signal });
  controller.abort("enough");
  expect(await after(net, 1, aborted)).toBe("enough");
  const waiting = node.manager.explain();
  const stopped = node.manager.stop();
  expect(await after(net, 1, waiting)).toMatchObject({ code: "ERR_CLOSED" });
  await stopped;
  expect(net.clock.pendingTimers).toBe(0);
});

test("without relays it says so", async () => {
  const { node } = await lab(undefined);
  expect((await node.manager.explain()).hints).toEqual(["HINT_RELAY_NONE"]);
});

test("a relay is told with its round trip, or with why it is not connected", async () => {
  const options = { relays: ["ws://192.0.2.1:8787"] };
  const up = await new SimNetwork([]).node("a", {}, options);
  const connected = await up.manager.explain();
  expect(connected.relays).toEqual([{ url: "ws://192.0.2.1:8787/", connected: true, rttMs: 60, code: null, message: null }]);
  expect(connected.hints).toEqual([]);
  const net = new SimNetwork([]);
  vi.spyOn(net.relay, "open").mockRejectedValue(new NetworkError("ERR_RELAY_UNAVAILABLE", "refused"));
  const down = await net.node("b", {}, options);
  const { relays, hints } = await down.manager.explain();
  const [code, message] = ["ERR_RELAY_UNAVAILABLE", "no relay is connected (refused)"];
  expect(relays).toEqual([{ url: "ws://192.0.2.1:8787/", connected: false, rttMs: null, code, message }]);
  expect(hints).toEqual(["HINT_RELAY_DOWN"]);
});
