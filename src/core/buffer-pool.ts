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
 * written itself. As long as none is lent, those that wait may go with the garbage: who rests holds no memory.
 */
export class BufferPool {
  readonly bufferBytes: number;
  readonly #keep: number;
  #spares = new WeakRef<Uint8Array[]>([]);
  /** The spares while a buffer is lent. */
  #held: Uint8Array[] | null = null;
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
    this.#held ??= this.#hold();
    const free = this.#held.pop();
    if (free) this.#hits++;
    else this.#misses++;
    return free ?? new Uint8Array(this.bufferBytes);
  }

  #hold(): Uint8Array[] {
    const spares = this.#spares.deref();
    if (spares) return spares;
    const none: Uint8Array[] = [];
    this.#spares = new WeakRef(none);
    return none;
  }

  /** @param buffer - one that `take` gave; the caller forgets it */
  give(buffer: Uint8Array): void {
    if (this.#held && this.#held.length < this.#keep) this.#held.push(buffer);
    if (--this.#inUse === 0) this.#held = null;
  }

  get stats(): BufferPoolStats {
    return {
      bufferBytes: this.bufferBytes,
      inUse: this.#inUse,
      free: this.#spares.deref()?.length ?? 0,
      hits: this.#hits,
      misses: this.#misses,
    };
  }
}
