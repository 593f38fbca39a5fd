// The other end of program.ts: takes commands as lines of JSON, answers each, and tells events.

import { setPriority } from "node:os";
import { createInterface } from "node:readline";

/** Before whatever else the machine does: its programs are no part of the laboratory. */
const PRIORITY = -15;

/** @param {string} event @param {Record<string, unknown>} [details] */
export function tell(event, details = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...details })}\n`);
}

/** A clock that all processes of a machine share, in ms. */
export function now() {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/**
 * Carries out commands until the input ends, and the process with it.
 * @param {Record<string, (args: any) => unknown>} commands by name; each may give back a promise
 * @param {() => unknown} [end] what to do before the process ends
 */
export function serve(commands, end = () => {}) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const { id, command, ...args } = JSON.parse(line);
    try {
      const work = commands[command];
      if (!work) throw new Error(`unknown command ${command}`);
      const result = await work(args);
      process.stdout.write(`${JSON.stringify({ id, result: result ?? null })}\n`);
    } catch (error) {
      const text = error instanceof Error ? `${/** @type {any} */ (error).code ?? ""} ${error.message}`.trim() : String(error);
      process.stdout.write(`${JSON.stringify({ id, error: text })}\n`);
    }
  });
  lines.on("close", async () => {
    await end();
    process.exit(0);
  });
  // Only now, so that a program that starts takes no time from one that is being measured.
  setPriority(PRIORITY);
  tell("ready", { pid: process.pid });
}
