// What waits for one client: the frames of one turn of the event loop leave in one write.

import type { Socket } from "node:net";
import type { WebSocket } from "ws";

/** Bytes of one batch; what a turn has for a client beyond them leaves in further writes. */
const BATCH_BYTES = 64 * 1024;
/** A larger frame leaves from where it is: copying it would cost more than a second buffer in the write does. */
const COPY_BYTES = 16 * 1024;
/** Free batches that are kept, for all clients together. */
const MAX_FREE_BATCHES = 16;
/** Longest head of a WebSocket frame from a server, in bytes (RFC 6455 §5.2). */
const MAX_HEAD_BYTES = 10;

/** RFC 6455 §11.8. */
export const OPCODE = { BINARY: 0x2, PONG: 0xa } as const;
const FIN = 0x80;

/** The batches of one relay, and the outboxes that have something to write in this turn. */
export class Batches {
  readonly #free: Buffer[] = [];
  #begun: Outbox[] = [];

  /** A batch for an outbox, which is flushed when the present turn ends. */
  begin(outbox: Outbox): Buffer {
    if (this.#begun.length === 0) process.nextTick(this.#flush);
    this.#begun.push(outbox);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
  }

  /** Gives back a batch that nobody reads any more. */
  end(batch: Buffer): void {
    if (this.#free.length < MAX_FREE_BATCHES) this.#free.push(batch);
  }

  readonly #flush = (): void => {
    const begun = this.#begun;
    this.#begun = [];
    for (const outbox of begun) outbox.flush();
  };
}

/**
 * Writes frames to one client. `ws` would make some objects and two buffers of each, and a write; it compresses nothing here and
 * sends no blobs, so it never holds frames back itself, and between its frames the socket can be written to.
 */
export class Outbox {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #batches: Batches;
  #batch: Buffer | null = null;
  #batchBytes = 0;
  #batchFrames = 0;
  /** Frames given to the socket since the beginning, and those of them that the operating system has. */
  #written = 0;
  #taken = 0;

  constructor(ws: WebSocket, socket: Socket, batches: Batches) {
    this.#ws = ws;
    this.#socket = socket;
    this.#batches = batches;
  }

  /** Frames that wait to be taken by the operating system. */
  get frames(): number {
    return this.#written - this.#taken + this.#batchFrames;
  }

  /** Bytes that wait likewise. */
  get bytes(): number {
    return this.#socket.writableLength + this.#batchBytes;
  }

  /**
   * Whether there is room for one more. What this turn has gathered may be all that waits, so it is written first if need be.
   * @param bytes - of the new frame
   */
  hasRoom(bytes: number, maxFrames: number, maxBytes: number): boolean {
    if (this.frames < maxFrames && this.bytes + bytes <= maxBytes) return true;
    if (!this.#batch) return false;
    this.flush();
    return this.frames < maxFrames && this.bytes + bytes <= maxBytes;
  }

  /**
   * Queues a frame, whatever the length of the queue.
   * @param payload - copied, or written at once and then ours
   */
  add(opcode: number, payload: Uint8Array): void {
    const copied = payload.length <= COPY_BYTES;
    if (this.#batchBytes + MAX_HEAD_BYTES + (copied ? payload.length : 0) > BATCH_BYTES) this.flush();
    const batch = this.#batch ?? this.#batches.begin(this);
    this.#batch = batch;
    this.#batchFrames++;
    this.#batchBytes = writeHead(batch, this.#batchBytes, opcode, payload.length);
    if (copied) {
      batch.set(payload, this.#batchBytes);
      this.#batchBytes += payload.length;
    } else {
      this.#write(payload);
    }
  }

  /** Writes what was gathered, now; before `ws` writes a frame of its own. */
  flush(): void {
    if (this.#batch) this.#write(null);
  }

  /** @param more - what belongs behind the batch */
  #write(more: Uint8Array | null): void {
    const batch = this.#batch as Buffer;
    const gathered = batch.subarray(0, this.#batchBytes);
    this.#written += this.#batchFrames;
    this.#batch = null;
    this.#batchBytes = 0;
    this.#batchFrames = 0;
    const upTo = this.#written;
    // After a close frame nothing may follow (RFC 6455 §5.5.1).
    if (this.#ws.readyState !== this.#ws.OPEN) {
      this.#taken = upTo;
      this.#batches.end(batch);
      return;
    }
    const socket = this.#socket;
    const waits = socket.writableLength > 0;
    const taken = (): void => {
      if (this.#taken < upTo) this.#taken = upTo;
      if (!waits) this.#batches.end(batch);
    };
    if (more) {
      socket.cork();
      socket.write(waits ? Buffer.from(gathered) : gathered);
      socket.write(waits ? compact(more) : more, taken);
      socket.uncork();
    } else {
      socket.write(waits ? Buffer.from(gathered) : gathered, taken);
    }
    if (waits) this.#batches.end(batch);
    // The callback comes later, and until then what the turn goes on to send would seem to wait behind this.
    else if (socket.writableLength === 0) this.#taken = upTo;
  }
}

/** A small part that waits would keep alive the whole chunk that it was read with. */
function compact(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.length ? Buffer.from(bytes) : bytes;
}

/** RFC 6455 §5.2, without a mask, as servers send. @returns where the payload begins */
function writeHead(into: Buffer, at: number, opcode: number, length: number): number {
  into[at] = FIN | opcode;
  if (length < 126) {
    into[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    into[at + 1] = 126;
    into[at + 2] = length >>> 8;
    into[at + 3] = length;
    return at + 4;
  }
  into[at + 1] = 127;
  into.writeUInt32BE(0, at + 2);
  into.writeUInt32BE(length, at + 6);
  return at + 10;
}
