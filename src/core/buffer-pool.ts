// Buffers that are used again and again: who queues bytes borrows some, and gives them back when the bytes have arrived.

/** How a pool has fared, for `stats()`. */
export interface BufferPoolStats {
  /** Size of each buffer, in bytes. */
  readonly bufferBytes: number;
  /** Buffers that are lent out now. */
  readonly inUse: number;
  /** Buffers that wait to be lent. */
  readonly free: number;
  /** Times that a buffer was there when one was wanted. */
  readonly hits: number;
  /** Times that one had to be made. */
  readonly misses: number;
}

/** What `stats()` tells. */
export interface NetworkStats {
  /** The buffers that queued messages of all peers lie in. */
  readonly buffers: BufferPoolStats;
}

/**
 * Equal buffers, kept for the next one who needs some. What was in them is still there: whoever borrows one reads only what it has
 * written itself.
 */
export class BufferPool {
  readonly bufferBytes: number;
  readonly #keep: number;
  readonly #free: Uint8Array[] = [];
  #inUse = 0;
  #hits = 0;
  #misses = 0;

  /**
   * @param bufferBytes - size of each buffer
   * @param keep - most buffers that wait to be lent; more are left to the garbage collector
   */
  constructor(bufferBytes: number, keep: number) {
    this.bufferBytes = bufferBytes;
    this.#keep = keep;
  }

  take(): Uint8Array {
    this.#inUse++;
    const free = this.#free.pop();
    if (free) this.#hits++;
    else this.#misses++;
    return free ?? new Uint8Array(this.bufferBytes);
  }

  /** @param buffer - one that `take` gave; the caller forgets it */
  give(buffer: Uint8Array): void {
    this.#inUse--;
    if (this.#free.length < this.#keep) this.#free.push(buffer);
  }

  get stats(): BufferPoolStats {
    return {
      bufferBytes: this.bufferBytes,
      inUse: this.#inUse,
      free: this.#free.length,
      hits: this.#hits,
      misses: this.#misses,
    };
  }
}
