// The sending half of a stream of bytes, addressed by offset: each byte is kept until the other side has acknowledged it.

import { NetworkError } from "../errors.js";

/** One piece as it was queued; `end` is the offset behind its last byte. */
interface Part {
  readonly bytes: Uint8Array;
  /** Bytes of the length in front of it: a message has one, bare bytes have none. */
  readonly prefix: number;
  readonly start: number;
  readonly end: number;
  /** Message id for the application's events; `null` for bare bytes and for what the session itself sends. */
  readonly id: string | null;
}

/** Bytes before each message in a lane: its length. */
export const LENGTH_PREFIX_BYTES = 4;

/** Where the parts at the front of the array have been dropped, the array is cut once this many are gone. */
const COMPACT_AT = 1024;

export class SendBuffer {
  #parts: Part[] = [];
  #head = 0;
  /** Index of the part that holds `#cursor`; equals the number of parts when everything was sent. */
  #at = 0;
  #acked = 0;
  #cursor = 0;
  #end = 0;
  #limit = 0;
  /** How far any link has carried the stream: an old link's acknowledgement may run ahead of a cursor that went back. */
  #highest = 0;

  /** Bytes queued or unacknowledged. */
  get pendingBytes(): number {
    return this.#end - this.#acked;
  }

  /** Bytes sent on the present link and not acknowledged. */
  get inFlightBytes(): number {
    return this.#cursor - this.#acked;
  }

  /** Whether every byte was sent at least once, on whatever link. */
  get wasSent(): boolean {
    return this.#highest === this.#end;
  }

  get acked(): number {
    return this.#acked;
  }

  /** Offset behind the last byte queued: when it is acknowledged, everything queued so far has arrived. */
  get end(): number {
    return this.#end;
  }

  /** Bytes that may be sent now, as far as the receiver's window goes. */
  get sendableBytes(): number {
    return Math.max(0, Math.min(this.#end, this.#limit) - this.#cursor);
  }

  /** Bytes that the receiver's window leaves beyond what is queued. */
  get windowBytes(): number {
    return Math.max(0, this.#limit - this.#end);
  }

  /** Queues one message behind its length. `bytes` stays in use until it is acknowledged and must not change. */
  pushMessage(bytes: Uint8Array, id: string | null): void {
    this.#push(bytes, LENGTH_PREFIX_BYTES, id);
  }

  /** Queues bare bytes, which stay in use as those of a message do. */
  push(bytes: Uint8Array): void {
    this.#push(bytes, 0, null);
  }

  /** Drops everything: nothing more is sent, and what was sent is taken for acknowledged. */
  clear(): void {
    this.#parts = [];
    this.#head = 0;
    this.#at = 0;
    this.#end = this.#highest;
    this.#cursor = this.#end;
    this.#acked = this.#end;
  }

  #push(bytes: Uint8Array, prefix: number, id: string | null): void {
    const start = this.#end;
    this.#end = start + prefix + bytes.length;
    this.#parts.push({ bytes, prefix, start, end: this.#end, id });
  }

  /** Copies the next bytes of the stream into `target`, which `sendableBytes` has room for, and moves the cursor. */
  fill(target: Uint8Array): void {
    let written = 0;
    while (written < target.length) {
      const part = this.#parts[this.#at] as Part;
      let within = this.#cursor - part.start;
      if (within < part.prefix) {
        const length = part.bytes.length;
        for (; within < part.prefix && written < target.length; within++) target[written++] = length >>> (24 - 8 * within);
        this.#cursor = part.start + within;
      }
      if (written < target.length && within >= part.prefix) {
        const from = within - part.prefix;
        const count = Math.min(part.bytes.length - from, target.length - written);
        target.set(from === 0 && count === part.bytes.length ? part.bytes : part.bytes.subarray(from, from + count), written);
        written += count;
        this.#cursor += count;
      }
      if (this.#cursor === part.end) this.#at++;
    }
    if (this.#cursor > this.#highest) this.#highest = this.#cursor;
  }

  get cursor(): number {
    return this.#cursor;
  }

  /**
   * Takes an acknowledgement: everything before `offset` has arrived, and `window` bytes more may be sent.
   * An older one than we have is out of date, not wrong: it came by another link.
   * @param completed - called with the id of each message that is acknowledged now for the first time
   * @throws NetworkError `ERR_FRAME_SEQUENCE` when it acknowledges what was never sent
   */
  acknowledge(offset: number, window: number, completed?: (id: string) => void): void {
    if (offset > this.#highest) throw new NetworkError("ERR_FRAME_SEQUENCE", "acknowledges what was never sent");
    this.#limit = Math.max(this.#limit, offset + window);
    if (offset <= this.#acked) return;
    this.#acked = offset;
    while (this.#head < this.#parts.length) {
      const part = this.#parts[this.#head] as Part;
      if (part.end > offset) break;
      this.#parts[this.#head] = GONE;
      this.#head++;
      if (part.id !== null) completed?.(part.id);
    }
    if (this.#cursor < offset) this.#seek(offset);
    this.#compact();
  }

  /** Goes back to the first unacknowledged byte: a new link carries on from there. */
  rewind(): void {
    this.#seek(this.#acked);
  }

  /** The ids of all messages that are not acknowledged, in order. */
  pendingIds(): string[] {
    const ids: string[] = [];
    for (let i = this.#head; i < this.#parts.length; i++) {
      const id = (this.#parts[i] as Part).id;
      if (id !== null) ids.push(id);
    }
    return ids;
  }

  #seek(offset: number): void {
    this.#cursor = offset;
    let at = this.#head;
    while (at < this.#parts.length && (this.#parts[at] as Part).end <= offset) at++;
    this.#at = at;
  }

  #compact(): void {
    if (this.#head < this.#parts.length && this.#head < COMPACT_AT) return;
    this.#parts = this.#parts.slice(this.#head);
    this.#at = Math.max(0, this.#at - this.#head);
    this.#head = 0;
  }
}

const GONE: Part = { bytes: new Uint8Array(0), prefix: 0, start: 0, end: 0, id: null };
