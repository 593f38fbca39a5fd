// Invariant 1 over random schedules: nothing is lost, doubled or reordered, whatever happens to links.
// SCHEDULES=100000 runs more of them, SEED=… repeats a failure that was printed with its seed.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  faultsOf,
  faultsWithRestarts,
  runSchedule,
  type Step,
  schedules,
  schedulesWithRestarts,
  schedulesWithSleep,
  settle,
} from "../../sim/schedule.js";
import { SessionPair } from "../../sim/session-pair.js";

const RUNS = Number(process.env.SCHEDULES ?? 10_000);
const SEED = process.env.SEED === undefined ? undefined : Number(process.env.SEED);

function outcome(steps: readonly Step[]): string[] {
  // A small window, so that it matters.
  const pair = new SessionPair({ resumeWindowMs: 3_600_000, receiveBufferBytes: 64 * 1024 });
  const wires = runSchedule(pair, pair.connect(), steps);
  const last = settle(pair, wires);
  const open = [...wires, last].filter((wire) => !wire.ended).length;
  return [
    ...(open === 1 ? [] : [`${open} links stay open`]),
    ...faultsOf(pair.alice, pair.bob),
    ...faultsOf(pair.bob, pair.alice),
    ...[pair.alice, pair.bob].flatMap((peer) => statusFaults(peer.name, peer.statuses)),
  ];
}

/** With a resume window that a schedule may outlast, and processes that may die. */
function outcomeWithLosses(steps: readonly Step[]): string[] {
  const pair = new SessionPair({ resumeWindowMs: 20_000, receiveBufferBytes: 64 * 1024 });
  settle(pair, runSchedule(pair, pair.connect(), steps));
  const { alice, bob } = pair;
  // Where the window closed while the last link was greeted, it takes one more, as it takes who dials a moment too late.
  if ([alice, bob].some((peer) => peer.errors.at(-1)?.code === "ERR_CLOSED_TIMEOUT")) {
    pair.link({ kind: "one more" });
    pair.run(30_000);
  }
  const statuses = [alice, bob].flatMap((peer) => statusFaults(peer.name, peer.statuses));
  return [...faultsWithRestarts(alice, bob), ...faultsWithRestarts(bob, alice), ...statuses];
}

function statusFaults(name: string, statuses: readonly string[]): string[] {
  const faults: string[] = [];
  if (statuses.at(-1) !== "connected") faults.push(`${name} ended ${statuses.at(-1)}`);
  statuses.forEach((status, i) => {
    if (status === statuses[i - 1]) faults.push(`${name} told ${status} twice`);
  });
  return faults;
}

describe("random schedules of two live processes", () => {
  test(`deliver each message once, in order, and tell its fate once (${RUNS} schedules)`, { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(schedules, (steps) => {
        expect(outcome(steps)).toEqual([]);
      }),
      { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: SEED }) },
    );
  });
});

/** Found at random: links of a process that died are accepted late, and answers cross, so that an old conversation comes up again. */
const CROSSED: readonly Step[] = [
  ...[20, 20, 20].map((rank) => link({ from: "alice", rank })),
  link({ from: "bob", acceptAfterMs: 80 }),
  { do: "wait", ms: 0 },
  { do: "restart", by: "bob" },
  link({ from: "bob", acceptAfterMs: 80 }),
  { do: "send", by: "bob", lane: 1, length: 1000, count: 1 },
  link({ from: "bob", delayMs: 50 }),
  { do: "send", by: "alice", lane: 1, length: 4, count: 1 },
];

function link(plan: Partial<Extract<Step, { do: "link" }>>): Step {
  return { do: "link", from: "alice", rank: 20, delayMs: 0, bytesPerMs: Number.POSITIVE_INFINITY, acceptAfterMs: 0, ...plan };
}

describe("random schedules in which processes die and come back", () => {
  test("a conversation that one side has forgotten does not come up again, however answers cross", () => {
    expect(outcomeWithLosses(CROSSED)).toEqual([]);
  });

  test(`deliver nothing twice and tell each fate once (${RUNS} schedules)`, { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(schedulesWithRestarts, (steps) => {
        expect(outcomeWithLosses(steps)).toEqual([]);
      }),
      { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: SEED }) },
    );
  });
});

describe("random schedules in which processes freeze and thaw", () => {
  const runs = Math.ceil(RUNS / 4);
  const parameters = { numRuns: runs, ...(SEED === undefined ? {} : { seed: SEED }) };

  test(`within the resume window deliver each message once, in order (${runs} schedules)`, { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(schedulesWithSleep, (steps) => {
        expect(outcome(steps)).toEqual([]);
      }),
      parameters,
    );
  });

  test(`for longer deliver nothing twice and tell each fate once (${runs} schedules)`, { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(schedulesWithSleep, (steps) => {
        expect(outcomeWithLosses(steps)).toEqual([]);
      }),
      parameters,
    );
  });
});
