// The matrix for people to read.

import type { Expectation } from "./expectations.js";
import type { PairResult } from "./pair.js";

export interface ResultRow {
  readonly name: string;
  readonly expected: Expectation;
  /** One for each run. */
  readonly results: readonly PairResult[];
}

const HEAD = [
  "pair",
  "wanted",
  "path",
  "direct",
  "first message",
  "round trips",
  "direct after",
  "longest gap",
  "past the relay",
];

/** Several runs of a pair as one line; figures are those in the middle, the longest gap is the longest of all. */
export function resultTable(rows: readonly ResultRow[]): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)));
  const format = (line: readonly string[]): string =>
    line
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join("  ")
      .trimEnd();
  return lines.map(format).join("\n");
}

function cells({ name, expected, results }: ResultRow): string[] {
  if (results.length === 0) return [name, expected.outcome, "not run", "", "", "", "", "", ""];
  const first = median(results.map((one) => one.firstMessageMs));
  const direct = results.filter((one) => one.directMs !== null);
  return [
    name,
    expected.outcome,
    [...new Set(results.map(pathText))].join(" or "),
    `${direct.length} of ${results.length}`,
    ms(first),
    ratio(results),
    ms(median(direct.map((one) => one.directMs))),
    ms(Math.max(...results.map((one) => one.longestGapMs))),
    `${Math.max(...results.map((one) => one.directPackets))} packets`,
  ];
}

function pathText({ paths }: PairResult): string {
  const [a, b] = paths.map((path) => path ?? "none");
  return a === b ? `${a}` : `${a}/${b}`;
}

/** The first message in round trips over the relay. */
function ratio(results: readonly PairResult[]): string {
  const all = results.map((one) => (one.firstMessageMs === null ? null : one.firstMessageMs / one.relayRoundTripMs));
  const middle = median(all);
  return middle === null ? "-" : middle.toFixed(1);
}

function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}

const ms = (value: number | null): string => (value === null ? "-" : `${value.toFixed(0)} ms`);
