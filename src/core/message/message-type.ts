// Message types: 1 to 255 bytes of UTF-8.

import { EMPTY_BYTES, encodeUtf8 } from "../bytes.js";
import { NetworkError } from "../errors.js";
import { isWellFormedText } from "./payload.js";

/** Longest type in bytes of UTF-8: its length travels in one byte. */
export const MAX_TYPE_BYTES = 255;

// A program uses few types and sends each many times. The bound is for one that puts ids into them.
const KNOWN_TYPES = 256;
const knownTypes = new Map<string, Uint8Array>();

/**
 * The bytes of a message type. They are shared: do not write to them.
 * @throws NetworkError `ERR_MESSAGE_INVALID` when it is not text of 1 to 255 bytes
 */
export function encodeMessageType(type: unknown): Uint8Array {
  const known = knownTypes.get(type as string);
  if (known) return known;
  // No character takes less than a byte, so a type that is too long is seen before it is encoded.
  if (typeof type !== "string" || type.length === 0 || type.length > MAX_TYPE_BYTES || !isWellFormedText(type))
    throw invalidType();
  const bytes = encodeUtf8(type);
  if (bytes.length > MAX_TYPE_BYTES) throw invalidType();
  if (knownTypes.size >= KNOWN_TYPES) knownTypes.clear();
  knownTypes.set(type, bytes);
  return bytes;
}

function invalidType(): NetworkError {
  return new NetworkError("ERR_MESSAGE_INVALID", `a type is text of 1 to ${MAX_TYPE_BYTES} bytes`);
}

const typeDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The type that came last, as mostly the next one is the same. */
let lastType = "";
let lastBytes = EMPTY_BYTES;

/** @throws NetworkError `ERR_MESSAGE_MALFORMED` when the bytes are not valid UTF-8 */
export function decodeMessageType(bytes: Uint8Array, start: number, end: number): string {
  if (isLast(bytes, start, end)) return lastType;
  lastType = decode(bytes, start, end);
  lastBytes = new Uint8Array(bytes.subarray(start, end));
  return lastType;
}

function isLast(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== lastBytes.length) return false;
  for (let i = 0; i < lastBytes.length; i++) if (bytes[start + i] !== lastBytes[i]) return false;
  return true;
}

function decode(bytes: Uint8Array, start: number, end: number): string {
  let type = "";
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x80) return decodeLongForm(bytes.subarray(start, end));
    type += String.fromCharCode(byte);
  }
  return type;
}

function decodeLongForm(bytes: Uint8Array): string {
  try {
    return typeDecoder.decode(bytes);
  } catch (cause) {
    throw new NetworkError("ERR_MESSAGE_MALFORMED", "a type that is not valid UTF-8", { cause });
  }
}
