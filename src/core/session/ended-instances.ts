// Sessions that were ended on purpose are remembered for a while: a link that was under way then must not bring them back.

import { toHex } from "../bytes.js";
import type { Clock, Millis } from "../runtime.js";

/** Longer than any handshake may take. */
const KEPT_MS: Millis = 60_000;
const MAX_KEPT = 1_000;

export class EndedInstances {
  readonly #clock: Clock;
  readonly #endedAt = new Map<string, Millis>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(instance: Uint8Array): void {
    const now = this.#clock.now();
    for (const [known, endedAt] of this.#endedAt) {
      // Oldest first, as a map keeps its order.
      if (this.#endedAt.size < MAX_KEPT && now - endedAt < KEPT_MS) break;
      this.#endedAt.delete(known);
    }
    this.#endedAt.set(toHex(instance), now);
  }

  has(instance: Uint8Array): boolean {
    const endedAt = this.#endedAt.get(toHex(instance));
    return endedAt !== undefined && this.#clock.now() - endedAt < KEPT_MS;
  }
}
