// How many STUN answers one source gets, over all sockets of a relay.

import { SourceLimiter } from "./source-limiter.js";

/** Sources that are remembered. UDP sources can be forged, so memory has a bound of its own. */
const MAX_SOURCES = 10_000;
/** How often those that have become quiet are forgotten, in ms. */
const SWEEP_MS = 10_000;

/** The rate of all sources. Time is that of `performance.now()`. */
export class StunRate {
  readonly #sources: SourceLimiter;
  #sweepAt = 0;

  /** @param perSecond - answers per second and source, with twice as many at once */
  constructor(perSecond: number) {
    this.#sources = new SourceLimiter(perSecond, 2 * perSecond, MAX_SOURCES);
  }

  /** @returns whether this source may have an answer more now */
  allow(address: string | undefined): boolean {
    const now = performance.now();
    if (now >= this.#sweepAt) {
      this.#sources.sweep(now);
      this.#sweepAt = now + SWEEP_MS;
    }
    return this.#sources.allow(address, now);
  }
}
