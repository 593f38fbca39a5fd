// The sending half of a stream of bytes, addressed by offset: each byte is kept until the other side has acknowledged it.

import { NetworkError } from "../errors.js";

/** A stretch of the stream. */
export interface Part {
  /** Holds the byte at offset `start` first; it may be longer than the stretch. */
  readonly bytes: Uint8Array;
  readonly start: number;
  /** Offset behind its last byte. That of the last part may still grow. */
  end: number;
}

/** Where the parts at the front of the array have been dropped, the array is cut once this many are gone. */
const COMPACT_AT = 1024;

export class SendBuffer {
  #parts: Part[] = [];
  #head = 0;
  /** Index of the part that holds `#cursor`, or of one before it that ends there. */
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

  /** Offset of the next byte to be sent on the present link. */
  get cursor(): number {
    return this.#cursor;
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

  /** Queues bytes, which stay in use until they are acknowledged and must not change. */
  push(bytes: Uint8Array): void {
    this.add(bytes, bytes.length);
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

  /** Copies the next bytes of the stream into `target`, which `sendableBytes` has room for, and moves the cursor. */
  fill(target: Uint8Array): void {
    let written = 0;
    while (written < target.length) {
      const part = this.#parts[this.#at] as Part;
      const count = Math.min(part.end - this.#cursor, target.length - written);
      if (count === 0) {
        this.#at++;
        continue;
      }
      const from = this.#cursor - part.start;
      target.set(part.bytes.subarray(from, from + count), written);
      written += count;
      this.#cursor += count;
    }
    if (this.#cursor > this.#highest) this.#highest = this.#cursor;
  }

  /**
   * Takes an acknowledgement: everything before `offset` has arrived, and `window` bytes more may be sent.
   * An older one than we have is out of date, not wrong: it came by another link.
   * @throws NetworkError `ERR_FRAME_SEQUENCE` when it acknowledges what was never sent
   */
  acknowledge(offset: number, window: number): void {
    if (offset > this.#highest) throw new NetworkError("ERR_FRAME_SEQUENCE", "acknowledges what was never sent");
    this.#limit = Math.max(this.#limit, offset + window);
    if (offset <= this.#acked) return;
    this.#acked = offset;
    const done = this.arriving();
    while (this.#head < this.#parts.length) {
      const part = this.#parts[this.#head] as Part;
      if (part.end > done) break;
      this.#parts[this.#head] = GONE;
      this.#head++;
      this.arrived(part);
    }
    if (this.#at < this.#head) this.#at = this.#head;
    if (this.#cursor < offset) this.#seek(offset);
    this.#compact();
  }

  /** Goes back to the first unacknowledged byte: a new link carries on from there. */
  rewind(): void {
    this.#seek(this.#acked);
  }

  /** Queues the first `length` of these bytes. @returns their part, which may grow as long as it is the last */
  protected add(bytes: Uint8Array, length: number): Part {
    const part = { bytes, start: this.#end, end: this.#end };
    this.#parts.push(part);
    this.grow(part, length);
    return part;
  }

  /** So many bytes more of the last part are of the stream now. */
  protected grow(part: Part, length: number): void {
    part.end += length;
    this.#end = part.end;
  }

  /** For a subclass: `acked` has moved on. @returns before which offset nothing is needed any longer */
  protected arriving(): number {
    return this.#acked;
  }

  /** For a subclass: all bytes of this part have arrived, and it is out of the buffer. */
  protected arrived(_part: Part): void {}

  /** The part that holds this byte, which is queued and whose part has not arrived. */
  protected partAt(offset: number): Part {
    let low = this.#head;
    let high = this.#parts.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#parts[middle] as Part).end > offset) high = middle;
      else low = middle + 1;
    }
    return this.#parts[low] as Part;
  }

  /** Takes all parts out that have not arrived whole: their bytes are gone. */
  protected takeParts(): Part[] {
    const parts = this.#parts.slice(this.#head);
    this.#parts = [];
    this.#head = 0;
    this.#at = 0;
    return parts;
  }

  #seek(offset: number): void {
    this.#cursor = offset;
    let at = this.#head;
    while (at < this.#parts.length && (this.#parts[at] as Part).end <= offset) at++;
    // One that ends here may still grow.
    this.#at = Math.max(this.#head, Math.min(at, this.#parts.length - 1));
  }

  #compact(): void {
    if (this.#head < this.#parts.length && this.#head < COMPACT_AT) return;
    this.#parts = this.#parts.slice(this.#head);
    this.#at = Math.max(0, this.#at - this.#head);
    this.#head = 0;
  }
}

const GONE: Part = { bytes: new Uint8Array(0), start: 0, end: 0 };
