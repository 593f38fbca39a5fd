// STUN messages as bytes (RFC 8489, RFC 5780): header, attributes, addresses and the fingerprint. Pure: no socket, no clock.

import { ByteReader, ByteWriter, equalBytes } from "../core/bytes.js";
import { NetworkError } from "../core/errors.js";

/** In every header since RFC 5389; tells STUN from what shares its port (RFC 8489 §5). */
export const STUN_MAGIC_COOKIE = 0x2112a442;
/** Bytes of the header (RFC 8489 §5). */
export const STUN_HEADER_BYTES = 20;
/** Bytes of a transaction id (RFC 8489 §5). */
export const STUN_TRANSACTION_ID_BYTES = 12;
/** Largest message that is read, in bytes: one UDP datagram on an Ethernet path. */
export const STUN_MAX_BYTES = 1500;

/** The one method of RFC 8489 (§18.2). */
export const STUN_BINDING = 0x001;
/** Message classes (RFC 8489 §5). */
export const STUN_CLASS = { REQUEST: 0, INDICATION: 1, SUCCESS: 2, ERROR: 3 } as const;
/** Attribute types (RFC 8489 §18.3, RFC 5780 §7). Below 0x8000 a receiver must understand them ("comprehension-required"). */
export const STUN_ATTRIBUTE = {
  MAPPED_ADDRESS: 0x0001,
  CHANGE_REQUEST: 0x0003,
  USERNAME: 0x0006,
  MESSAGE_INTEGRITY: 0x0008,
  ERROR_CODE: 0x0009,
  UNKNOWN_ATTRIBUTES: 0x000a,
  REALM: 0x0014,
  NONCE: 0x0015,
  MESSAGE_INTEGRITY_SHA256: 0x001c,
  PASSWORD_ALGORITHM: 0x001d,
  USERHASH: 0x001e,
  XOR_MAPPED_ADDRESS: 0x0020,
  PASSWORD_ALGORITHMS: 0x8002,
  ALTERNATE_DOMAIN: 0x8003,
  SOFTWARE: 0x8022,
  ALTERNATE_SERVER: 0x8023,
  FINGERPRINT: 0x8028,
  RESPONSE_ORIGIN: 0x802b,
  OTHER_ADDRESS: 0x802c,
} as const;

const FAMILY_IPV4 = 0x01;
const FAMILY_IPV6 = 0x02;
/** The two flags of CHANGE-REQUEST (RFC 5780 §7.2). */
const CHANGE_ADDRESS = 0x04;
const CHANGE_PORT = 0x02;
/** "STUN" in ASCII; the CRC-32 is XORed with it (RFC 8489 §14.7). */
const FINGERPRINT_XOR = 0x5354554e;

/** An address and a port, as a STUN server saw them. */
export interface StunEndpoint {
  /** 4 bytes for IPv4, 16 for IPv6. */
  readonly address: Uint8Array;
  readonly port: number;
}

/** From where a server shall answer, if not from where it was asked (RFC 5780 §7.2). */
export interface StunChange {
  /** From its other address. */
  readonly address: boolean;
  /** From its other port. */
  readonly port: boolean;
}

/** One attribute. `value` is without header and padding. */
export interface StunAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** A message taken apart; nothing in it is verified but its form. */
export interface StunMessage {
  /** One of {@link STUN_CLASS}. */
  readonly messageClass: number;
  /** 12 bits; {@link STUN_BINDING} is the only one in use here. */
  readonly method: number;
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
  readonly attributes: readonly StunAttribute[];
}

/** A cheap look at the first bytes: whether a datagram can be STUN at all (RFC 8489 §5). */
export function looksLikeStun(datagram: Uint8Array): boolean {
  if (datagram.length < STUN_HEADER_BYTES || ((datagram[0] as number) & 0xc0) !== 0) return false;
  return new DataView(datagram.buffer, datagram.byteOffset).getUint32(4) === STUN_MAGIC_COOKIE;
}

/**
 * Takes a message apart. The values are views of `datagram`.
 * @throws NetworkError `ERR_STUN_MALFORMED` when it is not a whole STUN message, or over {@link STUN_MAX_BYTES}
 * @see RFC 8489 §5, §14
 */
export function decodeStunMessage(datagram: Uint8Array): StunMessage {
  if (datagram.length > STUN_MAX_BYTES) throw malformed("too long");
  if (!looksLikeStun(datagram)) throw malformed("no STUN header");
  const reader = new ByteReader(datagram);
  const type = reader.u16();
  const length = reader.u16();
  reader.u32();
  const transactionId = reader.bytes(STUN_TRANSACTION_ID_BYTES);
  if (length % 4 !== 0 || length !== reader.remaining) throw malformed("the length is not that of the datagram");
  const attributes: StunAttribute[] = [];
  // All lengths are multiples of four, so what remains is none at all or a whole attribute header.
  while (reader.remaining > 0) {
    const attributeType = reader.u16();
    const valueLength = reader.u16();
    const paddedLength = (valueLength + 3) & ~3;
    if (paddedLength > reader.remaining) throw malformed("an attribute passes the end");
    attributes.push({ type: attributeType, value: reader.bytes(paddedLength).subarray(0, valueLength) });
  }
  return { messageClass: classOf(type), method: methodOf(type), transactionId, attributes };
}

/**
 * Puts a message together, its attributes in order and padded with zeros.
 * @param options - `fingerprint`: whether FINGERPRINT comes last
 */
export function encodeStunMessage(message: StunMessage, options: { readonly fingerprint?: boolean } = {}): Uint8Array {
  const fingerprintBytes = options.fingerprint ? 8 : 0;
  let length = fingerprintBytes;
  for (const { value } of message.attributes) length += 4 + ((value.length + 3) & ~3);
  const writer = new ByteWriter(STUN_HEADER_BYTES + length);
  // The header's length counts the FINGERPRINT already when its CRC is taken (RFC 8489 §14.7).
  writer.u16(typeOf(message.messageClass, message.method)).u16(length).u32(STUN_MAGIC_COOKIE).bytes(message.transactionId);
  for (const { type, value } of message.attributes) {
    writer.u16(type).u16(value.length).bytes(value);
    writer.reserve(-value.length & 3);
  }
  if (options.fingerprint) {
    const crc = fingerprintOf(writer.done());
    writer.u16(STUN_ATTRIBUTE.FINGERPRINT).u16(4).u32(crc);
  }
  return writer.done();
}

/**
 * Reads XOR-MAPPED-ADDRESS: our own address, as the server saw it. A hint: nothing proves it.
 * @param value - the attribute's value
 * @param transactionId - of the message that it came in
 * @throws NetworkError `ERR_STUN_MALFORMED` when the length does not fit the family, or the family is unknown
 * @see RFC 8489 §14.2
 */
export function decodeXorMappedAddress(value: Uint8Array, transactionId: Uint8Array): StunEndpoint {
  const { address, port } = decodeStunAddress(value);
  return { address: xorAddress(address, transactionId), port: port ^ (STUN_MAGIC_COOKIE >>> 16) };
}

/** Makes an XOR-MAPPED-ADDRESS attribute (RFC 8489 §14.2). @param endpoint - its address has 4 or 16 bytes */
export function encodeXorMappedAddress(endpoint: StunEndpoint, transactionId: Uint8Array): StunAttribute {
  const address = xorAddress(endpoint.address, transactionId);
  return encodeStunAddress(STUN_ATTRIBUTE.XOR_MAPPED_ADDRESS, { address, port: endpoint.port ^ (STUN_MAGIC_COOKIE >>> 16) });
}

/**
 * Reads MAPPED-ADDRESS, or another attribute of its form: OTHER-ADDRESS, RESPONSE-ORIGIN, ALTERNATE-SERVER.
 * @param value - the attribute's value
 * @throws NetworkError `ERR_STUN_MALFORMED` when the length does not fit the family, or the family is unknown
 * @see RFC 8489 §14.1, RFC 5780 §7.3, §7.4
 */
export function decodeStunAddress(value: Uint8Array): StunEndpoint {
  const addressLength = value[1] === FAMILY_IPV4 ? 4 : value[1] === FAMILY_IPV6 ? 16 : 0;
  if (addressLength === 0 || value.length !== 4 + addressLength) throw malformed("an address of a wrong length or family");
  return { address: new Uint8Array(value.subarray(4)), port: new DataView(value.buffer, value.byteOffset).getUint16(2) };
}

/** Makes an attribute of the form of MAPPED-ADDRESS (RFC 8489 §14.1). @param endpoint - its address has 4 or 16 bytes */
export function encodeStunAddress(type: number, endpoint: StunEndpoint): StunAttribute {
  const writer = new ByteWriter(4 + endpoint.address.length);
  writer.u8(0).u8(endpoint.address.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6);
  return { type, value: writer.u16(endpoint.port).bytes(endpoint.address).done() };
}

/** Makes a CHANGE-REQUEST attribute (RFC 5780 §7.2). */
export function encodeChangeRequest(change: StunChange): StunAttribute {
  const flags = (change.address ? CHANGE_ADDRESS : 0) | (change.port ? CHANGE_PORT : 0);
  return { type: STUN_ATTRIBUTE.CHANGE_REQUEST, value: new Uint8Array([0, 0, 0, flags]) };
}

/** Reads CHANGE-REQUEST. @throws NetworkError `ERR_STUN_MALFORMED` when it is not 4 bytes. @see RFC 5780 §7.2 */
export function decodeChangeRequest(value: Uint8Array): StunChange {
  const flags = value[3];
  if (value.length !== 4 || flags === undefined) throw malformed("CHANGE-REQUEST");
  return { address: (flags & CHANGE_ADDRESS) !== 0, port: (flags & CHANGE_PORT) !== 0 };
}

/** Makes an ERROR-CODE attribute without a reason phrase (RFC 8489 §14.8). @param code - 300 to 699 */
export function encodeErrorCode(code: number): StunAttribute {
  const value = new Uint8Array([0, 0, Math.floor(code / 100), code % 100]);
  return { type: STUN_ATTRIBUTE.ERROR_CODE, value };
}

/** Reads ERROR-CODE. @throws NetworkError `ERR_STUN_MALFORMED` outside 300–699. @see RFC 8489 §14.8 */
export function decodeErrorCode(value: Uint8Array): number {
  const hundreds = (value[2] ?? 0) & 0x07;
  const units = value[3] ?? 255;
  if (value.length < 4 || hundreds < 3 || hundreds > 6 || units > 99) throw malformed("ERROR-CODE");
  return hundreds * 100 + units;
}

/** Makes an UNKNOWN-ATTRIBUTES attribute (RFC 8489 §14.9). */
export function encodeUnknownAttributes(types: readonly number[]): StunAttribute {
  const writer = new ByteWriter(2 * types.length);
  for (const type of types) writer.u16(type);
  return { type: STUN_ATTRIBUTE.UNKNOWN_ATTRIBUTES, value: writer.done() };
}

/** The first attribute of a type: a second one is ignored (RFC 8489 §14). */
export function findStunAttribute(message: StunMessage, type: number): StunAttribute | undefined {
  return message.attributes.find((attribute) => attribute.type === type);
}

/**
 * Whether the last attribute is a FINGERPRINT that fits the bytes before it (RFC 8489 §14.7).
 * @param datagram - a whole message, as it was decoded
 */
export function verifyStunFingerprint(datagram: Uint8Array): boolean {
  const at = datagram.length - 8;
  if (at < STUN_HEADER_BYTES) return false;
  const expected = new ByteWriter(8)
    .u16(STUN_ATTRIBUTE.FINGERPRINT)
    .u16(4)
    .u32(fingerprintOf(datagram.subarray(0, at)))
    .done();
  return equalBytes(datagram.subarray(at), expected);
}

/** Masked with the cookie and, for IPv6, the transaction id: some NATs rewrite any bytes that equal their own address. */
function xorAddress(address: Uint8Array, transactionId: Uint8Array): Uint8Array {
  const mask = new ByteWriter(16).u32(STUN_MAGIC_COOKIE).bytes(transactionId).done();
  return address.map((byte, i) => byte ^ (mask[i] as number));
}

// The two class bits sit at 4 and 8 of the type, between the bits of the method (RFC 8489 §5, figure 3).
function classOf(type: number): number {
  return ((type >> 7) & 0b10) | ((type >> 4) & 0b01);
}

function methodOf(type: number): number {
  return ((type >> 2) & 0xf80) | ((type >> 1) & 0x070) | (type & 0x00f);
}

function typeOf(messageClass: number, method: number): number {
  const classBits = ((messageClass & 0b10) << 7) | ((messageClass & 0b01) << 4);
  return ((method & 0xf80) << 2) | ((method & 0x070) << 1) | (method & 0x00f) | classBits;
}

function fingerprintOf(bytes: Uint8Array): number {
  return (crc32(bytes) ^ FINGERPRINT_XOR) >>> 0;
}

/** CRC-32 with the reflected polynomial 0xEDB88320: ITU V.42, which RFC 8489 §14.7 names. Bit by bit: messages are short. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function malformed(why: string): NetworkError {
  return new NetworkError("ERR_STUN_MALFORMED", why);
}
