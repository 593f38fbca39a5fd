// Messages that may still be dropped or replaced: they get their place in the lane only when they are about to be sent.

import { NetworkError } from "../errors.js";
import type { Clock, Millis, Timer } from "../runtime.js";

/** How long a message is worth sending, and what replaces it. */
export interface Freshness {
  /** Dropped, and reported as failed, when it could not be sent within this many ms. */
  readonly ttlMs?: Millis;
  /** A newer message with the same key takes the place of one that waits. */
  readonly latest?: string;
}

export interface LateMessage {
  readonly bytes: Uint8Array;
  readonly id: string;
  readonly key: string | null;
  readonly expiresAt: Millis;
}

export class LateQueue {
  readonly #clock: Clock;
  readonly #failed: (messageId: string, error: NetworkError) => void;
  /** In order; a message with a key is found by it, others by a number of ours. */
  readonly #waiting = new Map<string, LateMessage>();
  #bytes = 0;
  #pushed = 0;
  /** When the next message expires, or earlier. */
  #firstExpiry = Number.POSITIVE_INFINITY;
  #timer: Timer | null = null;

  constructor(clock: Clock, failed: (messageId: string, error: NetworkError) => void) {
    this.#clock = clock;
    this.#failed = failed;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(bytes: Uint8Array, id: string, freshness: Freshness): void {
    const key = freshness.latest === undefined ? null : freshness.latest;
    const expiresAt = freshness.ttlMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.now() + freshness.ttlMs;
    // One without a key is replaced by nothing, not even by itself sent again.
    const name = key === null ? `i${this.#pushed++}` : `k${key}`;
    // The newer one keeps the place in the line that the older one had.
    const older = this.#waiting.get(name);
    this.#waiting.set(name, { bytes, id, key, expiresAt });
    this.#bytes += bytes.length;
    if (older) this.#drop(older, new NetworkError("ERR_MESSAGE_REPLACED"));
    if (expiresAt < this.#firstExpiry) this.#watch(expiresAt);
  }

  /**
   * Takes out the first message that is still worth sending; `null` when there is none.
   * @param wanted - default: any
   */
  take(wanted?: (message: LateMessage) => boolean): LateMessage | null {
    this.#expire();
    for (const [name, waiting] of this.#waiting) {
      if (wanted && !wanted(waiting)) continue;
      this.#waiting.delete(name);
      this.#bytes -= waiting.bytes.length;
      return waiting;
    }
    return null;
  }

  /** Drops everything without a word. @returns the ids of what waited */
  stop(): string[] {
    this.#timer?.cancel();
    const ids = [...this.#waiting.values()].map((waiting) => waiting.id);
    this.#waiting.clear();
    this.#bytes = 0;
    return ids;
  }

  #expire(): void {
    const now = this.#clock.now();
    if (now < this.#firstExpiry) return;
    let next = Number.POSITIVE_INFINITY;
    for (const [name, waiting] of [...this.#waiting]) {
      // Told of another one's end, the application may have sent a newer one meanwhile.
      if (this.#waiting.get(name) !== waiting) continue;
      if (waiting.expiresAt > now) {
        next = Math.min(next, waiting.expiresAt);
        continue;
      }
      this.#waiting.delete(name);
      this.#drop(waiting, new NetworkError("ERR_MESSAGE_EXPIRED"));
    }
    this.#watch(next);
  }

  #drop(waiting: LateMessage, error: NetworkError): void {
    this.#bytes -= waiting.bytes.length;
    this.#failed(waiting.id, error);
  }

  // One timer, for the first that expires.
  #watch(firstExpiry: Millis): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#firstExpiry = firstExpiry;
    if (firstExpiry === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#clock.after(Math.max(0, firstExpiry - this.#clock.now()), () => this.#expire());
  }
}
