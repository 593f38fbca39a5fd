// What to do about two NATs by TCP: how ours allots its ports, and who of two sides listens for the other. Pure.

import type { Millis } from "../core/runtime.js";
import type { Endpoint } from "./datagram-port.js";
import type { PortHabit } from "./punch-plan.js";
import { MAX_STEP } from "./punch-signal.js";

/**
 * From one outside port to the next, where each connection gets another one.
 * @param ports - of at least three connections, in the order in which they were opened
 * @returns the step, up or down; `null` where the ports follow no order
 */
export function portStep(ports: readonly number[]): number | null {
  const steps = ports.slice(1).map((port, i) => port - (ports[i] as number));
  if (steps.length < 2) return null;
  const isRising = steps.every((step) => step > 0 && step <= MAX_STEP);
  const isFalling = steps.every((step) => step < 0 && step >= -MAX_STEP);
  // The smallest one: a larger one had somebody else's connection in between.
  if (isRising) return Math.min(...steps);
  return isFalling ? Math.max(...steps) : null;
}

/** What one side does once both are ready. */
export interface TcpPunchPlan {
  /** How many IPv4 addresses of the other side it dials; those of IPv6, which has no NAT, all. */
  readonly ipv4: number;
  /** How it listens between two rounds of dialling; `null`: it only dials. */
  readonly listen: ListenPlan | null;
}

export interface ListenPlan {
  /** How long: some time between these, by lot. */
  readonly leastMs: Millis;
  readonly mostMs: Millis;
  /** Whether a refusal cuts it short: the reset has closed our NAT again, so that nothing would come in. */
  readonly untilRefused: boolean;
}

/** Long enough for some dials of the other side, short enough for our own to meet them. */
const TURN_ABOUT: ListenPlan = { leastMs: 500, mostMs: 1_500, untilRefused: true };
/** Against a random port our own dials only open the filter, and are refused as a rule: listening is what brings the connection. */
const MOSTLY_LISTEN: ListenPlan = { leastMs: 2_000, mostMs: 3_000, untilRefused: false };

/**
 * Who dials and who listens.
 *
 * Both dial at once, so that the two first packets cross and each finds its own NAT open (simultaneous open, RFC 9293 §3.5). Where
 * they miss each other, because a NAT or a system answered the first packet with a reset, it helps that one side also listens on the
 * very port that it dials from: its NAT is open by then. Only one, as listening keeps it from dialling, and two that listen never
 * meet: the one whose port is steady, as the other one may come from a port that nobody foresaw; of two alike, the responder.
 * @param bothIPv6 - whether both sides named an IPv6 address
 * @returns `null` where there is no hope: a connection comes about when each side knows beforehand from which port the other one comes,
 *   or when one does whose filter asks for the address alone
 */
export function tcpPunchPlan(initiator: boolean, ours: PortHabit, theirs: PortHabit, bothIPv6: boolean): TcpPunchPlan | null {
  const byRole = initiator ? null : TURN_ABOUT;
  const isSteady = (habit: PortHabit): boolean => habit === "steady" || habit === "unknown";
  if (!isSteady(ours) && !isSteady(theirs) && (ours === "random" || theirs === "random")) {
    return bothIPv6 ? { ipv4: 0, listen: byRole } : null;
  }
  // The next port is for the first connection; a second one would be seen from the port after it.
  const ipv4 = ours === "sequential" ? 1 : Number.POSITIVE_INFINITY;
  if (isSteady(ours) === isSteady(theirs)) return { ipv4, listen: byRole };
  if (isSteady(theirs)) return { ipv4, listen: null };
  return { ipv4, listen: theirs === "random" ? MOSTLY_LISTEN : TURN_ABOUT };
}

/** Those addresses of the other side that the plan dials. */
export function plannedRemotes(plan: TcpPunchPlan, remotes: readonly Endpoint[]): Endpoint[] {
  let ipv4 = 0;
  return remotes.filter(({ host }) => host.includes(":") || ++ipv4 <= plan.ipv4);
}
