// Receives files: chunks in order, within limits, into a sink that the demo provides.

import type { PeerId } from "linknet";
import type { CancelReason, FileCancel, FileChunk, FileEnd, FileOffer } from "./chat-protocol.js";
import { STALL_MS } from "./file-sender.js";

/** Files that one peer may have under way to us. */
export const MAX_OPEN_PER_PEER = 8;

/** What each file counts at least, so that empty files are not free. */
const LEAST_COST_BYTES = 64 * 1024;

/** Where the bytes of one file go. Writing is synchronous, so nothing piles up in between. */
export interface FileSink<File> {
  write(data: Uint8Array): void;
  /** All bytes are there. */
  finish(): File;
  /** The file will not be finished: throw away what came. */
  abort(): void;
}

/** What the owner of a receiver is told. */
export interface FileReceiverEvents<File> {
  /** A file begins to arrive. */
  started(peerId: PeerId, offer: FileOffer): void;
  /** `bytes` of it have arrived so far. */
  progress(peerId: PeerId, transferId: string, bytes: number): void;
  /** All of it arrived, `size` bytes. */
  finished(peerId: PeerId, transferId: string, file: File, size: number): void;
  /** It will not be finished. */
  failed(peerId: PeerId, transferId: string, reason: CancelReason | "left"): void;
  /** Tell the sender to stop. */
  refuse(peerId: PeerId, cancel: FileCancel): void;
}

interface Incoming<File> {
  readonly peerId: PeerId;
  readonly offer: FileOffer;
  readonly sink: FileSink<File>;
  received: number;
  lastChunkMs: number;
}

/**
 * Incoming transfers of all peers.
 *
 * There is no checksum: the session below hands each byte on once, in order and authenticated, so the size and the offsets
 * say that a file is whole.
 */
export class FileReceiver<File> {
  readonly #open: (offer: FileOffer) => FileSink<File>;
  readonly #events: FileReceiverEvents<File>;
  readonly #maxKeptBytes: number;
  readonly #incoming = new Map<string, Incoming<File>>();
  #keptBytes = 0;

  /**
   * @param open - makes the sink of one file; if it throws, the file is refused
   * @param maxKeptBytes - most bytes of all files together, announced ones included; `release` gives some back
   */
  constructor(open: (offer: FileOffer) => FileSink<File>, events: FileReceiverEvents<File>, maxKeptBytes: number) {
    this.#open = open;
    this.#events = events;
    this.#maxKeptBytes = maxKeptBytes;
  }

  /** Bytes of finished files and of those under way, as announced. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** A finished file of `bytes` was thrown away by the application. */
  release(bytes: number): void {
    this.#keptBytes = Math.max(0, this.#keptBytes - costOf(bytes));
  }

  onOffer(peerId: PeerId, offer: FileOffer, nowMs: number): void {
    const { transferId } = offer;
    const key = keyOf(peerId, transferId);
    // The same id twice would let a sender write into a file that is under way: both end.
    if (this.#incoming.has(key)) return this.#fail(key, "protocol");
    let open = 0;
    for (const other of this.#incoming.values()) if (other.peerId === peerId) open += 1;
    if (open >= MAX_OPEN_PER_PEER) return this.#events.refuse(peerId, { transferId, reason: "busy" });
    if (this.#keptBytes + costOf(offer.size) > this.#maxKeptBytes)
      return this.#events.refuse(peerId, { transferId, reason: "no-room" });
    let sink: FileSink<File>;
    try {
      sink = this.#open(offer);
    } catch {
      return this.#events.refuse(peerId, { transferId, reason: "no-room" });
    }
    this.#keptBytes += costOf(offer.size);
    this.#incoming.set(key, { peerId, offer, sink, received: 0, lastChunkMs: nowMs });
    this.#events.started(peerId, offer);
  }

  onChunk(peerId: PeerId, chunk: FileChunk, nowMs: number): void {
    const key = keyOf(peerId, chunk.transferId);
    const incoming = this.#incoming.get(key);
    // Chunks that were under way when we refused or cancelled still come in: they are dropped.
    if (!incoming) return;
    if (chunk.offset !== incoming.received || chunk.offset + chunk.data.length > incoming.offer.size)
      return this.#fail(key, "protocol");
    try {
      incoming.sink.write(chunk.data);
    } catch {
      return this.#fail(key, "no-room");
    }
    incoming.received += chunk.data.length;
    incoming.lastChunkMs = nowMs;
    this.#events.progress(peerId, chunk.transferId, incoming.received);
  }

  onEnd(peerId: PeerId, end: FileEnd): void {
    const key = keyOf(peerId, end.transferId);
    const incoming = this.#incoming.get(key);
    if (!incoming) return;
    if (incoming.received !== incoming.offer.size) return this.#fail(key, "protocol");
    let file: File;
    try {
      file = incoming.sink.finish();
    } catch {
      return this.#fail(key, "no-room");
    }
    this.#incoming.delete(key);
    this.#events.finished(peerId, end.transferId, file, incoming.offer.size);
  }

  /** The sender gave up. @returns whether it was a file that we were receiving */
  onCancel(peerId: PeerId, cancel: FileCancel): boolean {
    const key = keyOf(peerId, cancel.transferId);
    if (!this.#incoming.has(key)) return false;
    this.#drop(key, cancel.reason);
    return true;
  }

  /** We do not want the rest of it. */
  cancel(peerId: PeerId, transferId: string): void {
    this.#fail(keyOf(peerId, transferId), "cancelled");
  }

  /** The peer is gone: what it did not finish is thrown away. */
  peerLeft(peerId: PeerId): void {
    for (const [key, incoming] of [...this.#incoming]) if (incoming.peerId === peerId) this.#drop(key, "left");
  }

  /** Gives up what nothing came for in {@link STALL_MS}. Call it about once a second. */
  expire(nowMs: number): void {
    for (const [key, incoming] of [...this.#incoming]) if (nowMs - incoming.lastChunkMs > STALL_MS) this.#fail(key, "stalled");
  }

  /** Throws everything unfinished away, without telling anybody. */
  close(): void {
    for (const key of [...this.#incoming.keys()]) this.#drop(key, "left");
  }

  /** Ends a transfer and tells the sender. */
  #fail(key: string, reason: CancelReason): void {
    const incoming = this.#incoming.get(key);
    if (!incoming) return;
    this.#events.refuse(incoming.peerId, { transferId: incoming.offer.transferId, reason });
    this.#drop(key, reason);
  }

  #drop(key: string, reason: CancelReason | "left"): void {
    const incoming = this.#incoming.get(key);
    if (!incoming) return;
    this.#incoming.delete(key);
    this.release(incoming.offer.size);
    try {
      incoming.sink.abort();
    } catch {
      // What cannot be thrown away stays where it is; the transfer ended all the same.
    }
    this.#events.failed(incoming.peerId, incoming.offer.transferId, reason);
  }
}

function costOf(bytes: number): number {
  return Math.max(bytes, LEAST_COST_BYTES);
}

function keyOf(peerId: PeerId, transferId: string): string {
  return `${peerId} ${transferId}`;
}
