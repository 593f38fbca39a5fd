// `explain()` and its advice over real sockets: a relay, its STUN server, and two Node peers.

import type { NatSummary, NetworkReport, PathReport } from "linknet";
import { createRelay, type Relay, type RelayOptions } from "linknet/relay";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeAdvice } from "../../../src/node/advice.js";
import { nodeClock } from "../../../src/node/clock.js";
import { nodeCrypto } from "../../../src/node/node-crypto.js";
import { UdpTransport } from "../../../src/node/udp-transport.js";
import { manager, next, started } from "./support.js";

async function relay(options: RelayOptions = {}): Promise<Relay> {
  const open = await createRelay({ port: 0, host: "127.0.0.1", ...options });
  onTestFinished(() => open.close());
  return open;
}

describe("this side, over real sockets", () => {
  test("the relay is told with its round trip, and the NAT as its STUN server sees it", async () => {
    const { url, stunPort } = await relay();
    const net = await started({ relays: [url], stunServers: ["stun:no-such-host.invalid"] });
    const report = await net.explain();
    expect(report.relays).toMatchObject([{ connected: true, code: null }]);
    expect(report.relays[0]?.rttMs).toBeGreaterThan(0);
    expect(report.relays[0]?.rttMs).toBeLessThan(5_000);
    expect(report.stunServers).toEqual(["stun:no-such-host.invalid", `stun:127.0.0.1:${stunPort}`]);
    const { nat } = report;
    expect(nat).toMatchObject({ open: true, mapping: "unknown", allocation: "preserving" });
    expect(nat?.mapped).toBe(`127.0.0.1:${nat?.localPort}`);
    expect(nat?.servers).toContainEqual({ server: "stun:no-such-host.invalid", mapped: null, code: "ERR_DIAL_NAME" });
    expect(report.transports.map(({ kind }) => kind)).toEqual(["tcp", "websocket", "udp", "webrtc"]);
    expect(report.transports.find(({ kind }) => kind === "udp")?.can).toEqual(["listen", "negotiate"]);
    expect(report.hints).toEqual(["HINT_WEBRTC_MISSING"]);
  });

  test.runIf(process.platform === "linux")(
    "a relay with a second address for STUN tells mapping and filtering as well",
    async () => {
      const { url } = await relay({ stunAlternate: { host: "127.0.0.2", port: 0 } });
      const net = await started({ relays: [url] });
      const { nat, hints } = await net.explain();
      expect(nat).toMatchObject({ open: true, mapping: "endpoint-independent", filtering: "endpoint-independent" });
      expect(hints).not.toContain("HINT_STUN_SECOND");
      // Each examination has a socket of its own for that, which is closed again: the next one works as well.
      expect((await net.explain()).nat).toMatchObject({ filtering: "endpoint-independent", localPort: nat?.localPort });
    },
  );

  test("a relay that is gone is told with the reason, and that STUN is missing", async () => {
    const gone = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
    const net = await started({ relays: [gone.url] });
    const left = next(net, "relay", ({ status }) => status === "disconnected");
    await gone.close();
    await left;
    const report = await net.explain();
    expect(report.relays).toMatchObject([{ connected: false, rttMs: null, code: "ERR_RELAY_UNAVAILABLE" }]);
    expect(report.hints).toEqual(expect.arrayContaining(["HINT_RELAY_DOWN", "HINT_STUN_NONE"]));
  });
});

test("without udx-native the udp transport says so, and examines nothing", async () => {
  const bytes = (length: number): Uint8Array => new Uint8Array(length);
  const loadUdx = () => Promise.reject(new Error("Cannot find package"));
  const udp = new UdpTransport({ clock: nodeClock, random: { bytes }, crypto: nodeCrypto(), localAddresses: () => [], loadUdx });
  expect([udp.problem, udp.examine]).toEqual([null, undefined]);
  const listener = await udp.listen({ port: 0, host: "127.0.0.1", onLink: () => {}, onError: () => {} });
  expect(listener.port).toBeNull();
  expect(udp.problem).toMatchObject({ code: "ERR_UDP_UNAVAILABLE" });
  expect(udp.examine).toBeUndefined();
});

describe("a path, over real sockets", () => {
  test("both sides tell the same paths and their own addresses, and nothing in a report is secret", async () => {
    const { url } = await relay();
    const seed = new Uint8Array(32).fill(7);
    const alice = await started({ relays: [url], identity: seed });
    const bob = await started({ relays: [url] });
    const moved = Promise.all([alice, bob].map((net) => next(net, "path", ({ path }) => path === "tcp")));
    await alice.connectToPeer(bob.peerId);
    await moved;
    const [fromAlice, fromBob] = await Promise.all([alice.explain(bob.peerId), bob.explain(alice.peerId)]);
    for (const report of [fromAlice, fromBob]) {
      expect(report.path).toBe("tcp");
      expect(report.changes.map(({ path }) => path)).toEqual(["relay", "tcp"]);
    }
    expect(fromAlice.local.addresses).toEqual(fromBob.remote?.addresses);
    expect(fromBob.local.addresses).toEqual(fromAlice.remote?.addresses);
    const text = JSON.stringify([fromAlice, fromBob, await alice.explain()]);
    expect(text).not.toContain(Buffer.from(seed).toString("hex"));
    expect(text).not.toContain(Buffer.from(seed).toString("base64"));
  });
});

describe("advice", () => {
  const NAT: NatSummary = {
    open: false,
    mapping: "endpoint-independent",
    filtering: "unknown",
    allocation: "preserving",
    mapped: "203.0.113.5:4000",
    localPort: 4000,
    servers: [],
    tookMs: 1,
  };

  test.each<[string, Partial<NatSummary>, string[]]>([
    ["a steady NAT", {}, []],
    ["no NAT", { open: true, mapping: "unknown" }, []],
    ["one STUN server", { mapping: "unknown" }, ["HINT_STUN_SECOND"]],
    ["a NAT that counts its ports", { mapping: "address-dependent", allocation: "sequential" }, ["HINT_NAT_SEQUENTIAL"]],
    ["a NAT with random ports", { mapping: "address-and-port-dependent", allocation: "random" }, ["HINT_NAT_RANDOM"]],
    ["silence", { mapping: "unknown", mapped: null }, ["HINT_UDP_BLOCKED"]],
  ])("for %s: %j", async (_name, found, hints) => {
    const net = manager({ disableTransports: ["webrtc"] });
    await net.start();
    const report: NetworkReport = { ...(await net.explain()), stunServers: ["stun:192.0.2.1"] };
    expect(nodeAdvice.network?.({ ...report, nat: { ...NAT, ...found } })).toEqual(hints);
  });

  const PAGE = { addresses: [], schemes: ["ws", "wss"], negotiable: ["webrtc"], verdicts: [] };
  const NODE = { addresses: [], schemes: ["tcp", "ws", "wss"], negotiable: ["tcp", "udp"], verdicts: [] };

  test.each<[string, Partial<PathReport>, string[]]>([
    ["a page, and no WebRTC here", { remote: PAGE }, ["HINT_WEBRTC_MISSING"]],
    ["a Node peer without UDP", { remote: { ...NODE, negotiable: [] } }, ["HINT_REMOTE_UDP_MISSING"]],
    ["NATs whose ports cannot be predicted", { remote: NODE, hopeless: ["udp"] }, ["HINT_PORTS_HOPELESS"]],
    ["a Node peer that is merely not reached yet", { remote: NODE }, []],
    ["no UDP here", { remote: NODE, local: { addresses: [], schemes: [], negotiable: [] } }, ["HINT_UDP_MISSING"]],
    ["a peer that has said nothing", { remote: null }, []],
  ])("for %s: %j", (_name, told, hints) => {
    const local = { addresses: [], schemes: ["tcp", "ws", "wss"], negotiable: ["tcp", "udp"] };
    const report = { attempts: [], changes: [], hopeless: [], local, remote: null, ...told } as unknown as PathReport;
    expect(nodeAdvice.path(report, { options: {}, stunServers: ["stun:192.0.2.1"] })).toEqual(hints);
    const without = { options: { disableTransports: ["udp", "webrtc"] }, stunServers: ["stun:192.0.2.1"] };
    expect(nodeAdvice.path(report, without)).not.toContain("HINT_UDP_MISSING");
    expect(nodeAdvice.path(report, without)).not.toContain("HINT_WEBRTC_MISSING");
  });
});
