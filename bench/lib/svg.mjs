// Plots without a library: one panel of bars for each metric, readable on a light page and on a dark one.

import { median } from "./statistics.mjs";

/** @typedef {import("./runner.mjs").Result} Result */

const WIDTH = 840;
const LABEL_WIDTH = 350;
const VALUE_WIDTH = 130;
const BAR_HEIGHT = 18;
const BAR_GAP = 6;
const TITLE_HEIGHT = 34;
const PANEL_GAP = 14;
const MARGIN = 12;
const ROUND = 2;
/** Thinner than this nobody sees a bar, in pixels. */
const LEAST_BAR = 1;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 15px; }
  .value { font-variant-numeric: tabular-nums; }
  .bar { fill: #8c96a3; }
  .own { fill: #1f6feb; }
  .range { stroke: #24292f; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .bar { fill: #6e7681; }
    .own { fill: #58a6ff; }
    .range { stroke: #e6edf3; }
  }`;

/** @param {string} text Titles are Markdown elsewhere. */
const plain = (text) => text.replaceAll("`", "").replaceAll("**", "");

/** @param {string} text */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/**
 * @param {Result} result
 * @param {(system: string) => string} titleOf
 * @param {(value: number | null, digits?: number) => string} format
 * @returns {string} an SVG document: the medians as bars, the smallest and the largest sample as a thin line
 */
export function plot(result, titleOf, format) {
  const { workload, samples } = result;
  /** @type {string[]} */
  const parts = [];
  let y = MARGIN;
  for (const { name, title, unit, digits, better } of workload.metrics) {
    const rows = [...(samples.get(name) ?? [])].filter(([, values]) => values.length > 0);
    if (rows.length === 0) continue;
    const most = Math.max(...rows.flatMap(([, values]) => values), Number.MIN_VALUE);
    /** @param {number} value */
    const scale = (value) => (Math.max(0, value) / most) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH - MARGIN);
    parts.push(`<text class="title" x="${MARGIN}" y="${y + 18}">${escaped(`${title}, ${unit} (${better} is better)`)}</text>`);
    y += TITLE_HEIGHT;
    for (const [system, values] of rows) {
      const value = median(values);
      const middle = y + BAR_HEIGHT / 2;
      const bar = Math.max(LEAST_BAR, scale(value));
      const [from, to] = [Math.min(...values), Math.max(...values)].map((one) => LABEL_WIDTH + scale(one));
      const own = system.startsWith("linknet") ? "own" : "bar";
      parts.push(
        `<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escaped(plain(titleOf(system)))}</text>`,
        `<rect class="${own}" x="${LABEL_WIDTH}" y="${y}" width="${bar.toFixed(1)}" height="${BAR_HEIGHT}" rx="${ROUND}"/>`,
        `<line class="range" x1="${from?.toFixed(1)}" x2="${to?.toFixed(1)}" y1="${middle}" y2="${middle}"/>`,
        `<text class="value" x="${(Math.max(LABEL_WIDTH + bar, to ?? 0) + 6).toFixed(1)}" y="${middle + 4}">${format(value, digits)}</text>`,
      );
      y += BAR_HEIGHT + BAR_GAP;
    }
    y += PANEL_GAP;
  }
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" role="img">`;
  return [head, `<title>${escaped(workload.title)}</title>`, `<style>${STYLE}\n</style>`, ...parts, "</svg>", ""].join("\n");
}
