// The wire form of a message: a fixed header, the type, and the payload as CBOR or as the bytes that it is.
//
//   flags u8 │ id 16 bytes │ timestamp u48 │ type length u8 │ type, UTF-8 │ payload, to the end
//
// All integers are big-endian. Bit 0 of the flags: the payload is raw bytes. At most one of the next four says that this is no
// plain message: 1 a request, 2 the reply to one, 3 a refusal in place of a reply, 4 the end of a request that nobody waits for.
// Those three carry the id of their request; refusals and cancellations have no type. The other bits are zero.

import { ByteWriter, EMPTY_BYTES } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { decodeCbor, encodeCbor } from "./cbor.js";
import type { Message, OutgoingMessage } from "./message.js";
import { MESSAGE_ID_BYTES, readMessageId, writeMessageId, writeNewMessageId } from "./message-id.js";
import { decodeMessageType, encodeMessageType } from "./message-type.js";
import { bytesOf, writePayload } from "./payload.js";

/** Bytes in front of the type: flags, id, timestamp, length of the type. */
export const ENVELOPE_HEADER_BYTES = 24;

/** What an envelope is for. */
export type EnvelopeKind = "message" | "request" | "reply" | "refusal" | "cancel";

const FLAG_RAW = 0x01;
const KIND_FLAGS: Readonly<Record<EnvelopeKind, number>> = {
  message: 0,
  request: 0x02,
  reply: 0x04,
  refusal: 0x08,
  cancel: 0x10,
};
/** By the whole flags byte; what is missing here is a contradiction, or from a later version. */
const KINDS: ReadonlyMap<number, EnvelopeKind> = new Map([
  ...(["message", "request", "reply"] as const).flatMap((kind): [number, EnvelopeKind][] => [
    [KIND_FLAGS[kind], kind],
    [KIND_FLAGS[kind] | FLAG_RAW, kind],
  ]),
  [KIND_FLAGS.refusal, "refusal"],
  [KIND_FLAGS.cancel, "cancel"],
]);
const ID_AT = 1;
const TIMESTAMP_AT = ID_AT + MESSAGE_ID_BYTES;
const TYPE_LENGTH_AT = TIMESTAMP_AT + 6;
const MAX_TIMESTAMP = 2 ** 48 - 1;

/** Longest code of a refusal, in characters. */
export const MAX_REFUSAL_CODE_LENGTH = 64;
const REFUSAL_CODE = new RegExp(`^[A-Z0-9_]{1,${MAX_REFUSAL_CODE_LENGTH}}$`);

/** Whether a value can be the code of a refusal: 1 to 64 characters of A-Z, 0-9 and the underscore. */
export function isRefusalCode(value: unknown): value is string {
  return typeof value === "string" && REFUSAL_CODE.test(value);
}

/** Takes an envelope as it is written. */
export interface EnvelopeSink {
  /**
   * Begins one.
   * @param length - of the whole envelope
   * @param headBytes - how many of its bytes are written to the place that is returned, before anything else happens
   */
  begin(length: number, headBytes: number): { readonly bytes: Uint8Array; readonly at: number };
  /** The bytes behind them. They are copied. */
  write(bytes: Uint8Array): void;
}

/**
 * Encodes a message. A payload that is a `Uint8Array` (or another view, or an `ArrayBuffer`) travels untouched, anything else
 * as CBOR.
 * Fields of the message other than `type` and `payload` are ignored; the id is the one given here.
 * @param sink - where it goes; it is not touched when the message cannot be sent
 * @param id - 16 bytes, or 32 lower-case hexadecimal digits; `undefined` for a fresh one
 * @param timestamp - ms since 1970-01-01 UTC; brought to a whole number of 48 bits
 * @param maxBytes - largest envelope, in bytes
 * @param kind - what it is for
 * @returns its length in bytes
 * @throws NetworkError `ERR_MESSAGE_INVALID` when type, id or payload cannot be sent
 * @throws NetworkError `ERR_MESSAGE_TOO_LARGE`
 */
export function writeEnvelope(
  sink: EnvelopeSink,
  message: OutgoingMessage,
  id: Uint8Array | string | undefined,
  timestamp: number,
  maxBytes: number,
  kind: "message" | "request" | "reply" = "message",
): number {
  if (typeof message !== "object" || message === null) {
    throw new NetworkError("ERR_MESSAGE_INVALID", "a message is an object with type and payload: use text() or defineMessage()");
  }
  const type = encodeMessageType(message.type);
  const payloadAt = ENVELOPE_HEADER_BYTES + type.length;
  const raw = bytesOf(message.payload);
  if (!raw) {
    return writePayload(message.payload, payloadAt, maxBytes, (body) =>
      writeParts(sink, KIND_FLAGS[kind], id, timestamp, type, body),
    );
  }
  const length = payloadAt + raw.length;
  if (length > maxBytes) throw new NetworkError("ERR_MESSAGE_TOO_LARGE", `${length} bytes, the limit is ${maxBytes}`);
  return writeParts(sink, KIND_FLAGS[kind] | FLAG_RAW, id, timestamp, type, raw);
}

const givenId = new Uint8Array(MESSAGE_ID_BYTES);

function writeParts(
  sink: EnvelopeSink,
  flags: number,
  id: Uint8Array | string | undefined,
  timestamp: number,
  type: Uint8Array,
  body: Uint8Array,
): number {
  const payloadAt = ENVELOPE_HEADER_BYTES + type.length;
  // Before anything is begun: an id that is none must not leave half a message behind.
  if (id !== undefined) writeMessageId(id, givenId, 0);
  const { bytes, at } = sink.begin(payloadAt + body.length, payloadAt);
  bytes[at] = flags;
  if (id === undefined) writeNewMessageId(bytes, at + ID_AT);
  else for (let i = 0; i < MESSAGE_ID_BYTES; i++) bytes[at + ID_AT + i] = givenId[i] as number;
  let rest = wholeTimestamp(timestamp);
  for (let i = TYPE_LENGTH_AT - 1; i >= TIMESTAMP_AT; i--) {
    bytes[at + i] = rest;
    rest = Math.floor(rest / 256);
  }
  bytes[at + TYPE_LENGTH_AT] = type.length;
  for (let i = 0; i < type.length; i++) bytes[at + ENVELOPE_HEADER_BYTES + i] = type[i] as number;
  if (body.length > 0) sink.write(body);
  return payloadAt + body.length;
}

/** Collects an envelope in an array of its own. */
class EnvelopeArray implements EnvelopeSink {
  bytes: Uint8Array = EMPTY_BYTES;
  readonly at = 0;
  #filled = 0;

  begin(length: number, headBytes: number): this {
    this.bytes = new Uint8Array(length);
    this.#filled = headBytes;
    return this;
  }

  write(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#filled);
  }
}

/** Like {@link writeEnvelope}, into a fresh array. */
export function encodeEnvelope(
  message: OutgoingMessage,
  id: Uint8Array | string,
  timestamp: number,
  maxBytes: number,
  kind: "message" | "request" | "reply" = "message",
): Uint8Array {
  const envelope = new EnvelopeArray();
  writeEnvelope(envelope, message, id, timestamp, maxBytes, kind);
  return envelope.bytes;
}

/**
 * Encodes the refusal of a request: `{ c: code }` in CBOR, without a type.
 * @param id - of the request, 32 lower-case hexadecimal digits
 * @param code - see {@link isRefusalCode}; the caller has checked it
 */
export function encodeRefusal(id: string, timestamp: number, code: string): Uint8Array {
  return encodeUntyped("refusal", id, timestamp, encodeCbor({ c: code }));
}

/** Encodes that nobody waits for the reply to a request any longer. @param id - of the request */
export function encodeCancel(id: string, timestamp: number): Uint8Array {
  return encodeUntyped("cancel", id, timestamp, EMPTY_BYTES);
}

function encodeUntyped(kind: "refusal" | "cancel", id: string, timestamp: number, body: Uint8Array): Uint8Array {
  const envelope = new Uint8Array(ENVELOPE_HEADER_BYTES + body.length);
  envelope[0] = KIND_FLAGS[kind];
  writeMessageId(id, envelope, ID_AT);
  new ByteWriter(envelope.subarray(TIMESTAMP_AT)).u48(wholeTimestamp(timestamp)).u8(0).bytes(body);
  return envelope;
}

function wholeTimestamp(timestamp: number): number {
  // A clock set before 1970, or one that is broken, is no reason to lose a message.
  return timestamp > 0 ? Math.min(Math.floor(timestamp), MAX_TIMESTAMP) : 0;
}

/** Whether an envelope is a plain message, as nearly all are. What is too short to have flags counts as one. */
export function isPlainMessage(bytes: Uint8Array): boolean {
  return (bytes[0] ?? 0) <= FLAG_RAW;
}

/** The id of a plain message as it lies there; `null` for what is none. */
export function plainMessageIdAt(bytes: Uint8Array, at: number): string | null {
  return (bytes[at] ?? 0) <= FLAG_RAW ? readMessageId(bytes, at + ID_AT) : null;
}

/** What an envelope is for. @throws NetworkError `ERR_MESSAGE_MALFORMED` when its flags are unknown or contradict each other */
export function envelopeKindOf(bytes: Uint8Array): EnvelopeKind {
  const kind = KINDS.get(bytes[0] ?? 0);
  if (!kind) throw malformed("unknown flags");
  return kind;
}

/**
 * Decodes a message, a request or a reply. A raw payload is a view of `bytes`; byte strings within other payloads are copies.
 * @param bytes - one whole envelope, whose size the caller has bounded
 * @param senderId - the proven PeerId
 * @throws NetworkError `ERR_MESSAGE_MALFORMED`
 */
export function decodeEnvelope(bytes: Uint8Array, senderId: PeerId): Message {
  if (bytes.length < ENVELOPE_HEADER_BYTES) throw malformed("cut short");
  const flags = bytes[0] as number;
  if (flags > FLAG_RAW && !hasType(envelopeKindOf(bytes))) throw malformed("no message");
  const typeLength = bytes[TYPE_LENGTH_AT] as number;
  const payloadAt = ENVELOPE_HEADER_BYTES + typeLength;
  if (typeLength === 0) throw malformed("no type");
  if (payloadAt > bytes.length) throw malformed("cut short");
  const type = decodeMessageType(bytes, ENVELOPE_HEADER_BYTES, payloadAt);
  const body = bytes.subarray(payloadAt);
  const payload = (flags & FLAG_RAW) !== 0 ? body : decodeCbor(body);
  return { type, payload, id: readMessageId(bytes, ID_AT), senderId, timestamp: readTimestamp(bytes) };
}

function hasType(kind: EnvelopeKind): boolean {
  return kind !== "refusal" && kind !== "cancel";
}

/**
 * Decodes a refusal. Members of its payload beside `c` are ignored.
 * @throws NetworkError `ERR_MESSAGE_MALFORMED`
 */
export function decodeRefusal(bytes: Uint8Array): { readonly id: string; readonly code: string } {
  const id = untypedIdOf(bytes, "refusal");
  const body = decodeCbor(bytes.subarray(ENVELOPE_HEADER_BYTES));
  const code = typeof body === "object" && body !== null ? (body as { readonly c?: unknown }).c : undefined;
  if (!isRefusalCode(code)) throw malformed("no code");
  return { id, code };
}

/** Decodes a cancellation. @returns the id of the request. @throws NetworkError `ERR_MESSAGE_MALFORMED` */
export function decodeCancel(bytes: Uint8Array): string {
  const id = untypedIdOf(bytes, "cancel");
  if (bytes.length > ENVELOPE_HEADER_BYTES) throw malformed("a cancellation with a payload");
  return id;
}

function untypedIdOf(bytes: Uint8Array, kind: EnvelopeKind): string {
  const id = messageIdOf(bytes);
  if (envelopeKindOf(bytes) !== kind) throw malformed(`no ${kind}`);
  if (bytes[TYPE_LENGTH_AT] !== 0) throw malformed(`a ${kind} with a type`);
  return id;
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
