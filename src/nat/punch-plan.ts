// What two NATs allow, and what has to be done for it. Pure.

import type { Endpoint } from "./datagram-port.js";
import type { NatReport } from "./nat-discovery.js";

/**
 * How a NAT gives out ports, as far as punching cares:
 * - `steady`: one mapped port for all destinations (endpoint-independent mapping, RFC 4787 §4.1), or no NAT at all
 * - `sequential`: another port for each destination, and the next one can be told
 * - `random`: another port for each destination, and nobody can tell which
 * - `unknown`: not enough was seen to say; it is treated as `steady`, as most NATs are
 */
export type PortHabit = "steady" | "sequential" | "random" | "unknown";

export const PORT_HABITS: readonly PortHabit[] = ["steady", "sequential", "random", "unknown"];

/** What one side knows of its NAT. */
export interface NatView {
  readonly habit: PortHabit;
  /** Our address as STUN servers see it; `null` when none has answered. */
  readonly mapped: Endpoint | null;
  /** From one port to the next, with `sequential`. */
  readonly step: number;
}

/**
 * What both sides do:
 * - `local`: nothing more than probing each other's own addresses, as no path through the NATs can be had
 * - `open`: each sends to where the other one is seen
 * - `predict`: a sequential NAT tells which port it will use next
 * - `birthday`: 256 sockets behind the random NAT, probes to random ports from the other side, until two meet
 */
export type PunchPlan = "local" | "open" | "predict" | "birthday";

/** The plan for two sides; both come to the same one. */
export function punchPlan(one: NatView, other: NatView): PunchPlan {
  if (!one.mapped || !other.mapped) return "local";
  const habits = [steadyIfUnknown(one.habit), steadyIfUnknown(other.habit)];
  if (habits.includes("random")) return habits.includes("steady") ? "birthday" : "local";
  return habits.includes("sequential") ? "predict" : "open";
}

/** Whether `local` is the last word: nothing but another network could change it. */
export function isHopeless(one: NatView, other: NatView): boolean {
  return one.mapped !== null && other.mapped !== null && punchPlan(one, other) === "local";
}

/** As much of a report as a plan needs. @param report - `null` when no server is known */
export function natViewOf(report: Pick<NatReport, "mapping" | "allocation" | "portStep" | "mapped"> | null): NatView {
  if (!report) return { habit: "unknown", mapped: null, step: 0 };
  return { habit: habitOf(report), mapped: report.mapped, step: report.portStep };
}

function habitOf({ mapping, allocation }: Pick<NatReport, "mapping" | "allocation">): PortHabit {
  if (mapping === "endpoint-independent") return "steady";
  if (mapping === "unknown") return "unknown";
  return allocation === "sequential" ? "sequential" : "random";
}

/** The port after `port` by steps of `step`, within those that a NAT gives out. */
export function portAfter(port: number, step: number): number {
  const next = port + step;
  return next > 65_535 ? next - 65_535 + 1_023 : next < 1_024 ? next + 64_512 : next;
}

function steadyIfUnknown(habit: PortHabit): PortHabit {
  return habit === "unknown" ? "steady" : habit;
}
