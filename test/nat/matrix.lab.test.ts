// Every pair of kinds of sites: two real peers, a real relay, real NATs. Prints what came of each and holds it against the table in
// lab/expectations.ts.
//
//   npx vitest run --project nat-matrix
//   LAB_PAIRS=port:random,one-lan   only these pairs (the order of the two makes no difference) and single sites
//   LAB_RUNS=5                  each of them so many times, with other identities each time
//   LAB_SOURCES=1               the sources instead of dist

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { natLabProblem } from "../../scripts/lib/nat-tools.mjs";
import { type Expectation, expectationOf, FIRST_MESSAGE_ROUND_TRIPS, MATRIX_DELAYS, ONE_SITE } from "./lab/expectations.js";
import { labModules, type Modules } from "./lab/modules.js";
import { NAT_KINDS } from "./lab/nat-kinds.js";
import { type PairResult, runPair, Turns } from "./lab/pair.js";
import { resultTable } from "./lab/result-table.js";
import type { LabOptions } from "./lab/topology.js";

const problem = natLabProblem();
if (problem) console.warn(`\n!!!!!!!!!! SKIPPED: the NAT matrix (${problem}) !!!!!!!!!!\n`);

interface Case {
  readonly name: string;
  readonly lab: LabOptions;
  readonly expected: Expectation;
}

function allCases(): Case[] {
  const pairs = NAT_KINDS.flatMap((a, i) =>
    NAT_KINDS.slice(i).map((b) => ({ name: `${a}:${b}`, lab: { a, b }, expected: expectationOf(a, b) })),
  );
  return [...pairs, ...ONE_SITE];
}

function chosenCases(): Case[] {
  const all = allCases();
  const wanted = process.env.LAB_PAIRS?.split(",");
  if (!wanted) return all;
  return wanted.map((name) => {
    const turned = name.split(":").reverse().join(":");
    const found = all.find((one) => one.name === name || one.name === turned);
    if (!found) throw new Error(`LAB_PAIRS: there is no "${name}"; there are ${all.map((one) => one.name).join(", ")}`);
    if (found.name === name) return found;
    // As it was asked for: the first one dials.
    return { ...found, name, lab: { ...found.lab, a: found.lab.b as LabOptions["a"], b: found.lab.a } };
  });
}

/** For a pair with all its runs; several pairs share the processor by turns, and wait for theirs. */
const PATIENCE_MS = 180_000;

const RUNS = process.env.LAB_RUNS ? Number(process.env.LAB_RUNS) : null;

/** What is wrong with a result, as far as one run can tell. */
function faultsOf(result: PairResult, expected: Expectation): string[] {
  const faults: string[] = [];
  const allowed = FIRST_MESSAGE_ROUND_TRIPS * result.relayRoundTripMs;
  if (result.firstMessageMs === null) faults.push("no message arrived");
  else if (result.firstMessageMs > allowed) {
    faults.push(`the first message took ${result.firstMessageMs.toFixed(0)} ms, more than ${allowed.toFixed(0)}`);
  }
  if (result.lost !== 0) faults.push(`${result.lost} of ${result.sent} messages did not arrive`);
  if (result.faults !== 0) faults.push(`${result.faults} messages came twice or out of order`);
  const { outcome, maxDirectPackets = Number.POSITIVE_INFINITY } = expected;
  if (outcome === "relay" && result.paths.some((path) => path !== "relay"))
    faults.push(`left the relay: ${result.paths.join(", ")}`);
  if (result.directPackets > maxDirectPackets)
    faults.push(`${result.directPackets} packets past the relay: it does not stop trying`);
  return faults;
}

const isInTime = ({ directMs }: PairResult, { withinMs }: Expectation): boolean => directMs !== null && directMs <= withinMs;

describe.skipIf(problem !== null)("the matrix", () => {
  const turns = new Turns();
  const cases = chosenCases();
  const results = new Map<string, readonly PairResult[]>();
  let modules: Modules;

  beforeAll(async () => {
    modules = await labModules();
  });
  afterAll(() => {
    modules.remove();
    const rows = cases.map(({ name, expected }) => ({ name, expected, results: results.get(name) ?? [] }));
    console.log(`\n${resultTable(rows)}\n`);
  });

  test.concurrent.each(cases)(
    "$name: $expected.outcome",
    async ({ name, lab, expected }) => {
      const all: PairResult[] = [];
      results.set(name, all);
      const { of, needed } = expected.runs ?? { of: 1, needed: 1 };
      const count = RUNS ?? of;
      for (let run = 1; run <= count; run++) {
        const result = await runPair({ ...MATRIX_DELAYS, ...lab }, expected, modules, `${name}/${run}`, turns);
        all.push(result);
        expect(faultsOf(result, expected), [...result.errors, "see the table"].join("\n")).toEqual([]);
      }
      if (expected.outcome !== "direct") return;
      const direct = all.filter((result) => isInTime(result, expected)).length;
      const share = Math.floor((count * needed) / of);
      expect(direct, `direct in time, of ${count}`).toBeGreaterThanOrEqual(share);
    },
    PATIENCE_MS,
  );
});
