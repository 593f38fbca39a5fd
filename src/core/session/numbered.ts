// Numbered messages: those that may come twice, or behind a newer one of their key. PROTOCOL.md, "Datagrams".

import { ByteReader, ByteWriter } from "../bytes.js";
import { NetworkError } from "../errors.js";
import { SEEN_NUMBERS, SeenNumbers } from "../seen-numbers.js";

/** First byte of a numbered message, where an envelope has its flags: none has this one. */
const NUMBERED = 0x80;
/** First byte of an acknowledgement of such messages. */
const NUMBER_ACK = 0x81;

/** Bytes before the envelope of a numbered message: first byte, number, key. */
export const NUMBER_BYTES = 1 + 6 + 2;

/** Keys in use at a time. As many as there are numbers in the window: so a key that is taken away has left the window. */
export const MAX_KEYS = SEEN_NUMBERS;

/** Messages in datagrams whose fate is open. An acknowledgement of twice as many fits into one. */
export const MAX_FLYING = 64;

export function isNumbered(message: Uint8Array): boolean {
  return message[0] === NUMBERED;
}

/** Where the envelope of a message begins that begins at `at`. */
export function envelopeAt(bytes: Uint8Array, at: number): number {
  return bytes[at] === NUMBERED ? at + NUMBER_BYTES : at;
}

/** @param key - 1 to {@link MAX_KEYS}; 0 for a message that replaces nothing */
export function encodeNumbered(number: number, key: number, envelope: Uint8Array): Uint8Array {
  return new ByteWriter(NUMBER_BYTES + envelope.length).u8(NUMBERED).u48(number).u16(key).bytes(envelope).done();
}

/** @throws NetworkError `ERR_FRAME_MALFORMED` */
export function decodeNumberAck(bytes: Uint8Array): number[] {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== NUMBER_ACK) throw new NetworkError("ERR_FRAME_MALFORMED", "an unknown datagram");
  const numbers = [];
  while (reader.remaining > 0) numbers.push(reader.u48());
  return numbers;
}

/** What has come of numbered messages, by datagram or in a lane. Each is handed on once, and never behind a newer one of its key. */
export class NumberedInbox {
  readonly #seen = new SeenNumbers();
  /** Number of the newest message that was handed on, per key. */
  readonly #newest: number[] = [];
  #recent: number[] = [];
  #acknowledged: number[] = [];

  /**
   * @returns the envelope to hand on; `null` for one that has come before, that comes behind a newer one, or is too old to be known
   * @throws NetworkError `ERR_FRAME_MALFORMED`
   */
  accept(message: Uint8Array): Uint8Array | null {
    const reader = new ByteReader(message, 1);
    const number = reader.u48();
    const key = reader.u16();
    if (key > MAX_KEYS) throw new NetworkError("ERR_FRAME_MALFORMED");
    // One behind a newer one is not acknowledged: it was not handed on.
    if (number < (this.#newest[key] ?? 0)) return null;
    this.#recent = [...this.#recent, number].slice(-MAX_FLYING);
    if (!this.#seen.isNew(number)) return null;
    this.#seen.add(number);
    if (key > 0) this.#newest[key] = number;
    return reader.rest();
  }

  get ackDue(): boolean {
    return this.#recent.length > 0;
  }

  /** Acknowledges what has come since the last time, and once more what was acknowledged then: that may have been lost. */
  takeAck(): Uint8Array | null {
    if (!this.ackDue) return null;
    const numbers = [...this.#acknowledged, ...this.#recent];
    this.#acknowledged = this.#recent;
    this.#recent = [];
    const writer = new ByteWriter(1 + 6 * numbers.length).u8(NUMBER_ACK);
    for (const number of numbers) writer.u48(number);
    return writer.done();
  }
}
