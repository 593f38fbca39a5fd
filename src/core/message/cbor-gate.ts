// The strict gate in front of the CBOR decoder: one pass over the bytes that lets through only the subset we speak.

import { encodeUtf8 } from "../bytes.js";
import { NetworkError } from "../errors.js";

/** How large one CBOR item may be, whatever its bytes claim. */
export interface CborLimits {
  /** Most arrays and maps inside one another; a single array has depth 1. */
  readonly maxDepth: number;
  /** Most data items in all: every value, every key, and every array or map itself, count as one. */
  readonly maxItems: number;
}

/** The limits of a message, on the way out as on the way in. */
export const CBOR_LIMITS: CborLimits = { maxDepth: 16, maxItems: 4096 };

/** What the gate noticed that the decoder behind it must be told. */
export interface CborFacts {
  /** Where the heads of those texts begin whose first character is a byte order mark (U+FEFF); ascending, mostly empty. */
  readonly markedTexts: readonly number[];
}

/**
 * Lets CBOR through that is well-formed (RFC 8949 Appendix C), valid (§5.3.1) and of our subset, and refuses all else.
 *
 * The subset: integers within ±(2^53 - 1), byte strings, text, arrays, maps, false, true, null, undefined, and floats of 16, 32
 * and 64 bits. Lengths are definite. Keys of maps are text, each at most once per map (RFC 8949 §5.6), and none is `__proto__`.
 * Text is valid UTF-8. There are no tags: none of our values needs one, and a decoder does expensive things for some of
 * them (bignums take quadratic time, tag 27 makes a RegExp). `undefined` is let through as a value, so that it keeps its
 * place in an array. Nothing may follow the item. Longer heads than needed are accepted: they harm nobody.
 *
 * Nothing is allocated for a claimed length, and time is linear in the bytes present.
 * @throws NetworkError `ERR_MESSAGE_MALFORMED` with the offset in bytes
 */
export function checkCbor(bytes: Uint8Array, limits: CborLimits = CBOR_LIMITS): CborFacts {
  const gate = new CborGate(bytes, limits);
  gate.checkItem(0);
  gate.checkEnd();
  return gate;
}

const NO_OFFSETS: readonly number[] = [];
// With few keys, comparing their bytes is faster than a Set of texts; the number is small, so it stays cheap.
const SCANNED_KEYS = 8;
const PROTO = encodeUtf8("__proto__");
const keyDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

class CborGate implements CborFacts {
  readonly #bytes: Uint8Array;
  readonly #limits: CborLimits;
  #at = 0;
  #items = 1;
  #markedTexts: number[] | null = null;
  /** Where the keys of small maps begin and end: of the innermost map last. */
  readonly #keys: number[] = [];

  constructor(bytes: Uint8Array, limits: CborLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
  }

  get markedTexts(): readonly number[] {
    return this.#markedTexts ?? NO_OFFSETS;
  }

  /** Recursion is bounded by `maxDepth`: a container is refused before the step into it. */
  checkItem(depth: number): void {
    const headAt = this.#at;
    const head = this.#byte();
    const info = head & 0x1f;
    switch (head >> 5) {
      case 0:
        this.#argument(info);
        return;
      case 1:
        // The value is -1 - argument, so the largest argument is one less than that of a positive integer.
        if (this.#argument(info) === Number.MAX_SAFE_INTEGER) throw this.#refusal("an integer beyond ±(2^53 - 1)");
        return;
      case 2: {
        // In two steps: += would add to where the position was before the length was read.
        const length = this.#length(info, 1);
        this.#at += length;
        return;
      }
      case 3:
        this.#checkText(headAt, this.#length(info, 1));
        return;
      case 4: {
        const count = this.#enter(depth, info, 1);
        for (let i = 0; i < count; i++) this.checkItem(depth + 1);
        return;
      }
      case 5:
        this.#checkMap(depth, this.#enter(depth, info, 2));
        return;
      case 6:
        throw this.#refusal("a tag");
      default:
        this.#checkSimple(info);
    }
  }

  checkEnd(): void {
    if (this.#at !== this.#bytes.length) throw this.#refusal("bytes behind the item");
  }

  #checkMap(depth: number, count: number): void {
    const many: Set<string> | null = count <= SCANNED_KEYS ? null : new Set();
    const first = this.#keys.length;
    for (let i = 0; i < count; i++) {
      const start = this.#key();
      const end = this.#at;
      if (this.#isSame(start, end, PROTO, 0, PROTO.length)) throw this.#refusal("the key __proto__");
      const isNew = many ? addNew(many, decodeKey(this.#bytes, start, end)) : !this.#isKnown(first, start, end);
      if (!isNew) throw this.#refusal("a key twice in one map");
      if (!many) this.#keys.push(start, end);
      this.checkItem(depth + 1);
    }
    this.#keys.length = first;
  }

  /** Whether one of the keys from `first` on has these bytes: then it is the same text, as all are valid UTF-8. */
  #isKnown(first: number, start: number, end: number): boolean {
    const keys = this.#keys;
    for (let i = first; i < keys.length; i += 2)
      if (this.#isSame(start, end, this.#bytes, keys[i] as number, keys[i + 1] as number)) return true;
    return false;
  }

  #isSame(start: number, end: number, other: Uint8Array, otherStart: number, otherEnd: number): boolean {
    if (end - start !== otherEnd - otherStart) return false;
    for (let i = 0; i < end - start; i++) if (this.#bytes[start + i] !== other[otherStart + i]) return false;
    return true;
  }

  /** Passes a key. @returns where its text begins */
  #key(): number {
    const headAt = this.#at;
    const head = this.#byte();
    if (head >> 5 !== 3) throw this.#refusal("a key that is not text");
    const length = this.#length(head & 0x1f, 1);
    const start = this.#at;
    this.#checkText(headAt, length);
    return start;
  }

  #checkText(headAt: number, length: number): void {
    const start = this.#at;
    const end = start + length;
    if (!isUtf8(this.#bytes, start, end)) throw this.#refusal("text that is not valid UTF-8");
    if (length >= 3 && this.#bytes[start] === 0xef && this.#bytes[start + 1] === 0xbb && this.#bytes[start + 2] === 0xbf) {
      this.#markedTexts ??= [];
      this.#markedTexts.push(headAt);
    }
    this.#at = end;
  }

  #checkSimple(info: number): void {
    if (info >= 20 && info <= 23) return; // false, true, null, undefined (RFC 8949 §3.3)
    const floatBytes = info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : 0;
    if (floatBytes === 0) throw this.#refusal(info === 31 ? "an indefinite length" : "an unknown simple value");
    if (floatBytes > this.#remaining) throw this.#refusal("an item cut short");
    this.#at += floatBytes;
  }

  /** Counts the members of an array or a map before any of them is looked at. */
  #enter(depth: number, info: number, itemsPerEntry: 1 | 2): number {
    if (depth >= this.#limits.maxDepth) throw this.#refusal(`more than ${this.#limits.maxDepth} levels`);
    const count = this.#length(info, itemsPerEntry);
    this.#items += count * itemsPerEntry;
    if (this.#items > this.#limits.maxItems) throw this.#refusal(`more than ${this.#limits.maxItems} items`);
    return count;
  }

  /** A length or count that the bytes at hand can still hold: whatever is counted takes `leastBytes` each. */
  #length(info: number, leastBytes: number): number {
    const length = this.#argument(info);
    if (length * leastBytes > this.#remaining) throw this.#refusal("a length beyond the end");
    return length;
  }

  /** The argument of a head (RFC 8949 §3), exact up to 2^53 - 1. */
  #argument(info: number): number {
    if (info < 24) return info;
    if (info > 27) throw this.#refusal(info === 31 ? "an indefinite length" : "a reserved head");
    const size = 1 << (info - 24);
    if (size > this.#remaining) throw this.#refusal("an item cut short");
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + (this.#bytes[this.#at + i] as number);
    // Rounding can only raise a value of 64 bits to another one above the bound, never bring it below.
    if (value > Number.MAX_SAFE_INTEGER) throw this.#refusal("an integer beyond ±(2^53 - 1)");
    this.#at += size;
    return value;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.#refusal("an item cut short");
    this.#at += 1;
    return byte;
  }

  get #remaining(): number {
    return this.#bytes.length - this.#at;
  }

  #refusal(what: string): NetworkError {
    return new NetworkError("ERR_MESSAGE_MALFORMED", `${what}, near byte ${this.#at}`);
  }
}

function addNew(set: Set<string>, value: string): boolean {
  const { size } = set;
  return set.add(value).size > size;
}

function decodeKey(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > 32) return keyDecoder.decode(bytes.subarray(start, end));
  let key = "";
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x80) return keyDecoder.decode(bytes.subarray(start, end));
    key += String.fromCharCode(byte);
  }
  return key;
}

/** Whether the bytes are UTF-8 in the sense of RFC 3629 §4: no overlong forms, no surrogates, nothing above U+10FFFF. */
function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    if ((bytes[at] as number) < 0x80) {
      at++;
      continue;
    }
    const length = sequenceLength(bytes, at, end);
    if (length === 0) return false;
    at += length;
  }
  return true;
}

/** Length of the character of two to four bytes at `at`; 0 when there is no valid one. */
function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at] as number;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length > end - at) return 0;
  // Only the second byte has a narrower range, and only behind these four leads.
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] as number;
  if (second < least || second > most) return 0;
  for (let i = 2; i < length; i++) if (((bytes[at + i] as number) & 0xc0) !== 0x80) return 0;
  return length;
}
