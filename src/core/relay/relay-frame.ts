// The frames between a client and a relay: layouts, limits, encoding and decoding. Both sides use this file and nothing else.

import { ByteReader, ByteWriter, decodeUtf8, encodeUtf8 } from "../bytes.js";
import { NetworkError } from "../errors.js";
import { RELAY_REASONS, type RelayReason, relayReasonOfCode } from "./relay-reason.js";

/** Version of this protocol; a CHALLENGE names it, and a client that speaks another one hangs up. */
export const RELAY_VERSION = 1;
/** Length of a PeerId in binary, in bytes: an Ed25519 public key (RFC 8032 §5.1.5). */
export const RELAY_PEER_ID_BYTES = 32;
/** Length of the challenge, in bytes. */
export const RELAY_NONCE_BYTES = 32;
/** Length of an Ed25519 signature, in bytes (RFC 8032 §5.1.6). */
export const RELAY_SIGNATURE_BYTES = 64;
/** Longest room id, in bytes. The id is opaque to the relay: our clients send a hash of the name. */
export const RELAY_ROOM_ID_BYTES = 64;
/** Longest authority in a LOGIN, in bytes: it has one length byte. A DNS name has 253 characters at most (RFC 1035 §2.3.4). */
export const RELAY_AUTHORITY_BYTES = 255;
/** Largest FORWARD payload that every relay takes, in bytes: the largest link frame and room for its header. */
export const RELAY_PAYLOAD_BYTES = 65_536 + 64;
/** Bytes of a FORWARD before its payload. */
export const FORWARD_HEADER_BYTES = 1 + RELAY_PEER_ID_BYTES;
/** Length of the token in PING and PONG, in bytes. */
export const RELAY_TOKEN_BYTES = 8;

/** The first byte of each frame. */
export const RELAY_KIND = {
  CHALLENGE: 1,
  LOGIN: 2,
  WELCOME: 3,
  FORWARD: 4,
  UNDELIVERED: 5,
  ROOM_JOIN: 6,
  ROOM_LEAVE: 7,
  ROOM_MEMBERS: 8,
  MEMBER_JOINED: 9,
  MEMBER_LEFT: 10,
  ROOM_REFUSED: 11,
  PING: 12,
  PONG: 13,
  ERROR: 14,
} as const;

/** Why a FORWARD did not arrive. */
export const UNDELIVERED = { NOT_HERE: 1, QUEUE_FULL: 2 } as const;
/** Why a ROOM_JOIN was refused. */
export const ROOM_REFUSED = { ROOM_FULL: 1, TOO_MANY_ROOMS: 2, INVALID: 3 } as const;

/** What a relay tells with WELCOME. */
export interface RelayWelcome {
  /** Largest FORWARD payload, in bytes. */
  readonly maxPayloadBytes: number;
  /** Silence after which the relay closes the connection, in ms. */
  readonly idleMs: number;
  /** UDP port of the relay's STUN responder; 0 where it has none. */
  readonly stunPort: number;
}

/** A frame that a relay sends. Byte fields are views of the frame that was decoded. */
export type RelayServerFrame =
  | { readonly kind: "challenge"; readonly version: number; readonly nonce: Uint8Array }
  | ({ readonly kind: "welcome" } & RelayWelcome)
  | { readonly kind: "forward"; readonly peerId: Uint8Array; readonly payload: Uint8Array }
  | { readonly kind: "undelivered"; readonly peerId: Uint8Array; readonly reason: number }
  | { readonly kind: "room-members"; readonly room: Uint8Array; readonly members: readonly Uint8Array[] }
  | { readonly kind: "member-joined" | "member-left"; readonly room: Uint8Array; readonly peerId: Uint8Array }
  | { readonly kind: "room-refused"; readonly room: Uint8Array; readonly reason: number }
  | { readonly kind: "ping" | "pong"; readonly token: Uint8Array }
  | { readonly kind: "error"; readonly reason: RelayReason; readonly sentence: string };

/** A frame that a client sends. Byte fields are views of the frame that was decoded. */
export type RelayClientFrame =
  | { readonly kind: "login"; readonly peerId: Uint8Array; readonly signature: Uint8Array; readonly authority: string }
  | { readonly kind: "forward"; readonly peerId: Uint8Array; readonly payload: Uint8Array }
  | { readonly kind: "room-join" | "room-leave"; readonly room: Uint8Array }
  | { readonly kind: "ping" | "pong"; readonly token: Uint8Array };

/** @param nonce - {@link RELAY_NONCE_BYTES} random bytes, used for one login only */
export function encodeChallenge(nonce: Uint8Array): Uint8Array {
  return new ByteWriter(2 + nonce.length).u8(RELAY_KIND.CHALLENGE).u8(RELAY_VERSION).bytes(nonce).done();
}

/** @param authority - what the client dialled, at most {@link RELAY_AUTHORITY_BYTES} bytes; see `relayAuthority` */
export function encodeLogin(peerId: Uint8Array, signature: Uint8Array, authority: string): Uint8Array {
  const text = encodeUtf8(authority);
  const writer = new ByteWriter(2 + peerId.length + signature.length + text.length);
  return writer.u8(RELAY_KIND.LOGIN).bytes(peerId).bytes(signature).u8(text.length).bytes(text).done();
}

/** The answer to a valid LOGIN. */
export function encodeWelcome(welcome: RelayWelcome): Uint8Array {
  return new ByteWriter(11).u8(RELAY_KIND.WELCOME).u32(welcome.maxPayloadBytes).u32(welcome.idleMs).u16(welcome.stunPort).done();
}

/** A FORWARD with room for `payloadBytes`, for the caller to fill: the payload is then copied once only. */
export function beginForward(
  peerId: Uint8Array,
  payloadBytes: number,
): { readonly frame: Uint8Array; readonly payload: Uint8Array } {
  const frame = new Uint8Array(FORWARD_HEADER_BYTES + payloadBytes);
  frame[0] = RELAY_KIND.FORWARD;
  frame.set(peerId, 1);
  return { frame, payload: frame.subarray(FORWARD_HEADER_BYTES) };
}

/** @param peerId - the destination, from a client; the sender, from the relay; 32 bytes */
export function encodeForward(peerId: Uint8Array, payload: Uint8Array): Uint8Array {
  const { frame, payload: room } = beginForward(peerId, payload.length);
  room.set(payload);
  return frame;
}

/** @param reason - one of {@link UNDELIVERED} */
export function encodeUndelivered(peerId: Uint8Array, reason: number): Uint8Array {
  return new ByteWriter(2 + peerId.length).u8(RELAY_KIND.UNDELIVERED).bytes(peerId).u8(reason).done();
}

/** @param room - room id, 1 to {@link RELAY_ROOM_ID_BYTES} bytes */
export function encodeRoomJoin(room: Uint8Array): Uint8Array {
  return beginRoomFrame(RELAY_KIND.ROOM_JOIN, room, 0).done();
}

/** @param room - room id, 1 to {@link RELAY_ROOM_ID_BYTES} bytes */
export function encodeRoomLeave(room: Uint8Array): Uint8Array {
  return beginRoomFrame(RELAY_KIND.ROOM_LEAVE, room, 0).done();
}

/** @param members - the others in the room, at most 65 535 */
export function encodeRoomMembers(room: Uint8Array, members: readonly Uint8Array[]): Uint8Array {
  const writer = beginRoomFrame(RELAY_KIND.ROOM_MEMBERS, room, 2 + members.length * RELAY_PEER_ID_BYTES).u16(members.length);
  for (const member of members) writer.bytes(member);
  return writer.done();
}

/** MEMBER_JOINED or MEMBER_LEFT. @param peerId - who it was, 32 bytes */
export function encodeMemberEvent(event: "join" | "leave", room: Uint8Array, peerId: Uint8Array): Uint8Array {
  const kind = event === "join" ? RELAY_KIND.MEMBER_JOINED : RELAY_KIND.MEMBER_LEFT;
  return beginRoomFrame(kind, room, peerId.length).bytes(peerId).done();
}

/** @param reason - one of {@link ROOM_REFUSED} */
export function encodeRoomRefused(room: Uint8Array, reason: number): Uint8Array {
  return beginRoomFrame(RELAY_KIND.ROOM_REFUSED, room, 1).u8(reason).done();
}

/** @param token - {@link RELAY_TOKEN_BYTES} bytes that the PONG repeats */
export function encodePing(token: Uint8Array): Uint8Array {
  return new ByteWriter(1 + token.length).u8(RELAY_KIND.PING).bytes(token).done();
}

/** @param token - that of the PING */
export function encodePong(token: Uint8Array): Uint8Array {
  return new ByteWriter(1 + token.length).u8(RELAY_KIND.PONG).bytes(token).done();
}

/** @param sentence - for people: what was wrong and what to do */
export function encodeRelayError(reason: RelayReason, sentence: string): Uint8Array {
  const text = encodeUtf8(sentence);
  return new ByteWriter(2 + text.length).u8(RELAY_KIND.ERROR).u8(RELAY_REASONS[reason].code).bytes(text).done();
}

/**
 * Decodes what a relay sent.
 * @throws NetworkError `ERR_FRAME_MALFORMED` for an unknown kind, a wrong length or text that is not UTF-8
 */
export function decodeServerFrame(frame: Uint8Array): RelayServerFrame {
  const reader = new ByteReader(frame);
  const kind = reader.u8();
  switch (kind) {
    case RELAY_KIND.CHALLENGE: {
      const version = reader.u8();
      // Another version may have another layout: only its number is read.
      if (version !== RELAY_VERSION) return { kind: "challenge", version, nonce: reader.rest() };
      return whole(reader, { kind: "challenge", version, nonce: reader.bytes(RELAY_NONCE_BYTES) });
    }
    case RELAY_KIND.WELCOME:
      // Bytes after these are limits of a later minor revision: an older client does without them.
      return { kind: "welcome", maxPayloadBytes: reader.u32(), idleMs: reader.u32(), stunPort: reader.u16() };
    case RELAY_KIND.FORWARD:
      return { kind: "forward", peerId: reader.bytes(RELAY_PEER_ID_BYTES), payload: reader.rest() };
    case RELAY_KIND.UNDELIVERED:
      return whole(reader, { kind: "undelivered", peerId: reader.bytes(RELAY_PEER_ID_BYTES), reason: reader.u8() });
    case RELAY_KIND.ROOM_MEMBERS: {
      const room = readRoomId(reader);
      const count = reader.u16();
      const ids = new ByteReader(reader.bytes(count * RELAY_PEER_ID_BYTES));
      const members = Array.from({ length: count }, () => ids.bytes(RELAY_PEER_ID_BYTES));
      return whole(reader, { kind: "room-members", room, members });
    }
    case RELAY_KIND.MEMBER_JOINED:
    case RELAY_KIND.MEMBER_LEFT: {
      const event = kind === RELAY_KIND.MEMBER_JOINED ? "member-joined" : "member-left";
      return whole(reader, { kind: event, room: readRoomId(reader), peerId: reader.bytes(RELAY_PEER_ID_BYTES) });
    }
    case RELAY_KIND.ROOM_REFUSED:
      return whole(reader, { kind: "room-refused", room: readRoomId(reader), reason: reader.u8() });
    case RELAY_KIND.PING:
    case RELAY_KIND.PONG:
      return readToken(kind, reader);
    case RELAY_KIND.ERROR:
      return { kind: "error", reason: relayReasonOfCode(reader.u8()), sentence: decodeUtf8(reader.rest()) };
    default:
      throw new NetworkError("ERR_FRAME_MALFORMED", `relay frame of unknown kind ${kind}`);
  }
}

/**
 * Decodes what a client sent. A relay does not call it for FORWARD, the frame that it hands on unparsed.
 * @throws NetworkError `ERR_FRAME_MALFORMED` for an unknown kind, a wrong length or text that is not UTF-8
 */
export function decodeClientFrame(frame: Uint8Array): RelayClientFrame {
  const reader = new ByteReader(frame);
  const kind = reader.u8();
  switch (kind) {
    case RELAY_KIND.LOGIN: {
      const peerId = reader.bytes(RELAY_PEER_ID_BYTES);
      const signature = reader.bytes(RELAY_SIGNATURE_BYTES);
      return whole(reader, { kind: "login", peerId, signature, authority: decodeUtf8(reader.bytes(reader.u8())) });
    }
    case RELAY_KIND.FORWARD:
      return { kind: "forward", peerId: reader.bytes(RELAY_PEER_ID_BYTES), payload: reader.rest() };
    case RELAY_KIND.ROOM_JOIN:
      return whole(reader, { kind: "room-join", room: readRoomId(reader) });
    case RELAY_KIND.ROOM_LEAVE:
      return whole(reader, { kind: "room-leave", room: readRoomId(reader) });
    case RELAY_KIND.PING:
    case RELAY_KIND.PONG:
      return readToken(kind, reader);
    default:
      throw new NetworkError("ERR_FRAME_MALFORMED", `relay frame of unknown kind ${kind}`);
  }
}

/** Kind, room id and space for `moreBytes` behind them. */
function beginRoomFrame(kind: number, room: Uint8Array, moreBytes: number): ByteWriter {
  return new ByteWriter(2 + room.length + moreBytes).u8(kind).u8(room.length).bytes(room);
}

function readRoomId(reader: ByteReader): Uint8Array {
  const length = reader.u8();
  if (length === 0 || length > RELAY_ROOM_ID_BYTES) {
    throw new NetworkError("ERR_FRAME_MALFORMED", `a room id of ${length} bytes, not 1 to ${RELAY_ROOM_ID_BYTES}`);
  }
  return reader.bytes(length);
}

function readToken(kind: number, reader: ByteReader): { readonly kind: "ping" | "pong"; readonly token: Uint8Array } {
  return whole(reader, { kind: kind === RELAY_KIND.PING ? "ping" : "pong", token: reader.bytes(RELAY_TOKEN_BYTES) });
}

/** The decoded frame, once nothing is left behind it. */
function whole<Frame>(reader: ByteReader, frame: Frame): Frame {
  reader.end();
  return frame;
}
