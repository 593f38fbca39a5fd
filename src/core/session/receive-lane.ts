// The receiving half of a lane: drops what came twice, refuses gaps, and cuts the stream into messages.

import { NetworkError } from "../errors.js";
import { InOrder } from "../stream/in-order.js";
import type { PartialBudget } from "./partial-budget.js";
import { LENGTH_PREFIX_BYTES, readLengthPrefix } from "./send-lane.js";

/** First size of the buffer of a message in pieces. */
const SMALLEST_BUFFER_BYTES = 1024;
/** Once one part in so many is there, it has room for all of a message up to this size: those that two or three records carry. */
const WHOLE_FROM = 4;
const WHOLE_BYTES = 128 * 1024;

export class ReceiveLane {
  readonly #maxMessageBytes: number;
  readonly #message: (bytes: Uint8Array) => void;
  readonly #budget: PartialBudget;
  readonly #order: InOrder;
  /** The first bytes of a length that lies in two records, and how many they are. */
  #prefix = 0;
  #prefixBytes = 0;
  /** Length of the message that is arriving; -1 while its length is not known. */
  #length = -1;
  /** What has arrived of a message that does not lie in one record; `null` between such messages. */
  #partial: Uint8Array | null = null;
  #partialBytes = 0;

  /**
   * @param maxMessageBytes - a longer message is refused when it is announced, before anything is kept
   * @param message - called with each whole message; the bytes belong to the callee
   * @param budget - what all lanes may hold together of messages that have arrived in part
   */
  constructor(maxMessageBytes: number, window: number, message: (bytes: Uint8Array) => void, budget: PartialBudget) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#order = new InOrder(window);
    this.#message = message;
    this.#budget = budget;
  }

  /** Offset of the first byte that has not arrived. */
  get received(): number {
    return this.#order.received;
  }

  /** Bytes of the message that is arriving. */
  get partialBytes(): number {
    return this.#partialBytes;
  }

  /** Remembers what the other side may send; it never shrinks, as an announcement cannot be taken back. */
  allow(limit: number): void {
    this.#order.allow(limit);
  }

  /**
   * Takes bytes of the stream.
   * @param bytes - a view that may be kept
   * @returns whether anything was new
   * @throws NetworkError `ERR_FRAME_SEQUENCE` for a gap or for more than was allowed, `ERR_MESSAGE_TOO_LARGE`, `ERR_LIMIT_QUEUE`
   */
  accept(offset: number, bytes: Uint8Array): boolean {
    // Counted before it is handed on: a handler that throws must not make us hand it on again.
    const fresh = this.#order.accept(offset, bytes);
    if (!fresh) return false;
    this.#cut(fresh);
    return true;
  }

  #cut(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length || this.#length === 0) {
      if (this.#length < 0) {
        if (this.#prefixBytes === 0 && bytes.length - at >= LENGTH_PREFIX_BYTES) {
          this.#announce(readLengthPrefix(bytes, at));
          at += LENGTH_PREFIX_BYTES;
          continue;
        }
        while (this.#prefixBytes < LENGTH_PREFIX_BYTES && at < bytes.length) {
          this.#prefix = this.#prefix * 256 + (bytes[at++] as number);
          this.#prefixBytes++;
        }
        if (this.#prefixBytes < LENGTH_PREFIX_BYTES) return;
        this.#announce(this.#prefix);
        continue;
      }
      const missing = this.#length - this.#partialBytes;
      const chunk = bytes.subarray(at, at + missing);
      at += chunk.length;
      if (chunk.length < missing) {
        this.#keep(chunk);
        return;
      }
      this.#complete(chunk);
    }
  }

  #announce(length: number): void {
    if (length > this.#maxMessageBytes) throw new NetworkError("ERR_MESSAGE_TOO_LARGE", `${length} bytes announced`);
    this.#length = length;
    this.#prefix = 0;
    this.#prefixBytes = 0;
  }

  // The buffer doubles as bytes arrive: an announced length alone takes no memory, and tiny pieces cost no more than large ones.
  #keep(chunk: Uint8Array): void {
    const needed = this.#partialBytes + chunk.length;
    let buffer = this.#partial;
    if (!buffer || buffer.length < needed) {
      const held = buffer?.length ?? 0;
      const whole = this.#length <= Math.min(WHOLE_FROM * needed, WHOLE_BYTES);
      const size = whole ? this.#length : Math.min(this.#length, Math.max(needed, 2 * held, SMALLEST_BUFFER_BYTES));
      if (!this.#budget.take(size - held)) throw new NetworkError("ERR_LIMIT_QUEUE", "too many messages have arrived in part");
      const grown = new Uint8Array(size);
      if (buffer) grown.set(buffer.subarray(0, this.#partialBytes));
      buffer = grown;
      this.#partial = grown;
    }
    buffer.set(chunk, this.#partialBytes);
    this.#partialBytes = needed;
  }

  /** Forgets the message that was arriving. */
  drop(): void {
    if (this.#partial) this.#budget.give(this.#partial.length);
    this.#partial = null;
  }

  #complete(last: Uint8Array): void {
    let message = last;
    if (this.#partial) {
      this.#keep(last);
      message = this.#partial.subarray(0, this.#length);
    }
    this.drop();
    this.#partialBytes = 0;
    this.#length = -1;
    this.#message(message);
  }
}
