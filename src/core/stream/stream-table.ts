// The streams of one session: who opened which, what they have to say, and how they share a record.

import type { ByteWriter } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { SessionStream, type StreamCarrier } from "./byte-stream.js";
import { decodeStreamControl, MAX_STREAM_NAME_BYTES, type StreamControl } from "./stream-control.js";
import { WindowBudget } from "./window-budget.js";

/** Streams that the other side may have open at the same time. */
export const MAX_INBOUND_STREAMS = 128;

/** How entries are written; the record format belongs to the session. */
export interface StreamWriter {
  readonly headerBytes: number;
  readonly ackBytes: number;
  readonly maxDataBytes: number;
  data(writer: ByteWriter, id: number, offset: number, length: number): Uint8Array;
  ack(writer: ByteWriter, id: number, offset: number, window: number): void;
}

export interface StreamTableHandlers {
  /** Sends to the other side, reliably and ahead of data. */
  control(control: StreamControl): void;
  /** There is something to fill a record with. */
  wake(): void;
  /** The other side opened a stream. @returns whether somebody takes it */
  opened(stream: SessionStream): boolean;
}

export class StreamTable {
  readonly #peerId: PeerId;
  readonly #handlers: StreamTableHandlers;
  readonly #budget = new WindowBudget();
  readonly #streams = new Map<number, SessionStream>();
  #nextOwn: number;
  #nextRemote: number;
  #inbound = 0;
  #over: NetworkError | null = null;

  /** @param even - whether the streams that we open have even numbers: exactly one side's do */
  constructor(peerId: PeerId, even: boolean, handlers: StreamTableHandlers) {
    this.#peerId = peerId;
    this.#handlers = handlers;
    this.#nextOwn = even ? 0 : 1;
    this.#nextRemote = even ? 1 : 0;
  }

  /** Bytes sent and not acknowledged. */
  get inFlightBytes(): number {
    let bytes = 0;
    for (const stream of this.#streams.values()) bytes += stream.outgoing.inFlightBytes;
    return bytes;
  }

  get ackDue(): boolean {
    for (const stream of this.#streams.values()) if (stream.ackDue) return true;
    return false;
  }

  /** @throws NetworkError `ERR_OPTION_INVALID` for a name that is too long, or why the session is over */
  open(name: string): SessionStream {
    if (this.#over) throw this.#over;
    if (typeof name !== "string" || new TextEncoder().encode(name).length > MAX_STREAM_NAME_BYTES) {
      throw new NetworkError("ERR_OPTION_INVALID", `a stream's name is text of at most ${MAX_STREAM_NAME_BYTES} bytes`);
    }
    const stream = this.#create(this.#nextOwn, name);
    this.#nextOwn += 2;
    this.#handlers.control({ op: "open", id: stream.id, window: stream.window, name });
    return stream;
  }

  /** Takes what the other side said. @throws NetworkError `ERR_FRAME_MALFORMED`, `ERR_FRAME_SEQUENCE` */
  receiveControl(bytes: Uint8Array): void {
    const control = decodeStreamControl(bytes);
    if (this.#over) return;
    if (control.op === "open") this.#opened(control.id, control.name, control.window);
    else this.#find(control.id)?.control(control);
  }

  accept(id: number, offset: number, bytes: Uint8Array): void {
    if (!this.#over) this.#find(id)?.accept(offset, bytes);
  }

  /** @returns how many bytes are acknowledged for the first time */
  acknowledge(id: number, offset: number, window: number): number {
    return this.#over ? 0 : (this.#find(id)?.acknowledge(offset, window) ?? 0);
  }

  /** A new link carries on from what is known to have arrived. */
  rewind(): void {
    for (const stream of this.#streams.values()) stream.rewind();
  }

  /** Writes the acknowledgements that are due. */
  fillAcks(writer: ByteWriter, format: StreamWriter): void {
    for (const stream of this.#streams.values()) {
      if (!stream.ackDue || writer.room < format.ackBytes) continue;
      const { offset, window } = stream.takeAck();
      format.ack(writer, stream.id, offset, window);
    }
  }

  /**
   * Fills what is left of a record with data, streams taking turns to be first.
   * @param inFlightRoom - bytes that may still be sent before something is acknowledged
   */
  fillData(writer: ByteWriter, format: StreamWriter, inFlightRoom: number): void {
    let room = inFlightRoom;
    let first: number | null = null;
    for (const stream of this.#streams.values()) {
      const { outgoing } = stream;
      const length = Math.min(outgoing.sendableBytes, writer.room - format.headerBytes, room, format.maxDataBytes);
      if (length <= 0) continue;
      outgoing.fill(format.data(writer, stream.id, outgoing.cursor, length));
      room -= length;
      first ??= stream.id;
    }
    const served = first === null ? undefined : this.#streams.get(first);
    if (!served || this.#streams.size === 1) return;
    // A map keeps its order: who was first is last next time.
    this.#streams.delete(served.id);
    this.#streams.set(served.id, served);
  }

  /** The session is over, or lost: every stream fails. */
  abandon(error: NetworkError): void {
    this.#over = error;
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.fail(error);
  }

  #create(id: number, name: string): SessionStream {
    const carrier: StreamCarrier = {
      control: (control) => this.#handlers.control(control),
      wake: () => this.#handlers.wake(),
      finished: () => this.#finished(id),
    };
    const stream = new SessionStream(id, this.#peerId, name, this.#budget, carrier);
    this.#streams.set(id, stream);
    return stream;
  }

  #opened(id: number, name: string, window: number): void {
    if (id !== this.#nextRemote) throw new NetworkError("ERR_FRAME_SEQUENCE", "a stream is opened out of turn");
    this.#nextRemote += 2;
    if (this.#inbound >= MAX_INBOUND_STREAMS) {
      this.#refuse(id);
      return;
    }
    const stream = this.#create(id, name);
    this.#inbound++;
    stream.acknowledge(0, window);
    if (this.#handlers.opened(stream)) {
      // The grant for the other direction travels as an acknowledgement of nothing.
      stream.rewind();
      this.#handlers.wake();
      return;
    }
    this.#finished(id);
    this.#refuse(id);
  }

  #refuse(id: number): void {
    this.#handlers.control({ op: "stop", id, reason: "refused" });
    this.#handlers.control({ op: "reset", id, reason: "refused" });
  }

  // A stream that is over may still be talked about by what was sent before: that is old news, not an error.
  #find(id: number): SessionStream | undefined {
    const stream = this.#streams.get(id);
    const own = id % 2 === this.#nextOwn % 2;
    if (!stream && id >= (own ? this.#nextOwn : this.#nextRemote))
      throw new NetworkError("ERR_FRAME_SEQUENCE", "a stream that was never opened");
    return stream;
  }

  #finished(id: number): void {
    const stream = this.#streams.get(id);
    if (!stream) return;
    this.#streams.delete(id);
    this.#budget.release(stream.window);
    if (id % 2 !== this.#nextOwn % 2) this.#inbound--;
  }
}
