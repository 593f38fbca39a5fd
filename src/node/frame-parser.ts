// Cuts a stream of bytes into frames: a length of two bytes, big-endian, then that many bytes. PROTOCOL.md, "Frames on a stream".

import { BufferPool } from "../core/buffer-pool.js";
import { NetworkError } from "../core/errors.js";

/** Bytes of the length that goes before each frame. */
export const FRAME_HEADER_BYTES = 2;

/** Largest frame that the length can tell. */
export const MAX_STREAM_FRAME_BYTES = 65_535;

/** A frame that arrives in pieces starts with a buffer no larger than this, or than four times what came. */
const FIRST_BUFFER_BYTES = 1024;

/** A buffer that would be larger than this is borrowed: while bulk data flows, nearly every chunk ends within a frame. */
const LARGE_BYTES = 16 * 1024;
const largeBuffers = new BufferPool(MAX_STREAM_FRAME_BYTES, 8);

/**
 * Reads frames from chunks as the socket gives them.
 *
 * A frame that lies whole in one chunk is handed over as a view of it. One that arrives in pieces is gathered in a buffer that grows
 * with what really came, so that an announced length alone takes no memory.
 */
export class FrameParser {
  readonly #onFrame: (frame: Uint8Array) => void;
  /** The length's first byte, when a chunk ended between the two. */
  #highByte = -1;
  /** Length of the frame that is being gathered; 0 while there is none. */
  #length = 0;
  #buffer: Uint8Array | null = null;
  #filled = 0;
  #stopped = false;

  constructor(onFrame: (frame: Uint8Array) => void) {
    this.#onFrame = onFrame;
  }

  /** Whether the stream stands inside a frame: an end here cuts it. */
  get midFrame(): boolean {
    return this.#highByte >= 0 || this.#length > 0;
  }

  /** Bytes of memory held for a frame that is not whole yet. */
  get heldBytes(): number {
    return this.#buffer?.length ?? 0;
  }

  /** Hands over nothing more; what was gathered is let go. */
  stop(): void {
    this.#stopped = true;
    this.#giveBack(this.#buffer);
    this.#buffer = null;
  }

  /** @throws NetworkError `ERR_FRAME_MALFORMED` on a frame of length 0; the stream is of no use afterwards */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#length === 0) {
        at = this.#readLength(chunk, at);
        continue;
      }
      const missing = this.#length - this.#filled;
      const available = Math.min(missing, chunk.length - at);
      if (this.#filled === 0 && available === missing) {
        this.#length = 0;
        this.#onFrame(chunk.subarray(at, at + available));
      } else {
        this.#gather(chunk.subarray(at, at + available));
      }
      at += available;
    }
  }

  #readLength(chunk: Uint8Array, at: number): number {
    let next = at;
    if (this.#highByte < 0) this.#highByte = chunk[next++] as number;
    const low = chunk[next];
    if (low === undefined) return next;
    this.#length = this.#highByte * 256 + low;
    this.#highByte = -1;
    if (this.#length === 0) throw new NetworkError("ERR_FRAME_MALFORMED", "a frame of length 0");
    return next + 1;
  }

  #gather(piece: Uint8Array): void {
    const filled = this.#filled + piece.length;
    let buffer = this.#buffer;
    if (!buffer || buffer.length < filled) {
      const size = Math.min(this.#length, Math.max(FIRST_BUFFER_BYTES, 4 * filled));
      const grown = size > LARGE_BYTES ? largeBuffers.take() : new Uint8Array(size);
      if (buffer) grown.set(buffer.subarray(0, this.#filled));
      buffer = grown;
      this.#buffer = grown;
    }
    buffer.set(piece, this.#filled);
    this.#filled = filled;
    if (filled < this.#length) return;
    const frame = buffer.subarray(0, filled);
    this.#buffer = null;
    this.#filled = 0;
    this.#length = 0;
    this.#onFrame(frame);
    this.#giveBack(buffer);
  }

  #giveBack(buffer: Uint8Array | null): void {
    if (buffer?.length === MAX_STREAM_FRAME_BYTES) largeBuffers.give(buffer);
  }
}
