// Frames on their way into a stream: those of one turn of the event loop lie one behind the other, and leave by one write.

import { BufferPool } from "../core/buffer-pool.js";
import { EMPTY_BYTES } from "../core/bytes.js";
import { FRAME_HEADER_BYTES, MAX_STREAM_FRAME_BYTES } from "./frame-parser.js";

/** Two of the largest frames fit. */
const OUTPUT_BYTES = 2 * (FRAME_HEADER_BYTES + MAX_STREAM_FRAME_BYTES);

/** Shared by all links: one needs a buffer only from its first frame of a turn until the kernel has taken it. */
const outputBuffers = new BufferPool(OUTPUT_BYTES, 8);

/** One for all: it is used up before anybody asks for the next. */
const ROOM: { bytes: Uint8Array; at: number } = { bytes: EMPTY_BYTES, at: 0 };

/**
 * Writes bytes to the stream.
 * @param done - called when they are not needed any longer; with an error where that is not certain
 * @returns whether they were taken at once: then they are not needed already, and what `done` says is passed over
 */
export type StreamWrite = (bytes: Uint8Array, done: (error?: Error | null) => void) => boolean;

export class FrameOutput {
  readonly #write: StreamWrite;
  #buffer: Uint8Array | null = null;
  #filled = 0;
  /** Length of the frame that `room` was asked for. */
  #length = 0;

  constructor(write: StreamWrite) {
    this.#write = write;
  }

  /** Bytes that wait for `flush`. */
  get waitingBytes(): number {
    return this.#filled;
  }

  /** Where a frame is written to, which `commit` adds; valid until the next call, on whichever output. @param length - at most 65 535 */
  room(length: number): { readonly bytes: Uint8Array; readonly at: number } {
    if (this.#filled + FRAME_HEADER_BYTES + length > OUTPUT_BYTES) this.flush();
    this.#buffer ??= outputBuffers.take();
    this.#length = length;
    ROOM.bytes = this.#buffer;
    ROOM.at = this.#filled + FRAME_HEADER_BYTES;
    return ROOM;
  }

  /** The frame is in its room. @returns whether it is the first that waits for `flush` */
  commit(): boolean {
    const buffer = this.#buffer as Uint8Array;
    const first = this.#filled === 0;
    buffer[this.#filled] = this.#length >>> 8;
    buffer[this.#filled + 1] = this.#length;
    this.#filled += FRAME_HEADER_BYTES + this.#length;
    return first;
  }

  /** Writes what waits. */
  flush(): void {
    const buffer = this.#buffer;
    if (!buffer) return;
    const filled = this.#filled;
    this.#buffer = null;
    this.#filled = 0;
    if (filled === 0) {
      outputBuffers.give(buffer);
      return;
    }
    let lent = true;
    const taken = this.#write(buffer.subarray(0, filled), (error) => {
      // After an error nobody knows whether the kernel still reads it: then it is not used again.
      if (lent && !error) outputBuffers.give(buffer);
    });
    if (!taken) return;
    // The next frames of this turn lie in the same memory, which the processor still holds near.
    lent = false;
    outputBuffers.give(buffer);
  }
}
