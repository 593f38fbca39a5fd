// How much bulk data may be on its way: enough to keep the path busy, and no more, as everything else queues behind it.

import type { Millis } from "../runtime.js";

/** Bytes that may always be under way beyond the bandwidth-delay product: twice what the other side acknowledges at once. */
const FLOOR_BYTES = 64 * 1024;
/** Or this share of the product where that is more, so that a faster path is found; as BBR probes. */
const PROBE_SHARE = 0.25;
/** Shortest span that a rate is taken over. */
const SAMPLE_MS: Millis = 20;
/** How many spans the best rate is remembered for. */
const SAMPLES = 10;

export class BulkLimit {
  #rates: number[] = [];
  #since: Millis | null = null;
  #bytes = 0;

  /** A new link: nothing is known of it. */
  reset(): void {
    this.#rates = [];
    this.#since = null;
    this.#bytes = 0;
  }

  /** So many bytes more have arrived at the other side. */
  acknowledged(bytes: number, now: Millis): void {
    this.#since ??= now;
    this.#bytes += bytes;
    const span = now - this.#since;
    if (span < SAMPLE_MS) return;
    this.#rates.push(this.#bytes / span);
    if (this.#rates.length > SAMPLES) this.#rates.shift();
    this.#since = now;
    this.#bytes = 0;
  }

  /**
   * Bytes that may be under way now.
   * @param rttMs - shortest round trip of the link; `null` until it was measured: then there is no limit
   */
  bytes(rttMs: Millis | null): number {
    if (rttMs === null) return Number.POSITIVE_INFINITY;
    const best = this.#rates.length === 0 ? this.#running(rttMs) : Math.max(...this.#rates);
    const product = Math.floor(best * rttMs);
    return product + Math.max(FLOOR_BYTES, Math.floor(PROBE_SHARE * product));
  }

  // Before the first whole span, what has arrived so far within it says enough.
  #running(rttMs: Millis): number {
    return this.#bytes / Math.max(rttMs, 1);
  }
}
