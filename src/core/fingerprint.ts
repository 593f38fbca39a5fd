// A short number that two people compare aloud to see that nobody sits between them.

import { compareBytes, concatBytes, encodeUtf8 } from "./bytes.js";
import type { PeerId } from "./events.js";
import { decodePeerId } from "./identity.js";
import type { CryptoProvider } from "./runtime.js";

const CONTEXT = encodeUtf8("linknet fingerprint v1");
const GROUPS = 6;
const GROUP_BYTES = 5;
/**
 * How often the hash is applied. Who wants to sit between two people must find one key for each side so that both numbers
 * agree: a search for a collision, which takes the square root of what 30 digits (about 100 bits) suggest, some 2^50 keys.
 * Each of these tries is made 2^12 times dearer, and a call still takes only some milliseconds.
 */
const ITERATIONS = 4096;

/**
 * The fingerprint of two peers: the same on both sides, whichever is named first. It says nothing new about a session, whose keys
 * are proven anyway; it tells two people that they hold each other's PeerId and not those of somebody in between.
 * @returns 30 digits in six groups of five, with a space between groups
 * @throws NetworkError `ERR_PEER_ID_INVALID` when one of them is no PeerId
 */
export function fingerprint(a: PeerId, b: PeerId, crypto: Pick<CryptoProvider, "hash">): string {
  const keys = [decodePeerId(a), decodePeerId(b)].sort(compareBytes);
  const sha256 = crypto.hash("SHA256");
  const input = concatBytes(CONTEXT, ...keys);
  let digest = sha256.hash(input);
  // The input goes in again each time, so that all rounds depend on both keys.
  for (let i = 1; i < ITERATIONS; i++) digest = sha256.hash(digest, input);
  const groups: string[] = [];
  for (let i = 0; i < GROUPS; i++) groups.push(fiveDigits(digest.subarray(i * GROUP_BYTES, (i + 1) * GROUP_BYTES)));
  return groups.join(" ");
}

/** 40 bits as five digits; that 2^40 is no multiple of 100,000 favours some numbers by less than one in ten million. */
function fiveDigits(bytes: Uint8Array): string {
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  return String(value % 100_000).padStart(5, "0");
}
