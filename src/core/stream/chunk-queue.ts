// Bytes that wait to be read: pieces as they came, tiny ones joined, so that a byte never costs much more than a byte.

/** A piece shorter than this is copied into a shared buffer. */
const SMALL_BYTES = 4 * 1024;
const JOINED_BYTES = 16 * 1024;

interface Piece {
  readonly buffer: Uint8Array;
  used: number;
}

export class ChunkQueue {
  #pieces: Piece[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** @param piece - a view that may be kept */
  push(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (piece.length >= SMALL_BYTES) {
      // A copy where the rest of the record would be kept alive for a small part of it.
      const buffer = piece.length < piece.buffer.byteLength / 2 ? piece.slice() : piece;
      this.#pieces.push({ buffer, used: piece.length });
      return;
    }
    let last = this.#pieces.at(-1);
    if (!last || last.buffer.length - last.used < piece.length) {
      last = { buffer: new Uint8Array(JOINED_BYTES), used: 0 };
      this.#pieces.push(last);
    }
    last.buffer.set(piece, last.used);
    last.used += piece.length;
  }

  shift(): Uint8Array | undefined {
    const piece = this.#pieces.shift();
    if (!piece) return undefined;
    this.#bytes -= piece.used;
    return piece.buffer.subarray(0, piece.used);
  }

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }
}
