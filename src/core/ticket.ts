// Tickets: one string with a PeerId, relays and addresses, for a person to paste or scan.
//
//   "ln1" + base32( version u8 │ PeerId 32 bytes │ relays u8 │ addresses u8 │ (length u8 │ UTF-8)… │ CRC-32 u32 )

import { decodeBase32, encodeBase32 } from "./base32.js";
import { ByteReader, ByteWriter, decodeUtf8, encodeUtf8 } from "./bytes.js";
import { NetworkError, toNetworkError } from "./errors.js";
import type { PeerId } from "./events.js";
import { decodePeerId, encodePeerId, PUBLIC_KEY_BYTES } from "./identity.js";

/** How to reach one peer. It is public: who has it can dial, and still has to prove who they are. */
export interface Ticket {
  readonly peerId: PeerId;
  /** URLs of relays where the peer may be found, `ws:` or `wss:`; at most 4. */
  readonly relays: readonly string[];
  /** URLs under which it may be dialled, such as `tcp://192.168.1.5:8080`; at most 8. */
  readonly addresses: readonly string[];
}

export const MAX_TICKET_RELAYS = 4;
export const MAX_TICKET_ADDRESSES = 8;
/** Longest URL in a ticket, in bytes of UTF-8. */
export const MAX_TICKET_URL_BYTES = 255;
/** Longest ticket in characters, white space around it included: about what one QR code holds. */
export const MAX_TICKET_CHARS = 4096;

const PREFIX = "ln1";
const VERSION = 1;
const HEADER_BYTES = 1 + PUBLIC_KEY_BYTES + 2;
const CHECKSUM_BYTES = 4;

/**
 * Writes a ticket: lower-case letters and digits, safe in URLs; in upper case it fits the alphanumeric mode of QR codes.
 * @throws NetworkError `ERR_TICKET_INVALID` when there are too many URLs, one is not allowed, or all together are too long
 */
export function encodeTicket(ticket: Ticket): string {
  const publicKey = decodePeerId(ticket.peerId);
  checkCounts(ticket.relays.length, ticket.addresses.length);
  for (const url of ticket.relays) checkRelayUrl(url);
  for (const url of ticket.addresses) checkAddressUrl(url);
  const urls = [...ticket.relays, ...ticket.addresses].map(encodeUtf8);
  const size = urls.reduce((sum, url) => sum + 1 + url.length, HEADER_BYTES + CHECKSUM_BYTES);
  const writer = new ByteWriter(size).u8(VERSION).bytes(publicKey).u8(ticket.relays.length).u8(ticket.addresses.length);
  for (const url of urls) writer.u8(url.length).bytes(url);
  writer.u32(crc32(writer.done()));
  const text = PREFIX + encodeBase32(writer.done());
  if (text.length > MAX_TICKET_CHARS) throw invalid(`its URLs make it longer than ${MAX_TICKET_CHARS} characters`);
  return text;
}

/**
 * Reads a ticket. White space around it and upper case are forgiven; any other wrong character is found by the checksum.
 * @throws NetworkError `ERR_TICKET_INVALID`
 */
export function parseTicket(text: string): Ticket {
  if (typeof text !== "string" || text.length > MAX_TICKET_CHARS) throw invalid(`more than ${MAX_TICKET_CHARS} characters`);
  const lower = text.trim().toLowerCase();
  if (!lower.startsWith(PREFIX)) throw invalid(`a ticket begins with ${PREFIX}`);
  try {
    return readTicket(decodeBase32(lower.slice(PREFIX.length)));
  } catch (error) {
    if (error instanceof NetworkError && error.code === "ERR_TICKET_INVALID") throw error;
    throw new NetworkError("ERR_TICKET_INVALID", toNetworkError(error, "ERR_TICKET_INVALID").message, { cause: error });
  }
}

/** Whether this looks like a ticket, by its first characters; {@link parseTicket} says whether it is one. */
export function isTicket(text: unknown): boolean {
  return (
    typeof text === "string" &&
    text.length <= MAX_TICKET_CHARS &&
    text.trimStart().slice(0, PREFIX.length).toLowerCase() === PREFIX
  );
}

function readTicket(bytes: Uint8Array): Ticket {
  if (bytes.length < HEADER_BYTES + CHECKSUM_BYTES) throw invalid("too short");
  const bodyLength = bytes.length - CHECKSUM_BYTES;
  // First of all, so that a slip of the hand is called one, and not a strange version or URL.
  if (crc32(bytes.subarray(0, bodyLength)) !== new ByteReader(bytes, bodyLength).u32())
    throw invalid("the checksum does not fit");
  const reader = new ByteReader(bytes.subarray(0, bodyLength));
  if (reader.u8() !== VERSION) throw invalid("it was made by another version");
  const peerId = encodePeerId(reader.bytes(PUBLIC_KEY_BYTES));
  const relayCount = reader.u8();
  const addressCount = reader.u8();
  checkCounts(relayCount, addressCount);
  const relays: string[] = [];
  const addresses: string[] = [];
  for (let i = 0; i < relayCount; i++) relays.push(checkRelayUrl(decodeUtf8(reader.bytes(reader.u8()))));
  for (let i = 0; i < addressCount; i++) addresses.push(checkAddressUrl(decodeUtf8(reader.bytes(reader.u8()))));
  reader.end();
  return { peerId, relays, addresses };
}

function checkCounts(relays: number, addresses: number): void {
  if (relays > MAX_TICKET_RELAYS) throw invalid(`more than ${MAX_TICKET_RELAYS} relays`);
  if (addresses > MAX_TICKET_ADDRESSES) throw invalid(`more than ${MAX_TICKET_ADDRESSES} addresses`);
}

function checkRelayUrl(url: string): string {
  if (!/^wss?:\/\//.test(url)) throw invalid("a relay URL that does not begin with ws:// or wss://");
  return checkAddressUrl(url);
}

// A scheme, "//" and no white space, control or formatting character: a parser of URLs drops or hides some of these, and a
// person who reads the ticket's content must see what is dialled.
const ADDRESS_FORM = /^[a-z][a-z0-9+.-]*:\/\/[^\s\p{C}]+$/u;

function checkAddressUrl(url: string): string {
  const fits = encodeUtf8(url).length <= MAX_TICKET_URL_BYTES && ADDRESS_FORM.test(url) && isUrl(url);
  if (!fits) throw invalid(`an address that is not a URL of at most ${MAX_TICKET_URL_BYTES} bytes`);
  return url;
}

function isUrl(text: string): boolean {
  try {
    new URL(text);
    return true;
  } catch {
    return false;
  }
}

function invalid(detail: string): NetworkError {
  return new NetworkError("ERR_TICKET_INVALID", detail);
}

/** CRC-32 as in ISO 3309 and PNG, reflected polynomial 0xEDB88320: finds every burst of up to 32 bits, so any wrong character. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc >>> 0;
}
