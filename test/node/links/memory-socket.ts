// Two ends of a TCP connection in memory, byte for byte: it can die after any of them, in the middle of a frame.

import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { SeededRandom } from "../../sim/seeded-random.js";

/** How a connection in memory ends. `end`: both sides read an end behind the bytes that passed. `reset`: both get an error. */
export type EndKind = "end" | "reset";

export interface MemoryCut {
  /** So many bytes pass, both directions together, and none after them. */
  readonly afterBytes: number;
  readonly kind: EndKind;
}

/** Longest chunk in which bytes arrive: shorter than any frame, and than the header of some. */
const MAX_CHUNK_BYTES = 48;

export class MemoryConnection {
  /** The end that dialled. */
  readonly dialling: Socket;
  readonly accepting: Socket;
  readonly #ends: readonly [MemorySocket, MemorySocket];
  readonly #cut: MemoryCut | null;
  readonly #random: SeededRandom;
  #passed = 0;
  /** Where each write ended, counted in bytes that had been written by then, both directions together. */
  readonly writes: number[] = [];
  over = false;

  constructor(random: SeededRandom, cut: MemoryCut | null) {
    this.#random = random;
    this.#cut = cut;
    const dialling: MemorySocket = new MemorySocket((bytes) => this.#pass(bytes, accepting));
    const accepting: MemorySocket = new MemorySocket((bytes) => this.#pass(bytes, dialling));
    dialling.other = accepting;
    accepting.other = dialling;
    this.#ends = [dialling, accepting];
    // What a link needs of a socket is what a Duplex has, and setNoDelay.
    this.dialling = dialling as unknown as Socket;
    this.accepting = accepting as unknown as Socket;
    if (cut?.afterBytes === 0) setImmediate(() => this.end(cut.kind));
  }

  /** Bytes that have arrived, both directions together. */
  get passedBytes(): number {
    return this.#passed;
  }

  /** What has passed arrives, nothing after it does. */
  end(kind: EndKind): void {
    if (this.over) return;
    this.over = true;
    for (const socket of this.#ends) {
      if (kind === "end") socket.push(null);
      else socket.destroy(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
    }
  }

  #pass(bytes: Uint8Array, to: MemorySocket): void {
    for (let at = 0; at < bytes.length && !this.over; ) {
      const left = (this.#cut?.afterBytes ?? Number.POSITIVE_INFINITY) - this.#passed;
      const length = Math.min(bytes.length - at, 1 + this.#random.below(MAX_CHUNK_BYTES), left);
      to.push(new Uint8Array(bytes.subarray(at, at + length)));
      at += length;
      this.#passed += length;
      if (this.#cut && length === left) this.end(this.#cut.kind);
    }
    this.writes.push(this.#passed);
  }
}

class MemorySocket extends Duplex {
  readonly #pass: (bytes: Uint8Array) => void;
  other: MemorySocket | null = null;

  constructor(pass: (bytes: Uint8Array) => void) {
    // As a socket of Node: when the other side has ended, this one ends as well.
    super({ allowHalfOpen: false });
    this.#pass = pass;
  }

  setNoDelay(): this {
    return this;
  }

  override _read(): void {
    // Bytes are pushed as they come.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // Later, as with any socket: nobody is called back while he sends.
    process.nextTick(() => {
      this.#pass(chunk);
      done();
    });
  }

  override _final(done: () => void): void {
    if (!this.other?.destroyed && !this.other?.readableEnded) this.other?.push(null);
    done();
  }
}
