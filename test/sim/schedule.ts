// Schedules: what happens to two peers, step by step, drawn at random; and what must hold when they are over.

import fc from "fast-check";
import type { Clock, Millis } from "../../src/core/runtime.js";
import type { Lane } from "../../src/core/session/record.js";
import type { MemoryWire } from "./memory-link.js";
import { LANE_BULK, LANE_CONTROL, LANE_INTERACTIVE, type SessionPair, type SimPeer } from "./session-pair.js";
import type { ThawOrder } from "./sim-process.js";

export type Step =
  | { readonly do: "wait"; readonly ms: Millis }
  | { readonly do: "send"; readonly by: "alice" | "bob"; readonly lane: Lane; readonly length: number; readonly count: number }
  | {
      readonly do: "link";
      readonly from: "alice" | "bob";
      readonly rank: number;
      readonly delayMs: Millis;
      readonly bytesPerMs: number;
      readonly acceptAfterMs: Millis;
    }
  | { readonly do: "cut"; readonly wire: number; readonly diallingMs: Millis; readonly acceptingMs: Millis }
  | { readonly do: "close"; readonly wire: number; readonly end: "dialling" | "accepting" }
  | { readonly do: "freeze"; readonly wire: number; readonly direction: "both" | "forth" | "back"; readonly ms: Millis }
  | { readonly do: "hold"; readonly by: "alice" | "bob"; readonly ms: Millis }
  | { readonly do: "restart"; readonly by: "alice" | "bob" }
  | { readonly do: "sleep"; readonly by: "alice" | "bob"; readonly ms: Millis; readonly thaw: ThawOrder };

const who = fc.constantFrom("alice" as const, "bob" as const);
const lane = fc.constantFrom(LANE_INTERACTIVE, LANE_BULK, LANE_INTERACTIVE, LANE_CONTROL);
const length = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 4, max: 400 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1000, max: 60_000 }) },
);
const notice = fc.constantFrom(0, 0, 1, 40, 3000);
const rank = fc.constantFrom(20, 20, 30, 90);

const usualSteps = [
  { weight: 5, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(0, 1, 3, 12, 60, 900, 4000) }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("send" as const), by: who, lane, length, count: fc.constantFrom(1, 1, 2, 12) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("link" as const),
      from: who,
      rank,
      delayMs: fc.constantFrom(0, 1, 8, 50),
      bytesPerMs: fc.constantFrom(Number.POSITIVE_INFINITY, 10_000, 500),
      acceptAfterMs: fc.constantFrom(0, 1, 8, 80),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("cut" as const), wire: fc.nat(7), diallingMs: notice, acceptingMs: notice }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("close" as const),
      wire: fc.nat(7),
      end: fc.constantFrom("dialling" as const, "accepting" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("freeze" as const),
      wire: fc.nat(7),
      direction: fc.constantFrom("both" as const, "forth" as const, "back" as const),
      ms: fc.constantFrom(5, 300, 4000, 60_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("hold" as const), by: who, ms: fc.constantFrom(1, 50, 2000) }) },
];

/** Schedules in which both processes live. */
export const schedules = fc.array(fc.oneof(...usualSteps), { minLength: 1, maxLength: 40, size: "max" });

/** Schedules in which processes die and come back as well. */
export const schedulesWithRestarts = fc.array(
  fc.oneof(...usualSteps, { weight: 2, arbitrary: fc.record({ do: fc.constant("restart" as const), by: who }) }),
  { minLength: 1, maxLength: 40, size: "max" },
);

/** Schedules in which processes freeze and thaw as well: for less and for more than a keep-alive waits, and than 20 s. */
export const schedulesWithSleep = fc.array(
  fc.oneof(
    ...usualSteps,
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("sleep" as const),
        by: who,
        ms: fc.constantFrom(5, 300, 4000, 14_000, 30_000, 60_000),
        thaw: fc.constantFrom("timers first" as const, "arrivals first" as const),
      }),
    },
    // Long enough that somebody notices.
    { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(9_000, 30_000) }) },
  ),
  { minLength: 1, maxLength: 40, size: "max" },
);

/** Runs a schedule on a pair that is connected by `first`. @returns all wires that there were */
export function runSchedule(pair: SessionPair, first: MemoryWire, steps: readonly Step[]): MemoryWire[] {
  const wires = [first];
  const wireAt = (index: number): MemoryWire => wires[wires.length - 1 - (index % wires.length)] as MemoryWire;
  for (const step of steps) {
    switch (step.do) {
      case "wait":
        pair.run(step.ms);
        break;
      case "send":
        for (let i = 0; i < step.count; i++) send(pair[step.by], step.lane, step.length);
        break;
      case "link":
        wires.push(pair.link({ ...step, kind: `rank ${step.rank}` }));
        break;
      case "cut":
        wireAt(step.wire).cut(step.diallingMs, step.acceptingMs);
        break;
      case "close":
        wireAt(step.wire)[step.end].close();
        break;
      case "freeze": {
        const wire = wireAt(step.wire);
        wire.freeze(step.direction);
        pair.clock.after(step.ms, () => wire.thaw());
        break;
      }
      case "hold":
        pair[step.by].hold = () => later(pair[step.by].process.clock, step.ms);
        break;
      case "restart": {
        pair[step.by].restart();
        for (const wire of wires) wire.cut(0, 0);
        break;
      }
      case "sleep": {
        const { process } = pair[step.by];
        if (process.frozen) break;
        process.freeze();
        pair.clock.after(step.ms, () => process.thaw(step.thaw));
        break;
      }
    }
  }
  return wires;
}

/** Like a promise that settles after a time, but without microtasks, which would need a real turn of the event loop. */
function later(clock: Clock, ms: Millis): PromiseLike<void> {
  return {
    // biome-ignore lint/suspicious/noThenProperty: it stands in for a promise
    then: (done) => {
      clock.after(ms, () => done?.());
      return later(clock, ms) as PromiseLike<never>;
    },
  };
}

function send(peer: SimPeer, into: Lane, bytes: number): void {
  if (peer.session.status !== "disconnected" && !peer.process.frozen) peer.send(into, bytes);
}

/** Brings both together again over a good link, and waits until all is quiet. */
export function settle(pair: SessionPair, wires: readonly MemoryWire[]): MemoryWire {
  for (const peer of [pair.alice, pair.bob]) {
    peer.hold = null;
    if (peer.process.frozen) peer.process.thaw();
  }
  for (const wire of wires) wire.thaw();
  pair.run(4_000);
  const last = pair.link({ kind: "last", rank: 1 });
  pair.run(30_000);
  return last;
}

/** Invariant 1 for one direction: every message once, in order within its lane, whole, and its fate told once. */
export function faultsOf(sender: SimPeer, receiver: SimPeer): string[] {
  const faults: string[] = [];
  for (const into of [LANE_CONTROL, LANE_INTERACTIVE, LANE_BULK]) {
    const sent = sender.sent.filter((message) => message.lane === into);
    const received = receiver.receivedIn(into);
    const expected = sent.map((message) => message.number).join(" ");
    const actual = received.map((message) => message.number).join(" ");
    if (expected !== actual) faults.push(`${sender.name} lane ${into}: sent ${expected}, received ${actual}`);
    if (received.some((message) => !message.intact)) faults.push(`${sender.name} lane ${into}: altered`);
    if (into === LANE_CONTROL) continue;
    const delivered = sender.delivered.filter((id) => id.startsWith(`${sender.name}-${into}-`)).join(" ");
    if (delivered !== sent.map((message) => message.id).join(" ")) faults.push(`${sender.name} lane ${into}: told ${delivered}`);
  }
  if (sender.failed.length > 0) faults.push(`${sender.name}: failed ${sender.failed.map(({ id }) => id).join(" ")}`);
  return faults;
}

/**
 * What must hold for one direction when processes may die: nothing arrives twice, altered or out of order, and whoever still
 * lives was told the fate of each of its messages, once, and truly.
 */
export function faultsWithRestarts(sender: SimPeer, receiver: SimPeer): string[] {
  const faults: string[] = [];
  for (const into of [LANE_INTERACTIVE, LANE_BULK]) {
    const numbers = receiver.receivedIn(into).map((message) => message.number);
    if (numbers.some((number, i) => i > 0 && number <= (numbers[i - 1] as number))) {
      faults.push(`${sender.name} lane ${into}: received ${numbers.join(" ")}`);
    }
  }
  if (receiver.received.some((message) => !message.intact)) faults.push(`${sender.name}: altered`);
  const received = new Set(receiver.received.map((message) => message.number));
  const delivered = countOf(sender.delivered);
  const failed = countOf(sender.failed.map(({ id }) => id));
  for (const { id, number, lane: into, life } of sender.sent) {
    if (into === LANE_CONTROL) continue;
    const told = (delivered.get(id) ?? 0) + (failed.get(id) ?? 0);
    if (told > 1 || (told === 0 && life === sender.life)) faults.push(`${id}: its fate was told ${told} times`);
    if (delivered.has(id) && !received.has(number)) faults.push(`${id}: delivered, but not received`);
  }
  return faults;
}

function countOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
