// The sending half of a lane: messages, each behind its length, written into borrowed buffers. There is nothing per message beside its
// bytes: where it begins follows from the lengths, and who it is from its own head.

import type { BufferPool } from "../buffer-pool.js";
import { EMPTY_BYTES } from "../bytes.js";
import { type Part, SendBuffer } from "../stream/send-buffer.js";

/** Bytes before each message in a lane: its length. */
export const LENGTH_PREFIX_BYTES = 4;

/** The length that lies there. */
export function readLengthPrefix(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return high * 0x1_0000 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
}

/** The first bytes of a message always lie in one buffer: as many as tell its id. */
const HEAD_BYTES = 64;

/** A place to write to. */
export interface Room {
  bytes: Uint8Array;
  at: number;
}

/** One for all lanes. */
const ROOM: Room = { bytes: EMPTY_BYTES, at: 0 };

/** Is shown a message where it lies; its first 64 bytes, or all of fewer, are in one piece. */
export type MessageVisitor = (bytes: Uint8Array, at: number) => void;

export class SendLane extends SendBuffer {
  readonly #pool: BufferPool;
  readonly #delivered: MessageVisitor;
  /** The part whose buffer has room. */
  #open: Part | null = null;
  /** Where the first message begins that is not known to have arrived. */
  #next = 0;

  /** @param delivered - is shown each message, in order, when all of it has arrived */
  constructor(pool: BufferPool, delivered: MessageVisitor) {
    super();
    this.#pool = pool;
    this.#delivered = delivered;
  }

  /**
   * Begins a message. Its head is to be written at once, and all that follows by {@link write}.
   * @param length - of the whole message
   * @param headBytes - how many of its bytes the caller wants to write itself: at least 64 or all of them, at most 512
   * @returns where they go; valid until the next call, on whichever lane
   */
  begin(length: number, headBytes: number): Room {
    const part = this.#partWith(LENGTH_PREFIX_BYTES + headBytes);
    const { bytes } = part;
    const at = part.end - part.start;
    bytes[at] = length >>> 24;
    bytes[at + 1] = length >>> 16;
    bytes[at + 2] = length >>> 8;
    bytes[at + 3] = length;
    this.grow(part, LENGTH_PREFIX_BYTES + headBytes);
    ROOM.bytes = bytes;
    ROOM.at = at + LENGTH_PREFIX_BYTES;
    return ROOM;
  }

  /** Goes on with the message that was begun. @param bytes - are copied */
  write(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      const part = this.#partWith(1);
      const at = part.end - part.start;
      const count = Math.min(bytes.length - from, part.bytes.length - at);
      part.bytes.set(count === bytes.length ? bytes : bytes.subarray(from, from + count), at);
      this.grow(part, count);
      from += count;
    }
  }

  /** Queues a whole message. @param bytes - are copied */
  pushMessage(bytes: Uint8Array): void {
    const headBytes = Math.min(bytes.length, HEAD_BYTES);
    const { bytes: target, at } = this.begin(bytes.length, headBytes);
    target.set(bytes.subarray(0, headBytes), at);
    if (headBytes < bytes.length) this.write(bytes.subarray(headBytes));
  }

  /** Shows all messages that have not arrived, in order. */
  pending(visit: MessageVisitor): void {
    this.#walk(this.end, (bytes, at, end) => {
      if (end > this.acked) visit(bytes, at);
      return true;
    });
  }

  /** Gives the buffers back: nothing more is sent, and what has not arrived never will. */
  release(): void {
    for (const part of this.takeParts()) this.#pool.give(part.bytes);
    this.#open = null;
  }

  // A message is kept until all of it has arrived: its head tells who it is.
  protected override arriving(): number {
    this.#walk(this.acked, (bytes, at, end) => {
      if (end > this.acked) return false;
      // First of all: told of this one, the application may end the session, and ask for those that are left.
      this.#next = end;
      this.#delivered(bytes, at);
      return true;
    });
    return this.#next;
  }

  protected override arrived(part: Part): void {
    if (part === this.#open) this.#open = null;
    this.#pool.give(part.bytes);
  }

  /** Visits the messages from the first that has not arrived, as long as they begin before `until` and `visit` wants more. */
  #walk(until: number, visit: (bytes: Uint8Array, at: number, end: number) => boolean): void {
    let start = this.#next;
    while (start < until) {
      const part = this.partAt(start);
      for (;;) {
        const at = start - part.start;
        const { bytes } = part;
        const end = start + LENGTH_PREFIX_BYTES + readLengthPrefix(bytes, at);
        if (!visit(bytes, at + LENGTH_PREFIX_BYTES, end)) return;
        start = end;
        if (start >= until) return;
        if (start >= part.end) break;
      }
    }
  }

  #partWith(room: number): Part {
    const open = this.#open;
    if (open && open.bytes.length - (open.end - open.start) >= room) return open;
    this.#open = this.add(this.#pool.take(), 0);
    return this.#open;
  }
}
