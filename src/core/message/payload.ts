// What an application may send, and its CBOR (RFC 8949): one walk checks a payload and writes it.

import { NetworkError, toNetworkError } from "../errors.js";
import { CBOR_LIMITS, type CborLimits } from "./cbor-gate.js";

/** First size of the buffer that payloads are written into, and the largest that is kept for the next one, in bytes. */
const FIRST_BUFFER_BYTES = 1024;
const KEPT_BUFFER_BYTES = 256 * 1024;
/** Text up to this many characters is copied by hand where it is ASCII: quicker than asking the encoder. */
const SHORT_TEXT = 48;

const utf8 = new TextEncoder();

/**
 * Writes a value as the CBOR that the gate of the receiver lets through.
 *
 * Taken: `null`, `undefined`, booleans, numbers, text, `Uint8Array`, arrays, and plain objects. An `ArrayBuffer` and any other
 * view goes as the `Uint8Array` of its bytes. Members that are `undefined`, and symbol or inherited keys, are left out, as
 * JSON does; -0 arrives as 0.
 * @param offset - bytes that will stand in front of it, and count in `maxBytes`
 * @param maxBytes - largest whole
 * @param take - is given the encoding, which is overwritten afterwards
 * @throws NetworkError `ERR_MESSAGE_INVALID` saying what cannot be sent and what to send instead
 * @throws NetworkError `ERR_MESSAGE_TOO_LARGE` when it passes `maxBytes`
 */
export function writePayload<Result>(
  value: unknown,
  offset: number,
  maxBytes: number,
  take: (encoded: Uint8Array) => Result,
  limits: CborLimits = CBOR_LIMITS,
): Result {
  // Taken away while it is in use: a getter of the application may send something itself.
  const writer = idleWriter ?? new PayloadWriter();
  idleWriter = null;
  try {
    return take(writer.write(value, offset, maxBytes, limits));
  } finally {
    if (writer.isSmall) idleWriter = writer;
  }
}

/**
 * The bytes of a `Uint8Array`, another view, or an `ArrayBuffer`, as a view without a copy; `null` for anything else.
 * Subclasses such as Node's `Buffer` become a plain `Uint8Array`.
 */
export function bytesOf(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array && value.constructor === Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return value instanceof ArrayBuffer ? new Uint8Array(value) : null;
}

// Matches half of a surrogate pair on its own: with the flag u, whole pairs are one character and do not match.
const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/** Whether text has a UTF-8 form: half of a surrogate pair has none (RFC 3629 §3). */
export function isWellFormedText(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

/** Major types of RFC 8949 §3.1, in the upper three bits of a head. */
const MAJOR = { unsigned: 0x00, negative: 0x20, bytes: 0x40, text: 0x60, array: 0x80, map: 0xa0 } as const;
/** Simple values and floats, RFC 8949 §3.3. */
const SIMPLE = { false: 0xf4, true: 0xf5, null: 0xf6, undefined: 0xf7, float64: 0xfb } as const;

class PayloadWriter {
  #limits = CBOR_LIMITS;
  #offset = 0;
  #maxBytes = 0;
  /** The containers that lead to the current value: at most `maxDepth`, so that a scan is cheap. */
  readonly #ancestors: object[] = [];
  #items = 1;
  #at = 0;
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #view = new DataView(this.#buffer.buffer);

  /** Whether it may be kept for the next payload. */
  get isSmall(): boolean {
    return this.#buffer.length <= KEPT_BUFFER_BYTES;
  }

  write(value: unknown, offset: number, maxBytes: number, limits: CborLimits): Uint8Array {
    this.#limits = limits;
    this.#offset = offset;
    this.#maxBytes = maxBytes;
    this.#items = 1;
    this.#at = 0;
    try {
      this.value(value);
    } catch (error) {
      this.#ancestors.length = 0;
      // A getter or a proxy of the application may throw anything.
      throw toNetworkError(error, "ERR_MESSAGE_INVALID");
    }
    return this.#buffer.subarray(0, this.#at);
  }

  value(value: unknown): void {
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return this.#number(value);
      case "boolean":
        return this.#byte(value ? SIMPLE.true : SIMPLE.false);
      case "undefined":
        return this.#byte(SIMPLE.undefined);
      case "object":
        return value === null ? this.#byte(SIMPLE.null) : this.#object(value);
      case "bigint":
        throw invalid("a bigint: send it as text");
      default:
        throw invalid(`a ${typeof value} cannot be sent`);
    }
  }

  // Makes room and moves on. @returns where the room begins
  #reserve(bytes: number): number {
    const at = this.#at;
    const end = at + bytes;
    if (this.#offset + end > this.#maxBytes)
      throw new NetworkError("ERR_MESSAGE_TOO_LARGE", `the limit is ${this.#maxBytes} bytes`);
    if (end > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#at = end;
    return at;
  }

  #byte(byte: number): void {
    const at = this.#reserve(1);
    this.#buffer[at] = byte;
  }

  // The head of an item in its shortest form (RFC 8949 §4.2.1).
  #head(major: number, value: number): void {
    if (value < 24) {
      this.#byte(major | value);
    } else if (value < 0x100) {
      const at = this.#reserve(2);
      this.#buffer[at] = major | 24;
      this.#buffer[at + 1] = value;
    } else if (value < 0x1_0000) {
      const at = this.#reserve(3);
      this.#buffer[at] = major | 25;
      this.#view.setUint16(at + 1, value);
    } else if (value < 0x1_0000_0000) {
      const at = this.#reserve(5);
      this.#buffer[at] = major | 26;
      this.#view.setUint32(at + 1, value);
    } else {
      const at = this.#reserve(9);
      this.#buffer[at] = major | 27;
      this.#view.setUint32(at + 1, Math.floor(value / 0x1_0000_0000));
      this.#view.setUint32(at + 5, value >>> 0);
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value)) {
      if (value >= 0) this.#head(MAJOR.unsigned, value);
      else this.#head(MAJOR.negative, -1 - value);
      return;
    }
    const at = this.#reserve(9);
    this.#buffer[at] = SIMPLE.float64;
    this.#view.setFloat64(at + 1, value);
  }

  #text(text: string): void {
    if (text.length <= SHORT_TEXT && this.#shortText(text)) return;
    // Each character is a byte at least: what cannot fit is not encoded first.
    if (this.#offset + this.#at + text.length > this.#maxBytes)
      throw new NetworkError("ERR_MESSAGE_TOO_LARGE", `the limit is ${this.#maxBytes} bytes`);
    // In place, behind a head for as many bytes as there are characters: right for ASCII, which most text is.
    const start = this.#at;
    this.#head(MAJOR.text, text.length);
    const at = this.#reserve(text.length);
    const { read, written } = utf8.encodeInto(text, this.#buffer.subarray(at, at + text.length));
    // As many bytes as characters, and all of them read: each was a byte, and none half of a surrogate pair.
    if (read === text.length && written === text.length) return;
    this.#at = start;
    if (!isWellFormedText(text)) throw invalid("text with half of a surrogate pair: it was cut inside a character");
    this.#bytes(MAJOR.text, utf8.encode(text));
  }

  #shortText(text: string): boolean {
    const { length } = text;
    const start = this.#at;
    this.#head(MAJOR.text, length);
    const at = this.#reserve(length);
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        this.#at = start;
        return false;
      }
      this.#buffer[at + i] = code;
    }
    return true;
  }

  #bytes(major: number, bytes: Uint8Array): void {
    this.#head(major, bytes.length);
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  #object(value: object): void {
    const bytes = bytesOf(value);
    if (bytes) {
      this.#bytes(MAJOR.bytes, bytes);
      return;
    }
    const isArray = Array.isArray(value);
    if (!isArray && !isPlainObject(value)) throw invalid(adviceFor(value));
    if (this.#ancestors.includes(value)) throw invalid("an object that contains itself");
    if (this.#ancestors.length >= this.#limits.maxDepth) throw invalid(`more than ${this.#limits.maxDepth} levels`);
    this.#ancestors.push(value);
    if (isArray) this.#array(value);
    else this.#members(value as Record<string, unknown>);
    this.#ancestors.pop();
  }

  #array(array: readonly unknown[]): void {
    const { length } = array;
    this.#count(length);
    this.#head(MAJOR.array, length);
    // By index, as a hole must keep its place: it arrives as undefined.
    for (let i = 0; i < length; i++) this.value(array[i]);
  }

  #members(object: Record<string, unknown>): void {
    // Read once: a getter may say something else the second time, and the head comes before the members.
    const keys = Object.keys(object);
    const members: unknown[] = [];
    let count = 0;
    for (const key of keys) {
      const member = object[key];
      members.push(member);
      if (member === undefined) continue;
      // To assign this key would set the prototype; it has no honest use.
      if (key === "__proto__") throw invalid("the key __proto__");
      this.#count(2);
      count++;
    }
    this.#head(MAJOR.map, count);
    for (let i = 0; i < keys.length; i++) {
      if (members[i] === undefined) continue;
      this.#text(keys[i] as string);
      this.value(members[i]);
    }
  }

  #count(items: number): void {
    this.#items += items;
    if (this.#items > this.#limits.maxItems) {
      throw invalid(`more than ${this.#limits.maxItems} values in one message: send several messages, or bytes`);
    }
  }
}

let idleWriter: PayloadWriter | null = null;

function invalid(detail: string): NetworkError {
  return new NetworkError("ERR_MESSAGE_INVALID", detail);
}

/** `{}`, `Object.create(null)`, and `{}` of another realm, such as a frame, whose `Object.prototype` is not ours. */
function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

function adviceFor(value: object): string {
  if (value instanceof Date) return "a Date: send toISOString() or getTime()";
  if (value instanceof Map) return "a Map: send Object.fromEntries(map) or [...map]";
  if (value instanceof Set) return "a Set: send [...set]";
  if (typeof Blob !== "undefined" && value instanceof Blob) return "a Blob: send await blob.arrayBuffer()";
  if (value instanceof Promise) return "a Promise: await it first";
  return "an instance of a class: send a plain object";
}
