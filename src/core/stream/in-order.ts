// The receiving half of a stream of bytes: what came twice is dropped, gaps and excess are refused.

import { NetworkError } from "../errors.js";

export class InOrder {
  #received = 0;
  /** Highest offset that we allowed the other side to send to. */
  #limit: number;

  /** @param window - bytes that may come before anything is acknowledged */
  constructor(window: number) {
    this.#limit = window;
  }

  /** Offset of the first byte that has not arrived. */
  get received(): number {
    return this.#received;
  }

  /** Remembers what the other side may send; it never shrinks, as an announcement cannot be taken back. */
  allow(limit: number): void {
    if (limit > this.#limit) this.#limit = limit;
  }

  /**
   * Takes bytes of the stream.
   * @returns what is new of them, as a view; `null` when nothing is
   * @throws NetworkError `ERR_FRAME_SEQUENCE` for a gap or for more than was allowed
   */
  accept(offset: number, bytes: Uint8Array): Uint8Array | null {
    if (offset > this.#received) throw new NetworkError("ERR_FRAME_SEQUENCE", "a gap");
    const end = offset + bytes.length;
    if (end > this.#limit) throw new NetworkError("ERR_FRAME_SEQUENCE", "more than the window allows");
    if (end <= this.#received) return null;
    const fresh = bytes.subarray(this.#received - offset);
    this.#received = end;
    return fresh;
  }
}
