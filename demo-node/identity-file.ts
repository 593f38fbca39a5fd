// A key in a file: who is the same peer after a restart is known again, and gets the rest of an interrupted file.

import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

/** Length of the key in bytes: an Ed25519 seed (RFC 8032 §5.1.5). */
const SEED_BYTES = 32;

/**
 * Reads the key, or makes one where there is no such file. The file is for its owner alone: whoever has it can be this peer.
 * @throws Error with a sentence that names the file
 */
export function readIdentity(path: string): Uint8Array {
  let seed: Uint8Array;
  try {
    seed = new Uint8Array(readFileSync(path));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw new Error(`${path} cannot be read`);
    seed = new Uint8Array(randomBytes(SEED_BYTES));
    try {
      writeFileSync(path, seed, { mode: 0o600, flag: "wx" });
    } catch {
      throw new Error(`${path} cannot be written`);
    }
  }
  if (seed.length !== SEED_BYTES) throw new Error(`${path} holds no identity: it has not ${SEED_BYTES} bytes`);
  return seed;
}
