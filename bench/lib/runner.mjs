// The order of a run: for each workload, all systems in turn, again and again; then the median of each.

import { median } from "./statistics.mjs";

/** @typedef {import("./types.js").Workload} Workload */
/** @typedef {import("./types.js").Effort} Effort */
/**
 * @typedef {object} Result
 * @property {Workload} workload
 * @property {readonly string[]} systems that were measured, in the order of the table
 * @property {Map<string, Map<string, number[]>>} samples metric → system → one value for each repetition
 * @property {string[]} errors what went wrong, as sentences
 */

/**
 * @param {Workload} workload
 * @param {readonly string[]} systems
 * @param {{ effort: Effort, repetitions: number, onProgress: (system: string, repetition: number, values: Record<string, number> | Error) => void, isOver: () => boolean }} options
 * @returns {Promise<Result>}
 */
export async function runWorkload(workload, systems, { effort, repetitions, onProgress, isOver }) {
  /** @type {Result} */
  const result = { workload, systems, samples: new Map(), errors: [] };
  for (const { name } of workload.metrics) result.samples.set(name, new Map(systems.map((system) => [system, []])));
  const undo = await workload.prepare?.(effort, systems);
  try {
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (let turn = 0; turn < systems.length && !isOver(); turn++) {
        // Another one begins each time, so that nobody is always first, or always behind the same neighbour in time.
        const system = /** @type {string} */ (systems[(turn + repetition) % systems.length]);
        try {
          const values = await workload.measure(system, effort);
          for (const [name, value] of Object.entries(values)) result.samples.get(name)?.get(system)?.push(value);
          onProgress(system, repetition, values);
        } catch (cause) {
          const error = cause instanceof Error ? cause : new Error(String(cause));
          result.errors.push(`${workload.name}, ${error.message}`);
          onProgress(system, repetition, error);
        }
      }
    }
  } finally {
    await undo?.();
  }
  return result;
}

/**
 * @param {readonly Result[]} results
 * @param {string} metric
 * @param {string} system
 * @returns {number | null} the median; `null` where it was not measured
 */
export function medianOf(results, metric, system) {
  for (const { samples } of results) {
    const values = samples.get(metric)?.get(system);
    if (values && values.length > 0) return median(values);
  }
  return null;
}
