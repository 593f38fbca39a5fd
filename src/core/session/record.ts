// What a record holds: entries, one after the other, until it ends. PROTOCOL.md, "Records".

import { ByteReader, type ByteWriter, decodeUtf8, encodeUtf8 } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { StreamWriter } from "../stream/stream-table.js";

/** A lane is a reliable, ordered stream of messages; lanes do not wait for each other. */
export type Lane = 0 | 1 | 2;
/** Between the two sessions: paths and signals. */
export const LANE_CONTROL: Lane = 0;
/** What an application sends unless it says otherwise. */
export const LANE_INTERACTIVE: Lane = 1;
/** What must not delay the others. */
export const LANE_BULK: Lane = 2;
export const LANES: readonly Lane[] = [LANE_CONTROL, LANE_INTERACTIVE, LANE_BULK];

const ENTRY = { hello: 0, data: 1, ack: 2, ping: 3, pong: 4, retire: 5, goodbye: 6, stream: 7, streamAck: 8 } as const;

/** Bytes before the data of a data entry: kind, lane, offset, length. */
export const DATA_HEADER_BYTES = 1 + 1 + 6 + 2;
export const ACK_BYTES = 1 + 1 + 6 + 4;
/** Bytes before the data of a stream entry: kind, stream, offset, length. */
export const STREAM_HEADER_BYTES = 1 + 4 + 6 + 2;
export const STREAM_ACK_BYTES = 1 + 4 + 6 + 4;
export const PING_BYTES = 1 + 4;
/** Most bytes of one data entry. */
export const MAX_DATA_BYTES = 65_535;
export const INSTANCE_BYTES = 16;
/** Names no conversation: the other side's instance is not known yet. */
export const UNKNOWN_INSTANCE: Uint8Array = new Uint8Array(INSTANCE_BYTES);
export const MAX_NAME_BYTES = 64;
/** Bytes of a hello with the longest name. */
export const MAX_HELLO_BYTES = 1 + 2 * INSTANCE_BYTES + 3 * 6 + 4 + 1 + MAX_NAME_BYTES;

/** Why a session ends; the only thing that the other side is told. */
export const GOODBYE_REASONS = { done: 0, leaving: 1, protocol: 2, limit: 3, refused: 4 } as const;
export type GoodbyeReason = keyof typeof GOODBYE_REASONS;

/** First entry of each side on each link: which session this is, and how much of it has arrived. */
export interface Hello {
  /** 16 random bytes that name this side's part of the session; a process draws them afresh for each session. */
  readonly instance: Uint8Array;
  /** The other side's instance as far as this side knows it; zeros when it knows none. */
  readonly known: Uint8Array;
  /** Per lane: the offset of the first byte that has not arrived. */
  readonly received: readonly [number, number, number];
  /** Bytes beyond `received` that may be sent, per lane. */
  readonly window: number;
  /** A display name: a claim. */
  readonly name: string;
}

/** Is told each entry of a record, in order. */
export interface RecordVisitor {
  hello(hello: Hello): void;
  data(lane: Lane, offset: number, bytes: Uint8Array): void;
  ack(lane: Lane, offset: number, window: number): void;
  stream(id: number, offset: number, bytes: Uint8Array): void;
  streamAck(id: number, offset: number, window: number): void;
  ping(token: number): void;
  pong(token: number): void;
  retire(): void;
  goodbye(reason: GoodbyeReason): void;
}

export function writeHello(writer: ByteWriter, hello: Hello): void {
  const name = encodeUtf8(hello.name);
  writer.u8(ENTRY.hello).bytes(hello.instance).bytes(hello.known);
  for (const offset of hello.received) writer.u48(offset);
  writer.u32(hello.window).u8(name.length).bytes(name);
}

/** Writes the head of a data entry and gives the place for its bytes. */
export function writeData(writer: ByteWriter, lane: Lane, offset: number, length: number): Uint8Array {
  return writer.u8(ENTRY.data).u8(lane).u48(offset).u16(length).reserve(length);
}

export function writeAck(writer: ByteWriter, lane: Lane, offset: number, window: number): void {
  writer.u8(ENTRY.ack).u8(lane).u48(offset).u32(window);
}

/** Writes the head of a stream entry and gives the place for its bytes. */
export function writeStream(writer: ByteWriter, id: number, offset: number, length: number): Uint8Array {
  return writer.u8(ENTRY.stream).u32(id).u48(offset).u16(length).reserve(length);
}

export function writeStreamAck(writer: ByteWriter, id: number, offset: number, window: number): void {
  writer.u8(ENTRY.streamAck).u32(id).u48(offset).u32(window);
}

/** How streams write their entries. */
export const STREAM_FORMAT: StreamWriter = {
  headerBytes: STREAM_HEADER_BYTES,
  ackBytes: STREAM_ACK_BYTES,
  maxDataBytes: MAX_DATA_BYTES,
  data: writeStream,
  ack: writeStreamAck,
};

export function writePing(writer: ByteWriter, token: number): void {
  writer.u8(ENTRY.ping).u32(token);
}

export function writePong(writer: ByteWriter, token: number): void {
  writer.u8(ENTRY.pong).u32(token);
}

export function writeRetire(writer: ByteWriter): void {
  writer.u8(ENTRY.retire);
}

export function writeGoodbye(writer: ByteWriter, reason: GoodbyeReason): void {
  writer.u8(ENTRY.goodbye).u8(GOODBYE_REASONS[reason]);
}

/**
 * Takes a record apart.
 * @throws NetworkError `ERR_FRAME_MALFORMED` at the first byte that does not fit; entries before it were told
 */
export function readRecord(record: Uint8Array, visitor: RecordVisitor): void {
  const reader = new ByteReader(record);
  while (reader.remaining > 0) {
    const kind = reader.u8();
    switch (kind) {
      case ENTRY.data: {
        const lane = readLane(reader);
        const offset = reader.u48();
        visitor.data(lane, offset, reader.bytes(reader.u16()));
        break;
      }
      case ENTRY.ack: {
        const lane = readLane(reader);
        const offset = reader.u48();
        visitor.ack(lane, offset, reader.u32());
        break;
      }
      case ENTRY.stream: {
        const id = reader.u32();
        const offset = reader.u48();
        visitor.stream(id, offset, reader.bytes(reader.u16()));
        break;
      }
      case ENTRY.streamAck: {
        const id = reader.u32();
        const offset = reader.u48();
        visitor.streamAck(id, offset, reader.u32());
        break;
      }
      case ENTRY.ping:
        visitor.ping(reader.u32());
        break;
      case ENTRY.pong:
        visitor.pong(reader.u32());
        break;
      case ENTRY.hello:
        visitor.hello(readHello(reader));
        break;
      case ENTRY.retire:
        visitor.retire();
        break;
      case ENTRY.goodbye:
        visitor.goodbye(readReason(reader.u8()));
        break;
      default:
        throw new NetworkError("ERR_FRAME_MALFORMED", `unknown entry ${kind}`);
    }
  }
}

function readLane(reader: ByteReader): Lane {
  const lane = reader.u8();
  if (lane > LANE_BULK) throw new NetworkError("ERR_FRAME_MALFORMED", `unknown lane ${lane}`);
  return lane as Lane;
}

function readHello(reader: ByteReader): Hello {
  const instance = reader.bytes(INSTANCE_BYTES).slice();
  const known = reader.bytes(INSTANCE_BYTES).slice();
  const received: [number, number, number] = [reader.u48(), reader.u48(), reader.u48()];
  const window = reader.u32();
  const nameLength = reader.u8();
  if (nameLength > MAX_NAME_BYTES) throw new NetworkError("ERR_FRAME_MALFORMED", "name too long");
  return { instance, known, received, window, name: decodeUtf8(reader.bytes(nameLength)) };
}

function readReason(value: number): GoodbyeReason {
  const found = Object.entries(GOODBYE_REASONS).find(([, number]) => number === value);
  // A reason that a later version adds still means that the session is over.
  return found ? (found[0] as GoodbyeReason) : "done";
}
