// The wire form of a message: a fixed header, the type, and the payload as CBOR or as the bytes that it is.
//
//   flags u8 │ id 16 bytes │ timestamp u48 │ type length u8 │ type, UTF-8 │ payload, to the end
//
// All integers are big-endian. Bit 0 of the flags: the payload is raw bytes; the other bits are zero.

import { ByteWriter } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { decodeCbor, encodeCborBehind } from "./cbor.js";
import type { Message, OutgoingMessage } from "./message.js";
import { MESSAGE_ID_BYTES, readMessageId, writeMessageId } from "./message-id.js";
import { decodeMessageType, encodeMessageType } from "./message-type.js";
import { bytesOf } from "./payload.js";

/** Bytes in front of the type: flags, id, timestamp, length of the type. */
export const ENVELOPE_HEADER_BYTES = 24;

const FLAG_RAW = 0x01;
const ID_AT = 1;
const TIMESTAMP_AT = ID_AT + MESSAGE_ID_BYTES;
const TYPE_LENGTH_AT = TIMESTAMP_AT + 6;
const MAX_TIMESTAMP = 2 ** 48 - 1;

/**
 * Encodes a message. A payload that is a `Uint8Array` (or another view, or an `ArrayBuffer`) travels untouched, anything else
 * as CBOR.
 * Fields of the message other than `type` and `payload` are ignored; the id is the one given here.
 * @param id - 16 bytes, or 32 lower-case hexadecimal digits
 * @param timestamp - ms since 1970-01-01 UTC; brought to a whole number of 48 bits
 * @param maxBytes - largest envelope, in bytes
 * @returns a fresh array
 * @throws NetworkError `ERR_MESSAGE_INVALID` when type, id or payload cannot be sent
 * @throws NetworkError `ERR_MESSAGE_TOO_LARGE`
 */
export function encodeEnvelope(
  message: OutgoingMessage,
  id: Uint8Array | string,
  timestamp: number,
  maxBytes: number,
): Uint8Array {
  if (typeof message !== "object" || message === null) {
    throw new NetworkError("ERR_MESSAGE_INVALID", "a message is an object with type and payload: use text() or defineMessage()");
  }
  const type = encodeMessageType(message.type);
  const payloadAt = ENVELOPE_HEADER_BYTES + type.length;
  const raw = bytesOf(message.payload);
  const envelope = raw ? rawBehind(payloadAt, raw, maxBytes) : encodeCborBehind(payloadAt, message.payload, maxBytes);
  envelope[0] = raw ? FLAG_RAW : 0;
  writeMessageId(id, envelope, ID_AT);
  new ByteWriter(envelope.subarray(TIMESTAMP_AT, payloadAt)).u48(wholeTimestamp(timestamp)).u8(type.length).bytes(type);
  return envelope;
}

function rawBehind(offset: number, raw: Uint8Array, maxBytes: number): Uint8Array {
  const length = offset + raw.length;
  if (length > maxBytes) throw new NetworkError("ERR_MESSAGE_TOO_LARGE", `${length} bytes, the limit is ${maxBytes}`);
  const envelope = new Uint8Array(length);
  envelope.set(raw, offset);
  return envelope;
}

function wholeTimestamp(timestamp: number): number {
  // A clock set before 1970, or one that is broken, is no reason to lose a message.
  return timestamp > 0 ? Math.min(Math.floor(timestamp), MAX_TIMESTAMP) : 0;
}

/**
 * Decodes a message. Nothing in it refers to `bytes` afterwards: a raw payload and every byte string is a copy with memory of its
 * own, which begins at byteOffset 0. So it can be transferred to a worker or viewed as a Float32Array, and a small message
 * does not keep alive the large record that it came in.
 * @param bytes - one whole envelope, whose size the caller has bounded
 * @param senderId - the proven PeerId
 * @throws NetworkError `ERR_MESSAGE_MALFORMED`
 */
export function decodeEnvelope(bytes: Uint8Array, senderId: PeerId): Message {
  if (bytes.length < ENVELOPE_HEADER_BYTES) throw malformed("cut short");
  const flags = bytes[0] as number;
  if ((flags & ~FLAG_RAW) !== 0) throw malformed("unknown flags");
  const typeLength = bytes[TYPE_LENGTH_AT] as number;
  const payloadAt = ENVELOPE_HEADER_BYTES + typeLength;
  if (typeLength === 0) throw malformed("no type");
  if (payloadAt > bytes.length) throw malformed("cut short");
  const type = decodeMessageType(bytes, ENVELOPE_HEADER_BYTES, payloadAt);
  const body = bytes.subarray(payloadAt);
  // Uint8Array.from would iterate; slice on a Buffer would be a view.
  const payload = flags === FLAG_RAW ? new Uint8Array(body) : decodeCbor(body);
  return { type, payload, id: readMessageId(bytes, ID_AT), senderId, timestamp: readTimestamp(bytes) };
}

/**
 * Reads just the id of an encoded envelope.
 * @returns 32 lower-case hexadecimal digits
 * @throws NetworkError `ERR_MESSAGE_MALFORMED` when the bytes are too few for a header
 */
export function messageIdOf(bytes: Uint8Array): string {
  if (bytes.length < ENVELOPE_HEADER_BYTES) throw malformed("cut short");
  return readMessageId(bytes, ID_AT);
}

function readTimestamp(bytes: Uint8Array): number {
  let timestamp = 0;
  for (let i = TIMESTAMP_AT; i < TYPE_LENGTH_AT; i++) timestamp = timestamp * 256 + (bytes[i] as number);
  return timestamp;
}

function malformed(detail: string): NetworkError {
  return new NetworkError("ERR_MESSAGE_MALFORMED", detail);
}
