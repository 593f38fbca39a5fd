// What two sessions tell each other about streams, in the control lane: reliably, and ahead of the data. PROTOCOL.md, "Streams".

import { ByteReader, ByteWriter, decodeUtf8, encodeUtf8 } from "../bytes.js";
import { NetworkError } from "../errors.js";

/** Most bytes of a stream's name, in UTF-8. */
export const MAX_STREAM_NAME_BYTES = 255;

const OP = { open: 1, end: 2, done: 3, reset: 4, stop: 5 } as const;

/** Why a stream was cut: the only thing that the other side learns. */
export const STREAM_REASONS = { cancelled: 0, failed: 1, refused: 2 } as const;
export type StreamReason = keyof typeof STREAM_REASONS;

export type StreamControl =
  | { readonly op: "open"; readonly id: number; readonly window: number; readonly name: string }
  /** Nothing follows after `offset`. */
  | { readonly op: "end"; readonly id: number; readonly offset: number }
  /** Everything before the end has arrived. */
  | { readonly op: "done"; readonly id: number }
  /** The sending side gives up; what has not been read is void. */
  | { readonly op: "reset"; readonly id: number; readonly reason: StreamReason }
  /** The receiving side wants no more. */
  | { readonly op: "stop"; readonly id: number; readonly reason: StreamReason };

export function encodeStreamControl(control: StreamControl): Uint8Array {
  const writer = new ByteWriter(1 + 4 + 6 + MAX_STREAM_NAME_BYTES).u8(OP[control.op]).u32(control.id);
  if (control.op === "open") {
    const name = encodeUtf8(control.name);
    writer.u32(control.window).u8(name.length).bytes(name);
  } else if (control.op === "end") {
    writer.u48(control.offset);
  } else if (control.op !== "done") {
    writer.u8(STREAM_REASONS[control.reason]);
  }
  return writer.done().slice();
}

/** @throws NetworkError `ERR_FRAME_MALFORMED` */
export function decodeStreamControl(bytes: Uint8Array): StreamControl {
  const reader = new ByteReader(bytes);
  const op = reader.u8();
  const id = reader.u32();
  const control = decodeBody(reader, op, id);
  reader.end();
  return control;
}

function decodeBody(reader: ByteReader, op: number, id: number): StreamControl {
  switch (op) {
    case OP.open: {
      const window = reader.u32();
      return { op: "open", id, window, name: decodeUtf8(reader.bytes(reader.u8())) };
    }
    case OP.end:
      return { op: "end", id, offset: reader.u48() };
    case OP.done:
      return { op: "done", id };
    case OP.reset:
      return { op: "reset", id, reason: decodeReason(reader.u8()) };
    case OP.stop:
      return { op: "stop", id, reason: decodeReason(reader.u8()) };
    default:
      throw new NetworkError("ERR_FRAME_MALFORMED", `unknown stream operation ${op}`);
  }
}

function decodeReason(value: number): StreamReason {
  const found = Object.entries(STREAM_REASONS).find(([, number]) => number === value);
  return found ? (found[0] as StreamReason) : "failed";
}
