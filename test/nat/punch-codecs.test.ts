// Probes, signals, candidates and plans of punching: what is read, and what is refused before anything is done for it.

import { describe, expect, test } from "vitest";
import { isDialable } from "../../src/core/path/dialable.js";
import { candidatePriority, MAX_CANDIDATES, readEndpoint, readEndpoints } from "../../src/nat/candidate.js";
import { decodeProbe, encodeProbe, looksLikeProbe, PROBE, type ProbeKeys } from "../../src/nat/probe.js";
import { isHopeless, type NatView, natViewOf, type PortHabit, portAfter, punchPlan } from "../../src/nat/punch-plan.js";
import { decodePunchSignal, encodePunchSignal, type PunchSignal } from "../../src/nat/punch-signal.js";
import { looksLikeStun } from "../../src/nat/stun-message.js";
import { nodeCrypto } from "../../src/node/node-crypto.js";
import { SeededRandom } from "../sim/seeded-random.js";

const sha256 = nodeCrypto().hash("SHA256");
const random = new SeededRandom(7);
const key = random.bytes(32);
const keys = (offers: boolean, with_ = key): ProbeKeys => ({ hmac: (k, data) => sha256.hmac(k, data), key: with_, offers });
const tag = random.bytes(8);
const id = random.bytes(8);
const anywhere = () => true;
const mayContact = (url: string) => isDialable(url, { allowLoopback: false });

describe("a probe", () => {
  test("is read by the other side of its attempt", () => {
    for (const kind of Object.values(PROBE)) {
      const datagram = encodeProbe(keys(true), kind, tag, id);
      expect(looksLikeProbe(datagram, tag)).toBe(true);
      expect(decodeProbe(keys(false), datagram)).toEqual({ kind, id });
      expect(looksLikeStun(datagram)).toBe(false);
    }
  });

  test("is nothing to its own sender, to whom it was sent back", () => {
    expect(decodeProbe(keys(true), encodeProbe(keys(true), PROBE.PING, tag, id))).toBeNull();
  });

  test("is nothing under another key, for another attempt, cut, longer, or with any bit changed", () => {
    const datagram = encodeProbe(keys(true), PROBE.USE, tag, id);
    expect(decodeProbe(keys(false, random.bytes(32)), datagram)).toBeNull();
    expect(looksLikeProbe(datagram, random.bytes(8))).toBe(false);
    for (let length = 0; length < datagram.length; length++) {
      expect(decodeProbe(keys(false), datagram.subarray(0, length))).toBeNull();
    }
    expect(decodeProbe(keys(false), Uint8Array.from([...datagram, 0]))).toBeNull();
    for (let bit = 8; bit < 8 * datagram.length; bit++) {
      const altered = datagram.slice();
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(decodeProbe(keys(false), altered)).toBeNull();
    }
  });

  test("of a kind that does not exist is nothing, however well it is made", () => {
    for (const kind of [0, 5, 255]) expect(decodeProbe(keys(false), encodeProbe(keys(true), kind as never, tag, id))).toBeNull();
  });
});

describe("the signals of punching", () => {
  const signals: PunchSignal[] = [
    {
      kind: "hello",
      tag,
      key,
      stream: 0xffff_ffff,
      hosts: [
        { host: "192.0.2.7", port: 8080 },
        { host: "2001:db8::7", port: 1 },
      ],
    },
    { kind: "hello", tag, key: null, stream: 1, hosts: [] },
    { kind: "nat", habit: "sequential", mapped: { host: "198.51.100.1", port: 5000 }, step: -2 },
    { kind: "nat", habit: "unknown", mapped: null, step: 0 },
    { kind: "ready", from: { host: "198.51.100.1", port: 5002 } },
    { kind: "ready", from: null },
  ];

  test.each(signals)("$kind comes out as it went in", (signal) => {
    expect(decodePunchSignal(JSON.parse(JSON.stringify(encodePunchSignal(signal))), mayContact)).toEqual(signal);
  });

  test.each([
    ["text", "hello"],
    ["null", null],
    ["undefined", undefined],
    ["a tag that is too short", { tag: "00", stream: 1 }],
    ["a tag that is no hexadecimal", { tag: "zz".repeat(8), stream: 1 }],
    ["a tag in upper case, which nobody sends", { tag: "AB".repeat(8), stream: 1 }],
    ["a key that is too long", { tag: "00".repeat(8), key: "00".repeat(33), stream: 1 }],
    ["no stream", { tag: "00".repeat(8) }],
    ["stream 0", { tag: "00".repeat(8), stream: 0 }],
    ["a stream beyond 32 bits", { tag: "00".repeat(8), stream: 2 ** 32 }],
    ["a NAT of another kind", { nat: "__proto__", mapped: null, step: 0 }],
    ["a step that is no number", { nat: "sequential", mapped: null, step: "1" }],
    ["a step over all ports", { nat: "sequential", mapped: null, step: 65_535 }],
  ])("that are malformed end the attempt: %s", (_, value) => {
    expect(() => decodePunchSignal(value, anywhere)).toThrow(expect.objectContaining({ code: "ERR_FRAME_MALFORMED" }));
  });

  test("of a later version are passed over", () => {
    expect(decodePunchSignal({ colour: "blue" }, anywhere)).toBeNull();
    expect(decodePunchSignal([], anywhere)).toBeNull();
  });
});

describe("addresses that the other side names", () => {
  test("beyond the sixteenth are not even looked at, of 10,000", () => {
    let asked = 0;
    const named = Array.from({ length: 10_000 }, (_, i) => `192.0.2.${i % 250}:${1_024 + i}`);
    const read = readEndpoints(named, () => {
      asked++;
      return true;
    });
    expect(read).toHaveLength(MAX_CANDIDATES);
    expect(asked).toBe(MAX_CANDIDATES);
  });

  test("count once, however often they are named", () => {
    expect(readEndpoints(Array(16).fill("192.0.2.1:5000"), mayContact)).toEqual([{ host: "192.0.2.1", port: 5000 }]);
  });

  test.each([
    "127.0.0.1:8080",
    "[::1]:8080",
    "169.254.1.1:8080",
    "[fe80::1]:8080",
    "224.0.0.1:8080",
    "255.255.255.255:8080",
    "0.0.0.0:8080",
    "[::ffff:127.0.0.1]:8080",
    "192.0.2.1:53",
    "192.0.2.1:0",
    "192.0.2.1:65536",
    "victim.example:8080",
    "192.0.2.1",
    "192.0.2.1:8080/path",
    " 192.0.2.1:8080",
    "192.0.2.1:8080@192.0.2.2:1",
    "",
    42,
    null,
    {},
  ])("are refused when no honest peer has them: %j", (value) => {
    expect(readEndpoint(value, mayContact)).toBeNull();
  });

  test("are tried in the order of RFC 8445: own ones first, those that STUN saw last, IPv6 before IPv4", () => {
    const v4 = { host: "192.0.2.1", port: 1 };
    const v6 = { host: "2001:db8::1", port: 1 };
    const order = [
      candidatePriority("host", v6),
      candidatePriority("host", v4),
      candidatePriority("peer-reflexive", v4),
      candidatePriority("server-reflexive", v6),
      candidatePriority("server-reflexive", v4),
    ];
    expect([...order].sort((a, b) => b - a)).toEqual(order);
    // RFC 8445 §5.1.2.1 with type preference 126, local preference 65535 and component 1.
    expect(order[0]).toBe(2 ** 24 * 126 + 2 ** 8 * 65_535 + 255);
    expect(order[0]).toBeLessThan(2 ** 31);
  });
});

describe("the plan for two NATs", () => {
  const view = (habit: PortHabit, host: string | null = "192.0.2.1"): NatView => ({
    habit,
    mapped: host === null ? null : { host, port: 5000 },
    step: habit === "sequential" ? 1 : 0,
  });
  const table: [PortHabit, PortHabit, string][] = [
    ["steady", "steady", "open"],
    ["unknown", "steady", "open"],
    ["unknown", "unknown", "open"],
    ["sequential", "steady", "predict"],
    ["sequential", "unknown", "predict"],
    ["sequential", "sequential", "predict"],
    ["random", "steady", "birthday"],
    ["random", "unknown", "birthday"],
    ["random", "sequential", "local"],
    ["random", "random", "local"],
  ];

  test.each(table)("%s against %s: %s, and the same from the other side", (one, other, plan) => {
    expect(punchPlan(view(one), view(other))).toBe(plan);
    expect(punchPlan(view(other), view(one))).toBe(plan);
    expect(isHopeless(view(one), view(other))).toBe(plan === "local");
  });

  test("where one side has no public address leaves the own addresses, and may be another one later", () => {
    expect(punchPlan(view("steady", null), view("steady"))).toBe("local");
    expect(isHopeless(view("random", null), view("random"))).toBe(false);
  });

  test("comes from what was seen of a NAT", () => {
    const mapped = { host: "192.0.2.1", port: 5000 };
    const seen = (mapping: never, allocation: never) => natViewOf({ mapping, allocation, portStep: 0, mapped }).habit;
    expect(natViewOf(null)).toEqual({ habit: "unknown", mapped: null, step: 0 });
    expect(seen("endpoint-independent" as never, "random" as never)).toBe("steady");
    expect(seen("unknown" as never, "unknown" as never)).toBe("unknown");
    expect(seen("address-dependent" as never, "sequential" as never)).toBe("sequential");
    expect(seen("address-and-port-dependent" as never, "random" as never)).toBe("random");
    expect(seen("address-and-port-dependent" as never, "unknown" as never)).toBe("random");
  });

  test("goes on from the last port at the first that a NAT gives out", () => {
    expect(portAfter(5000, 2)).toBe(5002);
    expect(portAfter(65_535, 1)).toBe(1_024);
    expect(portAfter(1_024, -1)).toBe(65_535);
  });
});
