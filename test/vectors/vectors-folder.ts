// Where the published test vectors lie. They are not part of this repository: without them their tests are skipped, loudly.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../../shared/vectors/", import.meta.url));
let warned = false;

/** The folder, with a slash at its end; `null` where it is missing, which is said on the console once per test file. */
export function vectorsFolder(): string | null {
  if (existsSync(FOLDER)) return FOLDER;
  if (!warned)
    console.warn(`\n!!!!!!!!!! TEST VECTORS ARE MISSING (${FOLDER}): THE TESTS THAT NEED THEM ARE SKIPPED !!!!!!!!!!\n`);
  warned = true;
  return null;
}

/**
 * One file of vectors, parsed. `Shape` is what the caller knows about it.
 * @param name - path in the folder, such as `noise/snow.json`
 */
export function readVectors<Shape>(name: string): Shape {
  return JSON.parse(readFileSync(`${FOLDER}${name}`, "utf8")) as Shape;
}
