// STUN over TCP: messages follow each other, and each header says how long its message is (RFC 8489 §6.2.2).

import { concatBytes } from "../core/bytes.js";
import { NetworkError } from "../core/errors.js";
import { STUN_HEADER_BYTES, STUN_MAGIC_COOKIE, STUN_MAX_BYTES } from "./stun-message.js";

/** Bytes after which it is sure whether a stream begins with a STUN message: type, length and cookie. */
const SURE_BYTES = 8;

/**
 * Whether a stream begins with STUN: two zero bits, and the cookie behind four bytes (RFC 8489 §5). An HTTP request is told from it
 * by its first letter.
 * @param bytes - all that came so far
 * @returns `null` while both are possible
 */
export function beginsWithStun(bytes: Uint8Array): boolean | null {
  if (((bytes[0] ?? 0) & 0xc0) !== 0) return false;
  for (let at = 4; at < Math.min(SURE_BYTES, bytes.length); at++) {
    if (bytes[at] !== ((STUN_MAGIC_COOKIE >>> (8 * (7 - at))) & 0xff)) return false;
  }
  return bytes.length < SURE_BYTES ? null : true;
}

/** Cuts a stream into messages. It holds less than one message of {@link STUN_MAX_BYTES}. */
export class StunFramer {
  #pending: Uint8Array = new Uint8Array(0);

  /**
   * @returns the messages that are whole now
   * @throws NetworkError `ERR_STUN_MALFORMED` when what follows cannot be STUN, or is longer than we read; the stream is lost then
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    let bytes = this.#pending.length === 0 ? chunk : concatBytes(this.#pending, chunk);
    for (let length = lengthOf(bytes); length !== null && bytes.length >= length; length = lengthOf(bytes)) {
      messages.push(bytes.subarray(0, length));
      bytes = bytes.subarray(length);
    }
    // A copy: a view would keep all of what was read alive, and slice() of Node's buffers gives a view.
    this.#pending = new Uint8Array(bytes);
    return messages;
  }
}

/** Of the message that begins here, with its header; `null` while that is not known. */
function lengthOf(bytes: Uint8Array): number | null {
  const isStun = bytes.length === 0 ? null : beginsWithStun(bytes);
  if (isStun === false) throw new NetworkError("ERR_STUN_MALFORMED", "no STUN header");
  if (isStun === null) return null;
  const length = STUN_HEADER_BYTES + (((bytes[2] as number) << 8) | (bytes[3] as number));
  if (length % 4 !== 0 || length > STUN_MAX_BYTES) throw new NetworkError("ERR_STUN_MALFORMED", `a length of ${length} bytes`);
  return length;
}
