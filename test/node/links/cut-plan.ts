// Which connection breaks after how many bytes and in what way: drawn from a seed, so that a bad run can be run again.

import { SeededRandom } from "../../sim/seeded-random.js";

/** The ways a TCP connection breaks. */
export const CUT_KINDS = ["reset", "close", "halfClose", "stall", "truncate", "refuse"] as const;
export type CutKind = (typeof CUT_KINDS)[number];

/** The two ends of a connection, as the proxy sees them: who dialled it, and who it dialled. */
export type Side = "dialler" | "listener";

/** How one connection ends. */
export interface Cut {
  readonly kind: CutKind;
  /** After so many bytes, both directions together. */
  readonly afterBytes: number;
  /** How long a stall, a half-closed connection or a refusal lasts, in ms; then the connection is reset. */
  readonly forMs: number;
  /** Which side is told of the end when only one is. */
  readonly side: Side;
  /** How much of the next chunk still passes when it is truncated, in bytes. */
  readonly partBytes: number;
}

/** Says for each connection in turn how it ends; `null` for one that is left alone. */
export interface Cuts {
  next(): Cut | null;
}

export interface CutPlanOptions {
  readonly seed: number;
  /** How many connections are cut; those after them live. */
  readonly cuts: number;
  /** A connection carries this much on average before it is cut. */
  readonly meanBytes: number;
  /** Longest stall, half-closed connection and refusal, in ms. Default 400. */
  readonly maxMs?: number;
  /** Default: all of them, each as often. */
  readonly kinds?: readonly CutKind[];
}

/** Enough for a handshake and the first hello both ways, in bytes. */
const FIRST_BYTES = 4096;

export class CutPlan implements Cuts {
  readonly #options: CutPlanOptions;
  readonly #random: SeededRandom;
  #drawn = 0;

  constructor(options: CutPlanOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  next(): Cut | null {
    const { cuts, meanBytes, maxMs = 400, kinds = CUT_KINDS } = this.#options;
    if (this.#drawn >= cuts) return null;
    // The first connection is the one that a session begins on; those after it may be cut in their handshake, too.
    const least = this.#drawn === 0 ? FIRST_BYTES : 0;
    const kind = kinds[this.#drawn++ % kinds.length] as CutKind;
    return {
      kind,
      afterBytes: least + this.#random.below(2 * meanBytes),
      forMs: 1 + this.#random.below(maxMs),
      side: this.#random.below(2) === 0 ? "dialler" : "listener",
      partBytes: 1 + this.#random.below(64),
    };
  }
}
