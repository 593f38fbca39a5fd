// Results as Markdown: a table for each workload, the targets, the machine.

import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { medianOf } from "./runner.mjs";
import { plot } from "./svg.mjs";

/** @typedef {import("./runner.mjs").Result} Result */
/** @typedef {import("./types.js").Metric} Metric */
/** @typedef {import("./types.js").Target} Target */

const numbers = new Map();

/** @param {number | null} value @param {number} [digits] */
export function format(value, digits = 0) {
  if (value === null || Number.isNaN(value)) return "–";
  if (!numbers.has(digits)) {
    numbers.set(digits, new Intl.NumberFormat("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  }
  return numbers.get(digits).format(value);
}

/** @param {number | null} ratio */
const asFactor = (ratio) => (ratio === null ? "–" : `${format(ratio, ratio < 10 ? 2 : 1)} ×`);

/** @param {readonly (readonly string[])[]} rows the first one is the head @param {number} textColumns that are not numbers */
function table(rows, textColumns = 1) {
  const [head = [], ...body] = rows;
  const rule = head.map((_, i) => (i < textColumns ? "---" : "--:"));
  return [head, rule, ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/**
 * The medians of one workload, and the smallest and the largest sample beside them.
 * @param {Result} result
 * @param {(system: string) => string} titleOf
 */
function workloadTable(result, titleOf) {
  const { workload, systems, samples } = result;
  const head = ["", ...workload.metrics.flatMap(({ title, unit }) => [`${title}, ${unit}`, "least … most"])];
  const rows = systems.map((system) => [
    titleOf(system),
    ...workload.metrics.flatMap(({ name, digits }) => {
      const values = samples.get(name)?.get(system) ?? [];
      const range = values.length === 0 ? "–" : `${format(Math.min(...values), digits)} … ${format(Math.max(...values), digits)}`;
      return [format(medianOf([result], name, system), digits), range];
    }),
  ]);
  return `## ${workload.title}\n\n${table([head, ...rows])}`;
}

/**
 * @typedef {object} Verdict
 * @property {Target} target
 * @property {number | null} value the ratio, or the value itself; `null` when this run has not measured it
 * @property {boolean | null} holds
 */

/**
 * @param {readonly Target[]} targets
 * @param {readonly Result[]} results
 * @returns {Verdict[]}
 */
export function judge(targets, results) {
  return targets.map((target) => {
    const own = medianOf(results, target.metric, target.system);
    const other = target.against ? medianOf(results, target.againstMetric ?? target.metric, target.against) : 1;
    const value = own === null || other === null ? null : own / other;
    const holds =
      value === null
        ? null
        : value >= (target.atLeast ?? Number.NEGATIVE_INFINITY) && value <= (target.atMost ?? Number.POSITIVE_INFINITY);
    return { target, value, holds };
  });
}

/** @param {readonly Verdict[]} verdicts Those that this run says something about. */
function targetTable(verdicts) {
  const rows = verdicts
    .filter(({ value }) => value !== null)
    .map(({ target, value, holds }) => [
      target.text,
      target.against ? asFactor(value) : format(value, 1),
      holds ? "yes" : "**no**",
    ]);
  if (rows.length === 0) return "";
  return `## Targets\n\n${table([["target", "measured", "holds"], ...rows])}`;
}

/**
 * @typedef {object} About
 * @property {string} date
 * @property {string} machine
 * @property {Record<string, string>} versions
 * @property {number} repetitions
 * @property {boolean} quick
 */

/** @param {About} about */
function aboutRun({ date, machine, versions, repetitions, quick }) {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const times = repetitions === 1 ? "One repetition" : `Medians of ${repetitions} interleaved repetitions`;
  return [
    "# Measured",
    `${date}. ${machine}.`,
    `${times}${quick ? ", quick: short runs, for a first look only" : ""}. Read the ratios, not the figures.`,
    `Versions: ${list.join(", ")}.`,
  ].join("\n\n");
}

/**
 * Makes the report, and where it has a place writes it there, with a plot for each workload beside it.
 * @param {{ about: About, verdicts: readonly Verdict[], results: readonly Result[], titleOf: (system: string) => string, file: string | null }} run
 * @returns {string} the report without pictures
 */
export function writeReport({ about, verdicts, results, titleOf, file }) {
  const head = [aboutRun(about), targetTable(verdicts)].filter((part) => part !== "");
  const tables = results.map((result) => workloadTable(result, titleOf));
  if (file) {
    const stem = basename(file, extname(file));
    mkdirSync(dirname(file), { recursive: true });
    const sections = results.map((result, i) => {
      const picture = `${stem}-${result.workload.name}.svg`;
      writeFileSync(join(dirname(file), picture), plot(result, titleOf, format));
      return `${tables[i]}\n\n![${result.workload.title}](${picture})`;
    });
    writeFileSync(file, `${[...head, ...sections].join("\n\n")}\n`);
  }
  return `${[...head, ...tables].join("\n\n")}\n`;
}
