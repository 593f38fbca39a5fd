// Bounds-checked reading and writing of binary layouts. All integers are big-endian, as in the RFCs that we follow.

import { NetworkError } from "./errors.js";

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encodeUtf8(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

/** @throws NetworkError `ERR_FRAME_MALFORMED` when the bytes are not valid UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8Decoder.decode(bytes);
  } catch (cause) {
    throw new NetworkError("ERR_FRAME_MALFORMED", "invalid UTF-8", { cause });
  }
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Compares public bytes. Secrets and tags are compared by the cipher, never here: this returns early. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Orders byte strings as unsigned numbers, most significant byte first: negative when `a` comes before `b`. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** @throws NetworkError `ERR_FRAME_MALFORMED` when the text is not an even number of hexadecimal digits */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) throw new NetworkError("ERR_FRAME_MALFORMED", "not hexadecimal");
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Reads from a byte array front to back; every read that would pass the end throws `ERR_FRAME_MALFORMED`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** Six bytes: enough for a count of bytes or milliseconds, and exact in a JavaScript number. */
  u48(): number {
    const at = this.#take(6);
    return this.#view.getUint16(at) * 0x1_0000_0000 + this.#view.getUint32(at + 2);
  }

  /** The next `length` bytes as a view: it shares memory with what is read from. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** @throws NetworkError `ERR_FRAME_MALFORMED` when bytes are left over */
  end(): void {
    if (this.remaining !== 0) throw new NetworkError("ERR_FRAME_MALFORMED", `${this.remaining} bytes too many`);
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw new NetworkError("ERR_FRAME_MALFORMED", "cut short");
    this.#at = at + length;
    return at;
  }
}

/** Writes into a byte array of fixed size, front to back; a write past the end throws a `RangeError`: that is a fault of ours. */
export class ByteWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #end: number;

  constructor(bytesOrSize: Uint8Array | number) {
    const bytes = typeof bytesOrSize === "number" ? new Uint8Array(bytesOrSize) : bytesOrSize;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.length;
  }

  get length(): number {
    return this.#at;
  }

  get room(): number {
    return this.#end - this.#at;
  }

  u8(value: number): this {
    this.#view.setUint8(this.#advance(1), value);
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#advance(2), value);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#advance(4), value);
    return this;
  }

  u48(value: number): this {
    const at = this.#advance(6);
    this.#view.setUint16(at, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(at + 2, value >>> 0);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#advance(value.length));
    return this;
  }

  /** The next `length` bytes, for somebody else to fill. */
  reserve(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** What was written so far, as a view. */
  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Begins anew at the front. @param most - bytes that may be written from here on, if there is room for so many */
  restart(most: number): void {
    this.#at = 0;
    this.#end = Math.min(most, this.#bytes.length);
  }

  #advance(length: number): number {
    const at = this.#at;
    this.#at = at + length;
    return at;
  }
}
