// The benchmark: what to measure, in which order, and what is told. `npm run bench` calls it, once everything is installed and built.

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { dim, red, StepError, say } from "../scripts/lib/run.mjs";
import { addOtherBuild, allSystems } from "./adapters/index.mjs";
import { describeMachine, versionsOf } from "./lib/machine.mjs";
import { format, judge, writeReport } from "./lib/report.mjs";
import { runWorkload } from "./lib/runner.mjs";
import { TARGETS } from "./targets.mjs";
import { loadWorkloads } from "./workloads/index.mjs";

/** @typedef {import("./lib/types.js").Workload} Workload */

const REPETITIONS = 5;
/** After it a quick run begins nothing new, in ms: it shall be over within two minutes, on a busy machine as well. */
const QUICK_MS = 100_000;

export const HELP = `npm run bench -- [--quick] [--only WORKLOADS] [--systems SYSTEMS] [--repetitions N] [--other DIST] [--out FILE]

  --quick          short runs, one repetition, the main systems: a first look within two minutes; writes no files
  --only           workloads or metrics, such as bulk,small
  --systems        such as linknet,tls
  --repetitions    of each measurement; default ${REPETITIONS}, and 1 with --quick
  --other DIST     the folder "dist" of another build: joins as linknet-other
  --no-build       take dist as it is, even if the sources are newer
  --out FILE       where the report goes, with its plots beside it; default bench/results/latest.md, and nowhere
                   with --quick, --only or --systems
`;

/** @param {string | undefined} value */
const list = (value) => value?.split(",").map((name) => name.trim());

/**
 * @param {readonly string[] | undefined} wanted
 * @param {readonly string[]} known
 * @param {string} what
 */
function refuseUnknown(wanted, known, what) {
  const unknown = wanted?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length === 0) return;
  throw new StepError(`No ${what} is called ${unknown.join(", ")}. There are: ${[...new Set(known)].join(", ")}.`);
}

/** @param {readonly string[]} args */
function readArguments(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      systems: { type: "string" },
      repetitions: { type: "string" },
      other: { type: "string" },
      out: { type: "string" },
    },
  });
  const repetitions = Number(values.repetitions ?? (values.quick ? 1 : REPETITIONS));
  if (!Number.isInteger(repetitions) || repetitions < 1) throw new StepError("--repetitions takes a whole number from 1.");
  return { ...values, only: list(values.only), systems: list(values.systems), repetitions };
}

/** @param {Workload} workload What `--only` may call it. */
const namesOf = ({ name, metrics }) => [name, ...metrics.map((metric) => metric.name)];

/**
 * @param {Workload} workload
 * @param {readonly string[]} systems
 * @param {{ quick: boolean, repetitions: number, isOver: () => boolean }} options
 */
async function measure(workload, systems, { quick, repetitions, isOver }) {
  say(`\n${workload.title}`);
  const width = Math.max(...systems.map((name) => name.length));
  return runWorkload(workload, systems, {
    effort: { quick },
    repetitions,
    isOver,
    onProgress(system, repetition, values) {
      const text =
        values instanceof Error
          ? red(values.message)
          : workload.metrics.map(({ name, unit, digits }) => `${format(values[name] ?? null, digits)} ${unit}`).join(", ");
      say(`${dim(`  ${repetition + 1}/${repetitions}`)}  ${system.padEnd(width)}  ${text}`);
    },
  });
}

/**
 * @param {readonly string[]} args
 * @returns {Promise<number>} the exit code: 1 when a measurement failed; a target that was missed is no failure
 */
export async function bench(args) {
  const { quick, only, systems, repetitions, other, out } = readArguments(args);
  if (other) addOtherBuild(resolve(other));
  const workloads = await loadWorkloads();
  /** @type {Record<string, string>} */
  const titles = Object.assign({}, ...workloads.map((workload) => workload.titles ?? {}));
  for (const { name, title } of allSystems()) titles[name] = title;
  refuseUnknown(only, workloads.flatMap(namesOf), "workload");
  refuseUnknown(systems, Object.keys(titles), "system");

  const machine = describeMachine();
  const versions = versionsOf(allSystems());
  const endsAt = performance.now() + (quick ? QUICK_MS : Number.POSITIVE_INFINITY);
  const isOver = () => performance.now() > endsAt;
  // By `exit` the children are killed; see lib/pair.mjs.
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.once(signal, () => process.exit(130));

  const results = [];
  for (const workload of workloads.filter((one) => !only || namesOf(one).some((name) => only.includes(name)))) {
    // What was named is measured, in a quick run as well.
    const candidates = quick && !systems ? (workload.quickSystems ?? workload.systems) : workload.systems;
    const chosen = candidates.filter((name) => name in titles && (!systems || systems.includes(name)));
    if (chosen.length === 0 || isOver()) continue;
    results.push(await measure(workload, chosen, { quick, repetitions, isOver }));
    Object.assign(versions, await workload.versions?.());
  }

  const about = { date: new Date().toISOString().slice(0, 10), machine, repetitions, quick, versions };
  const file = out ?? (quick || only || systems ? null : "bench/results/latest.md");
  say(`\n${writeReport({ about, verdicts: judge(TARGETS, results), results, titleOf: (name) => titles[name] ?? name, file })}`);
  if (file) say(`Written: ${file}`);
  if (isOver()) say(red("The time of a quick run was over before everything was measured."));
  const errors = results.flatMap((result) => result.errors);
  for (const error of errors) say(red(error));
  return errors.length === 0 ? 0 : 1;
}
