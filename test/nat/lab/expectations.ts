// What must come of each pair of sites: the table that the matrix test checks.

import { NAT_BEHAVIOUR, type NatKind } from "./nat-kinds.js";
import type { LabOptions } from "./topology.js";

/**
 * `direct`: the relay must be left. `relay`: there is no other way, and trying must end. `any`: some implementation may find a
 * way; what came of it is shown and not judged. Messages must flow in every case.
 */
export type Outcome = "direct" | "relay" | "any";

export interface Expectation {
  readonly outcome: Outcome;
  /** Kinds of links that count as direct here. Default: all but the relay. */
  readonly over?: readonly string[];
  /** From the call of `connectToPeer` to the direct path on both sides. */
  readonly withinMs: number;
  /** Where chance is part of it: how many runs, and how many of them must succeed. Default: one of one. */
  readonly runs?: { readonly of: number; readonly needed: number };
  /** With `relay`: most packets that may have gone past the relay at the end of the time. */
  readonly maxDirectPackets?: number;
}

/** From the call of `connectToPeer` to the first message on the other side, in round trips between the peers over the relay. */
export const FIRST_MESSAGE_ROUND_TRIPS = 3;

/**
 * Delays of the matrix: peers are near, the relay is far. What the processor takes for a first handshake, 30 ms and more where it
 * has other work, is part of the round trips over the relay; the longer those are, the more they say about the protocol.
 */
export const MATRIX_DELAYS = { delayMs: 20, relayDelayMs: 80 } as const;

/** Time of a pair, after which what there is counts. */
export const DEADLINE_MS = 8_000;

const CONE: ReadonlySet<NatKind> = new Set(["none", "full", "address", "port"]);
/** Those that accept a packet from a port that nobody has named before. */
const OPEN: ReadonlySet<NatKind> = new Set(["none", "full", "address"]);
const SYMMETRIC: ReadonlySet<NatKind> = new Set(["sequential", "random"]);

const DIRECT: Expectation = { outcome: "direct", withinMs: DEADLINE_MS };
const ANY: Expectation = { outcome: "any", withinMs: 5_000 };

/** What must come of a pair. The order of the two makes no difference. */
export function expectationOf(a: NatKind, b: NatKind): Expectation {
  const is = (one: NatKind | ReadonlySet<NatKind>, other: NatKind | ReadonlySet<NatKind>): boolean => {
    const fits = (kind: NatKind, wanted: NatKind | ReadonlySet<NatKind>): boolean =>
      typeof wanted === "string" ? kind === wanted : wanted.has(kind);
    return (fits(a, one) && fits(b, other)) || (fits(b, one) && fits(a, other));
  };
  // Nobody here listens on the two ports that are let out.
  if (is("web-only", new Set(Object.keys(NAT_BEHAVIOUR) as NatKind[]))) return { outcome: "relay", withinMs: 3_000 };
  if (is("udp-blocked", CONE)) return { ...DIRECT, over: ["tcp", "websocket"] };
  if (is(CONE, CONE)) return DIRECT;
  if (is(SYMMETRIC, OPEN)) return DIRECT;
  // By prediction of the next port.
  if (is("sequential", "port")) return DIRECT;
  // By the birthday method.
  if (is("random", "port")) return { outcome: "direct", withinMs: 5_000, runs: { of: 10, needed: 9 } };
  if (is("random", "random")) return { outcome: "relay", withinMs: 4_000, maxDirectPackets: 100 };
  // Left: a symmetric NAT against sequential, and against blocked UDP; blocked UDP on both sides.
  return ANY;
}

/** Both hosts at one site: what is between them is one NAT, or none at all. */
export const ONE_SITE: readonly { readonly name: string; readonly lab: LabOptions; readonly expected: Expectation }[] = [
  { name: "one-lan", lab: { a: "port" }, expected: DIRECT },
  {
    name: "isolated-hairpin",
    lab: { a: { kind: "port", hairpin: true, isolated: true } },
    expected: DIRECT,
  },
  {
    name: "isolated",
    lab: { a: { kind: "port", isolated: true } },
    expected: { outcome: "relay", withinMs: 4_000 },
  },
];
