// Message ids: 16 random bytes, written as 32 hexadecimal digits.

import { NetworkError } from "../errors.js";
import type { Random } from "../runtime.js";

/** Length of a message id in bytes. */
export const MESSAGE_ID_BYTES = 16;
/** How many bytes are drawn at a time: enough for 256 ids, far below the 65,536 that one call may ask for. */
const POOL_BYTES = 4096;

/**
 * The one place in core where randomness does not come through the runtime: `text()` and the makers of `defineMessage()` are
 * plain functions without a network manager, and ids must be there when they return. `crypto.getRandomValues` exists in every
 * browser, also outside secure contexts, and in Node. Ids are public: nothing secret is ever drawn from here.
 */
const platformRandom: Random = {
  bytes: (length) => globalThis.crypto.getRandomValues(new Uint8Array(length)),
};

/** Hands out message ids from random bytes drawn in bulk, so that an id costs no call to the random source. */
export class MessageIdPool {
  readonly #random: Random;
  #bytes = new Uint8Array(0);
  #at = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @returns 32 lower-case hexadecimal digits */
  next(): string {
    const at = this.#draw();
    return readMessageId(this.#bytes, at);
  }

  /** Writes a fresh id as 16 bytes to `at`. */
  write(bytes: Uint8Array, at: number): void {
    const from = this.#draw();
    const drawn = this.#bytes;
    for (let i = 0; i < MESSAGE_ID_BYTES; i++) bytes[at + i] = drawn[from + i] as number;
  }

  #draw(): number {
    if (this.#at >= this.#bytes.length) {
      this.#bytes = Uint8Array.from(this.#random.bytes(POOL_BYTES));
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += MESSAGE_ID_BYTES;
    return at;
  }
}

const platformPool = new MessageIdPool(platformRandom);

/**
 * A fresh message id.
 * @param random - where its 16 bytes come from. Default: the platform's own source, through a pool
 * @returns 32 lower-case hexadecimal digits
 */
export function newMessageId(random?: Random): string {
  return random ? readMessageId(random.bytes(MESSAGE_ID_BYTES), 0) : platformPool.next();
}

/** Writes a fresh message id from the platform's own source as 16 bytes to `at`. */
export function writeNewMessageId(bytes: Uint8Array, at: number): void {
  platformPool.write(bytes, at);
}

const DIGITS = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));

function high(bytes: Uint8Array, at: number): number {
  return DIGITS[(bytes[at] as number) >> 4] as number;
}

function low(bytes: Uint8Array, at: number): number {
  return DIGITS[(bytes[at] as number) & 0x0f] as number;
}

/** Reads the 16 bytes at `at` as 32 lower-case hexadecimal digits; the caller has checked that they are there. */
export function readMessageId(bytes: Uint8Array, at: number): string {
  // All codes at once: text that is put together digit by digit takes five times as long, for each message that arrives.
  return String.fromCharCode(
    high(bytes, at + 0),
    low(bytes, at + 0),
    high(bytes, at + 1),
    low(bytes, at + 1),
    high(bytes, at + 2),
    low(bytes, at + 2),
    high(bytes, at + 3),
    low(bytes, at + 3),
    high(bytes, at + 4),
    low(bytes, at + 4),
    high(bytes, at + 5),
    low(bytes, at + 5),
    high(bytes, at + 6),
    low(bytes, at + 6),
    high(bytes, at + 7),
    low(bytes, at + 7),
    high(bytes, at + 8),
    low(bytes, at + 8),
    high(bytes, at + 9),
    low(bytes, at + 9),
    high(bytes, at + 10),
    low(bytes, at + 10),
    high(bytes, at + 11),
    low(bytes, at + 11),
    high(bytes, at + 12),
    low(bytes, at + 12),
    high(bytes, at + 13),
    low(bytes, at + 13),
    high(bytes, at + 14),
    low(bytes, at + 14),
    high(bytes, at + 15),
    low(bytes, at + 15),
  );
}

/**
 * Writes a message id as 16 bytes to `at`.
 * @param id - 16 bytes, or 32 lower-case hexadecimal digits: in lower case only, as ids are compared as text
 * @throws NetworkError `ERR_MESSAGE_INVALID` when it is neither
 */
export function writeMessageId(id: Uint8Array | string, bytes: Uint8Array, at: number): void {
  if (typeof id !== "string") {
    if (!(id instanceof Uint8Array) || id.length !== MESSAGE_ID_BYTES) throw invalidId();
    bytes.set(id, at);
    return;
  }
  if (id.length !== 2 * MESSAGE_ID_BYTES) throw invalidId();
  for (let i = 0; i < MESSAGE_ID_BYTES; i++) {
    bytes[at + i] = hexDigit(id.charCodeAt(2 * i)) * 16 + hexDigit(id.charCodeAt(2 * i + 1));
  }
}

function hexDigit(char: number): number {
  if (char >= 0x30 && char <= 0x39) return char - 0x30; // 0-9
  if (char >= 0x61 && char <= 0x66) return char - 0x57; // a-f
  throw invalidId();
}

function invalidId(): NetworkError {
  return new NetworkError("ERR_MESSAGE_INVALID", "an id is 32 lower-case hexadecimal digits");
}
