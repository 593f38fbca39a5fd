// One stream of bytes between two peers: the web-standard pair that an application holds, over offsets and windows.

import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { ChunkQueue } from "./chunk-queue.js";
import { InOrder } from "./in-order.js";
import { SendBuffer } from "./send-buffer.js";
import type { StreamControl, StreamReason } from "./stream-control.js";
import { FIRST_WINDOW_BYTES, type WindowBudget } from "./window-budget.js";

/** A stream as an application sees it. Each direction ends on its own; links may change below it. */
export interface ByteStream {
  readonly peerId: PeerId;
  /** What the side that opened it called it. */
  readonly name: string;
  /** Bytes from the other side. Cancelling it tells the other side to stop: its writable fails with `ERR_STREAM_CANCELLED`. */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * Bytes to the other side. A write resolves when there is room for more; closing resolves when the other side has everything.
   * Aborting it makes the other side's readable fail with `ERR_STREAM_ABORTED`.
   */
  readonly writable: WritableStream<Uint8Array>;
}

/** Bytes written and not acknowledged before a write has to wait. */
const HIGH_WATER_BYTES = 1024 * 1024;

/** What a stream needs of the session that carries it. */
export interface StreamCarrier {
  /** Sends a message about the stream, reliably. */
  control(control: StreamControl): void;
  /** There is something to send: data, or an acknowledgement. */
  wake(): void;
  /** Both directions are over. */
  finished(id: number): void;
}

export class SessionStream implements ByteStream {
  readonly id: number;
  readonly peerId: PeerId;
  readonly name: string;
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  /** Bytes on their way out, until they are acknowledged. */
  readonly outgoing = new SendBuffer();
  readonly #incoming = new InOrder(FIRST_WINDOW_BYTES);
  readonly #budget: WindowBudget;
  readonly #carrier: StreamCarrier;
  #reader!: ReadableStreamDefaultController<Uint8Array>;
  #writer!: WritableStreamDefaultController;
  readonly #chunks = new ChunkQueue();
  #wanted = false;
  /** Bytes that may wait to be read. */
  #window = FIRST_WINDOW_BYTES;
  /** How far the other side knows that it may send. */
  #announced = FIRST_WINDOW_BYTES;
  #ackDue = false;
  /** Where the other side's data ends; `null` until it has said so. */
  #remoteEnd: number | null = null;
  /** Whether the other side was told that everything has arrived. */
  #confirmed = false;
  #inputOver = false;
  #outputOver = false;
  #ending = false;
  #confirmedByOther = false;
  #waiting: { readonly until: () => boolean; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];

  constructor(id: number, peerId: PeerId, name: string, budget: WindowBudget, carrier: StreamCarrier) {
    this.id = id;
    this.peerId = peerId;
    this.name = name;
    this.#budget = budget;
    this.#carrier = carrier;
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#reader = controller;
        },
        pull: () => {
          this.#wanted = true;
          this.#handOver();
        },
        cancel: () => this.#cancelInput(),
      },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#writer = controller;
        // At once: the sink's own abort waits for a write that waits for the other side.
        controller.signal?.addEventListener("abort", () => this.#abortOutput("cancelled"), { once: true });
      },
      write: (chunk) => this.#write(chunk),
      close: () => this.#close(),
      abort: () => this.#abortOutput("cancelled"),
    });
  }

  // ---- for the table of streams ----------------------------------------------------------------------------------------

  /** Bytes that the other side may send ahead of what was read. */
  get window(): number {
    return this.#window;
  }

  get ackDue(): boolean {
    return this.#ackDue;
  }

  /** Takes what is to be acknowledged. */
  takeAck(): { readonly offset: number; readonly window: number } {
    this.#ackDue = false;
    const window = Math.max(0, this.#window - this.#chunks.bytes);
    this.#announced = this.#incoming.received + window;
    this.#incoming.allow(this.#announced);
    return { offset: this.#incoming.received, window };
  }

  /** A new link: what was sent is sent again from the last acknowledgement, and what has arrived is told again. */
  rewind(): void {
    this.outgoing.rewind();
    this.#ackDue = true;
  }

  /** @throws NetworkError `ERR_FRAME_SEQUENCE` */
  accept(offset: number, bytes: Uint8Array): void {
    if (this.#remoteEnd !== null && offset + bytes.length > this.#remoteEnd) {
      throw new NetworkError("ERR_FRAME_SEQUENCE", "data after the end of a stream");
    }
    this.#ackDue = true;
    const fresh = this.#incoming.accept(offset, bytes);
    if (fresh && !this.#inputOver) this.#chunks.push(fresh);
    this.#handOver();
  }

  /** @returns how many bytes are acknowledged for the first time. @throws NetworkError `ERR_FRAME_SEQUENCE` */
  acknowledge(offset: number, window: number): number {
    const before = this.outgoing.acked;
    this.outgoing.acknowledge(offset, window);
    this.#wake();
    return this.outgoing.acked - before;
  }

  #wake(): void {
    const ready = this.#waiting.filter((waiting) => waiting.until());
    this.#waiting = this.#waiting.filter((waiting) => !ready.includes(waiting));
    for (const waiting of ready) waiting.resolve();
  }

  /** What the other side said about this stream. @throws NetworkError `ERR_FRAME_SEQUENCE` */
  control(control: StreamControl): void {
    switch (control.op) {
      case "end":
        if (this.#remoteEnd !== null || control.offset < this.#incoming.received)
          throw new NetworkError("ERR_FRAME_SEQUENCE", "a second end");
        this.#remoteEnd = control.offset;
        this.#handOver();
        break;
      case "done":
        if (!this.#ending || !this.outgoing.wasSent) throw new NetworkError("ERR_FRAME_SEQUENCE", "done before the end");
        this.#confirmedByOther = true;
        this.#wake();
        break;
      case "reset":
        this.#failInput(this.#cut("ERR_STREAM_ABORTED", control.reason));
        break;
      case "stop":
        this.#failOutput(this.#cut("ERR_STREAM_CANCELLED", control.reason));
        break;
      default:
        throw new NetworkError("ERR_FRAME_SEQUENCE", "a stream was opened twice");
    }
    this.#finishIfOver();
  }

  #cut(code: "ERR_STREAM_ABORTED" | "ERR_STREAM_CANCELLED", reason: StreamReason): NetworkError {
    return new NetworkError(reason === "refused" ? "ERR_STREAM_REFUSED" : code, undefined, { peerId: this.peerId });
  }

  /** The session is over: both directions fail. */
  fail(error: NetworkError): void {
    this.#failInput(error);
    this.#failOutput(error);
  }

  // ---- reading ---------------------------------------------------------------------------------------------------------

  #handOver(): void {
    if (this.#inputOver) return;
    const chunk = this.#wanted ? this.#chunks.shift() : undefined;
    if (chunk) {
      this.#wanted = false;
      this.#reader.enqueue(chunk);
      this.#announceRoom();
    }
    if (this.#remoteEnd !== this.#incoming.received) return;
    if (!this.#confirmed) {
      this.#confirmed = true;
      this.#carrier.control({ op: "done", id: this.id });
    }
    if (this.#chunks.bytes > 0) return;
    this.#inputOver = true;
    this.#reader.close();
    this.#finishIfOver();
  }

  // Not for each read: only when a good part of the window is free again.
  #announceRoom(): void {
    const room = this.#incoming.received + this.#window - this.#chunks.bytes - this.#announced;
    if (room < this.#window / 4) return;
    // A reader that has emptied the buffer keeps up: it could do with more at once.
    if (this.#chunks.bytes === 0) this.#window = this.#budget.grow(this.#window);
    this.#ackDue = true;
    this.#carrier.wake();
  }

  #cancelInput(): void {
    if (this.#inputOver) return;
    this.#dropInput();
    this.#carrier.control({ op: "stop", id: this.id, reason: "cancelled" });
    this.#finishIfOver();
  }

  #failInput(error: NetworkError): void {
    if (this.#inputOver) return;
    this.#dropInput();
    this.#reader.error(error);
  }

  #dropInput(): void {
    this.#inputOver = true;
    this.#chunks.clear();
  }

  // ---- writing ---------------------------------------------------------------------------------------------------------

  async #write(chunk: Uint8Array): Promise<void> {
    if (!(chunk instanceof Uint8Array)) throw new NetworkError("ERR_MESSAGE_INVALID", "a stream takes Uint8Array");
    // A copy: the writer may reuse its buffer, and this is kept until it is acknowledged.
    if (chunk.length > 0) this.outgoing.push(chunk.slice());
    this.#carrier.wake();
    await this.#until(() => this.outgoing.pendingBytes < HIGH_WATER_BYTES);
  }

  async #close(): Promise<void> {
    this.#ending = true;
    this.#carrier.control({ op: "end", id: this.id, offset: this.outgoing.end });
    await this.#until(() => this.#confirmedByOther);
    this.#outputOver = true;
    // What is not acknowledged yet has arrived all the same.
    this.outgoing.clear();
    this.#finishIfOver();
  }

  #abortOutput(reason: StreamReason): void {
    if (this.#outputOver) return;
    this.#outputOver = true;
    this.outgoing.clear();
    this.#carrier.control({ op: "reset", id: this.id, reason });
    this.#stopWaiting(new NetworkError("ERR_CLOSED", "the stream was aborted", { peerId: this.peerId }));
    this.#finishIfOver();
  }

  #failOutput(error: NetworkError): void {
    if (this.#outputOver) return;
    this.#outputOver = true;
    this.outgoing.clear();
    this.#stopWaiting(error);
    if (!this.#ending) this.#writer.error(error);
  }

  #stopWaiting(error: NetworkError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(error);
  }

  #until(until: () => boolean): Promise<void> {
    if (until()) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ until, resolve, reject }));
  }

  #finishIfOver(): void {
    if (this.#inputOver && this.#outputOver) this.#carrier.finished(this.id);
  }
}
