// What observations say about a NAT: one table.

import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/nat/datagram-port.js";
import { classifyNat, lastPort, type NatObservation } from "../../src/nat/nat-behaviour.js";

const LOCAL = { port: 5000, hosts: ["192.168.1.2", "2001:db8::2"] };

/** `A1` is port 3478 of the first server, `A2` its other port, `B1` another server. */
const SERVERS: Readonly<Record<string, Endpoint>> = {
  A1: { host: "203.0.113.1", port: 3478 },
  A2: { host: "203.0.113.1", port: 3479 },
  B1: { host: "203.0.113.2", port: 3478 },
  B2: { host: "203.0.113.2", port: 3479 },
  C1: { host: "203.0.113.3", port: 3478 },
};

/** "A1 5000, B1 6001" as observations; a mapped address other than the usual one stands before its port. */
function seen(text: string): NatObservation[] {
  if (text === "") return [];
  return text.split(", ").map((part) => {
    const [server = "", mapped = ""] = part.split(" ");
    const [port = "", host = "198.51.100.1"] = mapped.split("@");
    return { server: SERVERS[server] as Endpoint, mapped: { host, port: Number(port) } };
  });
}

describe("mapping", () => {
  test.each([
    ["", "unknown"],
    ["A1 5000", "unknown"],
    ["A1 7000, A2 7000", "unknown"],
    ["A1 5000, B1 5000", "endpoint-independent"],
    ["A1 7000, B1 7000", "endpoint-independent"],
    ["A1 7000, A2 7000, B1 7000, B2 7000", "endpoint-independent"],
    ["A1 7000, A2 7000, B1 7001", "address-dependent"],
    ["A1 7000, A2 7000, B1 9000, B2 9000", "address-dependent"],
    ["A1 7000, A2 7001", "address-and-port-dependent"],
    ["A1 7000, A2 7001, B1 7002, B2 7003", "address-and-port-dependent"],
    // It may depend on the address alone, which nobody has asked twice.
    ["A1 7000, B1 7001", "address-and-port-dependent"],
    // Two servers agree, and one does not: it is not one mapping.
    ["A1 7000, B1 7000, C1 7001", "address-and-port-dependent"],
    // One port, and two addresses of the NAT.
    ["A1 5000, B1 5000@198.51.100.2", "address-and-port-dependent"],
  ])("%s: %s", (text, mapping) => {
    expect(classifyNat(seen(text), LOCAL).mapping).toBe(mapping);
  });
});

describe("allocation", () => {
  test.each([
    ["", "unknown", 0],
    ["A1 5000", "preserving", 0],
    ["A1 5000, B1 5000", "preserving", 0],
    ["A1 5000, B1 5000@198.51.100.2", "preserving", 0],
    ["A1 7000", "unknown", 0],
    ["A1 7000, B1 7000", "unknown", 0],
    ["A1 7000, B1 7001", "sequential", 1],
    ["A1 7000, B1 7001, C1 7002", "sequential", 1],
    ["A1 7000, B1 7002, C1 7004", "sequential", 2],
    ["A1 7004, B1 7002, C1 7000", "sequential", -2],
    // Somebody else took one in between.
    ["A1 7000, B1 7001, C1 7003", "sequential", 1],
    ["A1 7000, B1 7004, C1 7010", "sequential", 2],
    // The second request was lost and repeated.
    ["A1 7000, B1 7002, C1 7001", "sequential", 1],
    ["A1 7001, B1 7000", "sequential", 1],
    // One mapping twice is no step.
    ["A1 7000, A2 7000, B1 7001", "sequential", 1],
    ["A1 7000, B1 7020", "sequential", 20],
    ["A1 7000, B1 7021", "random", 0],
    ["A1 7000, B1 42000", "random", 0],
    ["A1 7000, B1 7001, C1 42000", "random", 0],
    // Preserved for the first, then counted, or drawn.
    ["A1 5000, B1 7000, C1 7001", "sequential", 1],
    ["A1 5000, B1 7000, C1 42000", "random", 0],
    ["A1 5000, B1 7000", "unknown", 0],
    ["A1 5000, B1 5001, C1 5002", "sequential", 1],
  ] as const)("%s: %s, %i", (text, allocation, portStep) => {
    expect(classifyNat(seen(text), LOCAL)).toMatchObject({ allocation, portStep });
  });
});

test.each([
  ["", 0, null],
  ["A1 7000, B1 9000", 0, 9000],
  ["A1 7000, B1 7002, C1 7001", 1, 7002],
  ["A1 7004, B1 7000, C1 7002", -2, 7000],
] as const)("the last port of %s by steps of %i is %s", (text, step, port) => {
  expect(lastPort(seen(text), step)).toBe(port);
});

describe("open", () => {
  test.each([
    ["A1 5000@192.168.1.2", true],
    ["A1 5000@2001:db8::2", true],
    ["A1 5000@192.168.1.2, B1 5000@192.168.1.2", true],
    ["A1 5001@192.168.1.2", false],
    ["A1 5000@198.51.100.1", false],
    ["A1 5000@192.168.1.2, B1 5000@198.51.100.1", false],
    ["", false],
  ])("%s: %s", (text, open) => {
    expect(classifyNat(seen(text), LOCAL).open).toBe(open);
  });
});
