// What the first bytes on the port say: a raw link, an HTTP request, or neither.

/** The verdict on the bytes so far; `more` asks for further ones. */
export type Sniffed = "raw" | "http" | "refuse" | "more";

/** A first frame is a preamble and a handshake message, far below 1,024 bytes: the high byte of its length is below this. */
const MAX_FIRST_LENGTH_HIGH_BYTE = 0x04;

/** "LN", as the preamble begins. */
const MAGIC = [0x4c, 0x4e] as const;

/**
 * A raw link starts with a length below 1,024 and "LN"; an HTTP request with the upper-case letter of its method. A TLS ClientHello
 * (0x16), zeros and anything else is refused at the first byte that tells.
 * @param bytes - all that came so far, at least one byte
 */
export function sniff(bytes: Uint8Array): Sniffed {
  const [high, low, first, second] = bytes;
  if (high === undefined) return "more";
  if (high >= 0x41 && high <= 0x5a) return "http";
  if (high >= MAX_FIRST_LENGTH_HIGH_BYTE) return "refuse";
  if (low === undefined) return "more";
  if (high === 0 && low < MAGIC.length) return "refuse";
  if (first === undefined) return "more";
  if (first !== MAGIC[0]) return "refuse";
  if (second === undefined) return "more";
  return second === MAGIC[1] ? "raw" : "refuse";
}
