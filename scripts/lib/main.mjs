// The frame around each script: an exit code, and failures as sentences.

import { red, StepError } from "./run.mjs";

/** @param {() => Promise<number>} work gives the exit code */
export async function main(work) {
  try {
    process.exitCode = await work();
  } catch (error) {
    process.stderr.write(
      `${red(error instanceof StepError ? error.message : String(error instanceof Error ? error.stack : error))}\n`,
    );
    process.exitCode = 1;
  }
}
