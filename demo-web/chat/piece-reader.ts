// Reads a stream of bytes in pieces of a length that we choose.

/** Reads exactly so many bytes, or whatever comes. One read at a time. */
export class PieceReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #left: Uint8Array = new Uint8Array(0);

  constructor(readable: ReadableStream<Uint8Array>) {
    this.#reader = readable.getReader();
  }

  /** @returns exactly `length` bytes; `null` where the stream ends before. @throws what the stream fails with */
  async exactly(length: number): Promise<Uint8Array | null> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const piece = await this.next();
      if (!piece) return null;
      const taken = piece.subarray(0, length - filled);
      bytes.set(taken, filled);
      filled += taken.length;
      this.#left = piece.subarray(taken.length);
    }
    return bytes;
  }

  /** @returns the next bytes, at least one; `null` at the end. @throws what the stream fails with */
  async next(): Promise<Uint8Array | null> {
    const left = this.#left;
    if (left.length > 0) {
      this.#left = new Uint8Array(0);
      return left;
    }
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return null;
      if (value.length > 0) return value;
    }
  }

  /** Reads nothing more: the writer at the other side learns it. */
  cancel(): void {
    // It rejects where the stream has failed by itself.
    this.#reader.cancel().catch(() => undefined);
  }
}
