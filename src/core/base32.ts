// Base32 of RFC 4648 §6 in lower case and without padding: what PeerIds and tickets are written in.

import { decodeUtf8 } from "./bytes.js";
import { NetworkError } from "./errors.js";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

const CODES = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));

const VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

/** Writes bytes as lower-case base32 without padding: 8 characters for every 5 bytes. */
export function encodeBase32(bytes: Uint8Array): string {
  // A text that grows by one character at a time is kept as a chain of its pieces: a PeerId took 1.7 kB so.
  const codes = new Uint8Array(Math.ceil((bytes.length * 8) / 5));
  let at = 0;
  let held = 0;
  let heldBits = 0;
  for (const byte of bytes) {
    // At most 4 bits wait from before, so 12 bits are the most that is held.
    held = ((held << 8) | byte) & 0xfff;
    heldBits += 8;
    while (heldBits >= 5) {
      heldBits -= 5;
      codes[at++] = CODES[(held >>> heldBits) & 31] as number;
    }
  }
  if (heldBits > 0) codes[at] = CODES[(held << (5 - heldBits)) & 31] as number;
  return decodeUtf8(codes);
}

/**
 * Reads lower-case base32 without padding. Only the canonical form is taken, so that one byte string has exactly one text:
 * a length that no byte string has, and bits set behind the last byte, are refused.
 * @throws NetworkError `ERR_FRAME_MALFORMED`
 */
export function decodeBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let at = 0;
  let held = 0;
  let heldBits = 0;
  for (let i = 0; i < text.length; i++) {
    const value = VALUES[text.charCodeAt(i)] ?? -1;
    if (value < 0) throw new NetworkError("ERR_FRAME_MALFORMED", `no base32 character at position ${i}`);
    held = ((held << 5) | value) & 0xfff;
    heldBits += 5;
    if (heldBits >= 8) {
      heldBits -= 8;
      bytes[at++] = (held >>> heldBits) & 0xff;
    }
  }
  if (heldBits >= 5) throw new NetworkError("ERR_FRAME_MALFORMED", "no base32 text has this length");
  if ((held & ((1 << heldBits) - 1)) !== 0)
    throw new NetworkError("ERR_FRAME_MALFORMED", "base32 with bits behind its last byte");
  return bytes;
}
