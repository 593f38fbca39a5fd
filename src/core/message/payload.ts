// What an application may send: checks a payload and copies it into plain arrays and objects, before it is encoded.

import { NetworkError, toNetworkError } from "../errors.js";
import { CBOR_LIMITS, type CborLimits } from "./cbor-gate.js";

/**
 * Copies a value into what CBOR can carry, so that all that we send passes the gate of the receiver.
 *
 * Taken: `null`, `undefined`, booleans, numbers, text, `Uint8Array`, arrays, and plain objects. An `ArrayBuffer` and any other
 * view goes as the `Uint8Array` of its bytes. Members that are `undefined`, and symbol or inherited keys, are left out, as
 * JSON does.
 * @param maxBytes - an early bound on the encoded size in bytes; what passes may still turn out larger
 * @throws NetworkError `ERR_MESSAGE_INVALID` saying what cannot be sent and what to send instead
 * @throws NetworkError `ERR_MESSAGE_TOO_LARGE` when text and bytes alone pass `maxBytes`
 */
export function plainPayload(value: unknown, maxBytes = Number.POSITIVE_INFINITY, limits: CborLimits = CBOR_LIMITS): unknown {
  try {
    return new PayloadCopier(maxBytes, limits).copy(value);
  } catch (error) {
    // A getter or a proxy of the application may throw anything.
    throw toNetworkError(error, "ERR_MESSAGE_INVALID");
  }
}

/**
 * The bytes of a `Uint8Array`, another view, or an `ArrayBuffer`, as a view without a copy; `null` for anything else.
 * Subclasses such as Node's `Buffer` become a plain `Uint8Array`.
 */
export function bytesOf(value: unknown): Uint8Array | null {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return value instanceof ArrayBuffer ? new Uint8Array(value) : null;
}

// Matches half of a surrogate pair on its own: with the flag u, whole pairs are one character and do not match.
const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/** Whether text has a UTF-8 form: half of a surrogate pair has none (RFC 3629 §3). */
export function isWellFormedText(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

class PayloadCopier {
  readonly #limits: CborLimits;
  /** The containers that lead to the current value: at most `maxDepth`, so that a scan is cheap. */
  readonly #ancestors: object[] = [];
  #items = 1;
  #bytesLeft: number;

  constructor(maxBytes: number, limits: CborLimits) {
    this.#bytesLeft = maxBytes;
    this.#limits = limits;
  }

  copy(value: unknown): unknown {
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
      case "boolean":
      case "undefined":
        return value;
      case "object":
        return value === null ? null : this.#object(value);
      case "bigint":
        throw invalid("a bigint: send it as text");
      default:
        throw invalid(`a ${typeof value} cannot be sent`);
    }
  }

  #text(text: string): string {
    this.#spend(text.length);
    if (!isWellFormedText(text)) throw invalid("text with half of a surrogate pair: it was cut inside a character");
    return text;
  }

  #object(value: object): unknown {
    const bytes = bytesOf(value);
    if (bytes) {
      this.#spend(bytes.length);
      return bytes;
    }
    const isArray = Array.isArray(value);
    if (!isArray && !isPlainObject(value)) throw invalid(adviceFor(value));
    if (this.#ancestors.includes(value)) throw invalid("an object that contains itself");
    if (this.#ancestors.length >= this.#limits.maxDepth) throw invalid(`more than ${this.#limits.maxDepth} levels`);
    this.#ancestors.push(value);
    const copy = isArray ? this.#array(value) : this.#members(value);
    this.#ancestors.pop();
    return copy;
  }

  #array(array: readonly unknown[]): unknown[] {
    this.#count(array.length);
    const copy: unknown[] = [];
    // By index, as a hole must keep its place: it arrives as undefined.
    for (let i = 0; i < array.length; i++) copy.push(this.copy(array[i]));
    return copy;
  }

  #members(object: object): Record<string, unknown> {
    const copy: Record<string, unknown> = {};
    for (const key of Object.keys(object)) {
      const member = (object as Record<string, unknown>)[key];
      if (member === undefined) continue;
      // To assign this key would set the prototype; it has no honest use.
      if (key === "__proto__") throw invalid("the key __proto__");
      this.#count(2);
      this.#text(key);
      copy[key] = this.copy(member);
    }
    return copy;
  }

  #count(items: number): void {
    this.#items += items;
    if (this.#items > this.#limits.maxItems) {
      throw invalid(`more than ${this.#limits.maxItems} values in one message: send several messages, or bytes`);
    }
  }

  #spend(bytes: number): void {
    this.#bytesLeft -= bytes;
    if (this.#bytesLeft < 0) throw new NetworkError("ERR_MESSAGE_TOO_LARGE");
  }
}

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
