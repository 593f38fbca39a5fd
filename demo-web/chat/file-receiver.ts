// Receives files, each on a stream of its own, within limits, into a sink that the demo provides.

import { type ByteStream, NetworkError, type PeerId } from "linknet";
import { type CancelReason, encodeReport, FILE_STREAM, type FileOffer, type FileReport, readOffer } from "./file-protocol.js";
import { INTERRUPTED_MS, STALL_MS } from "./file-sender.js";
import { PieceReader } from "./piece-reader.js";

/** Files that one peer may have under way to us. */
export const MAX_OPEN_PER_PEER = 8;
/** Interrupted files that are kept, of all peers together; the oldest make room. */
export const MAX_INTERRUPTED = 32;
/** Files that are over, of which the senders may ask again. */
const MAX_SETTLED = 256;
/** How long a stream may go without telling what it brings, in ms. */
export const HEADER_MS = 10_000;
/** How often the sender is told what has come, in bytes. */
const REPORT_EVERY_BYTES = 128 * 1024;
/** What each file counts at least, so that empty files are not free. */
const LEAST_COST_BYTES = 64 * 1024;

/** Where the bytes of one file go. Writing is synchronous, so nothing piles up in between. */
export interface FileSink<File> {
  /** Bytes that it has from an earlier process; 0 where it begins. */
  readonly hasBytes: number;
  write(data: Uint8Array): void;
  /** All bytes are there. */
  finish(): File;
  /** The file will not be finished: throw away what came. */
  abort(): void;
  /** We leave in the middle: keep for the next time what can be kept. */
  suspend(): void;
}

/** What the owner of a receiver is told. */
export interface FileReceiverEvents<File> {
  /** A file begins to arrive; `resumed`: it was interrupted before, by us or by an earlier process. */
  started(peerId: PeerId, offer: FileOffer, resumed: boolean): void;
  /** `bytes` of it have arrived so far. */
  progress(peerId: PeerId, transferId: string, bytes: number): void;
  /** All of it arrived, `size` bytes. */
  finished(peerId: PeerId, transferId: string, file: File, size: number): void;
  /** The session ended in the middle: what came is kept for a while. */
  interrupted(peerId: PeerId, transferId: string): void;
  /** It will not be finished. */
  failed(peerId: PeerId, transferId: string, reason: CancelReason | "left"): void;
}

/** One stream, from its first byte to its end. */
interface Incoming {
  readonly peerId: PeerId;
  /** `null` until its header is there. */
  offer: FileOffer | null;
  /** When something came last, or when it began. */
  lastMs: number;
  /** Ends it early and tells the sender why; `null`: without a word. Only the first call counts. */
  readonly stop: (reason: CancelReason | null) => void;
  readonly stopped: Promise<never>;
}

/** A file that is not whole. */
interface Partial<File> {
  readonly peerId: PeerId;
  readonly offer: FileOffer;
  readonly sink: FileSink<File>;
  received: number;
  /** When its stream failed; `null` while it has one. */
  sinceMs: number | null;
}

/** Why we end a transfer. */
class Refused extends Error {
  readonly reason: CancelReason;

  constructor(reason: CancelReason) {
    super(reason);
    this.reason = reason;
  }
}

/** We close: nobody is told. */
class Closed extends Error {}

/**
 * Incoming transfers of all peers.
 *
 * There is no checksum: a stream hands each byte on once, in order and authenticated, and what is carried on is the same file of
 * the same proven peer. So its size says that a file is whole.
 */
export class FileReceiver<File> {
  readonly #open: (peerId: PeerId, offer: FileOffer) => FileSink<File>;
  readonly #events: FileReceiverEvents<File>;
  readonly #maxKeptBytes: number;
  readonly #now: () => number;
  readonly #incoming = new Set<Incoming>();
  readonly #partials = new Map<string, Partial<File>>();
  /** Files that are whole or that we did not want: their sender may not have heard of it when its session ended. */
  readonly #settled = new Map<string, { readonly offer: FileOffer; readonly whole: boolean; readonly atMs: number }>();
  #keptBytes = 0;
  #closed = false;

  /**
   * @param open - makes the sink of one file; if it throws, the file is refused
   * @param maxKeptBytes - most bytes of all files together, announced ones included; `release` gives some back
   * @param now - the time in ms; only differences count
   */
  constructor(
    open: (peerId: PeerId, offer: FileOffer) => FileSink<File>,
    events: FileReceiverEvents<File>,
    maxKeptBytes: number,
    now: () => number,
  ) {
    this.#open = open;
    this.#events = events;
    this.#maxKeptBytes = maxKeptBytes;
    this.#now = now;
  }

  /** Bytes of finished files and of those under way, as announced. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** A finished file of `bytes` was thrown away by the application. */
  release(bytes: number): void {
    this.#keptBytes = Math.max(0, this.#keptBytes - costOf(bytes));
  }

  /** Takes what a peer opened; streams that bring no file are turned away. Resolves when it is over, and never rejects. */
  async accept(stream: ByteStream): Promise<void> {
    const { peerId } = stream;
    if (stream.name !== FILE_STREAM) {
      stream.readable.cancel().catch(() => undefined);
      stream.writable.abort().catch(() => undefined);
      return;
    }
    const reader = new PieceReader(stream.readable);
    const writer = stream.writable.getWriter();
    let open = 0;
    for (const other of this.#incoming) if (other.peerId === peerId) open += 1;
    const incoming = newIncoming(peerId, this.#now());
    this.#incoming.add(incoming);
    // A sender that gives up cancels our reports, which is told at once, unlike what waits behind its data.
    const gone = writer.closed.then(() => new Promise<never>(() => undefined));
    const work = async (): Promise<void> => {
      if (open >= MAX_OPEN_PER_PEER) throw new Refused("busy");
      await this.#receive(incoming, reader, (report) => writer.write(encodeReport(report)));
    };
    try {
      await Promise.race([work(), incoming.stopped, gone]);
      writer.close().catch(() => undefined);
    } catch (error) {
      this.#over(incoming, error);
      if (error instanceof Refused) {
        writer.write(encodeReport({ kind: "refused", reason: error.reason })).catch(() => undefined);
        writer.close().catch(() => undefined);
      }
      if (!(error instanceof Closed)) reader.cancel();
    } finally {
      this.#incoming.delete(incoming);
    }
  }

  /** We do not want the rest of it. */
  cancel(peerId: PeerId, transferId: string): void {
    const running = [...this.#incoming].find((one) => one.peerId === peerId && one.offer?.transferId === transferId);
    if (running) running.stop("cancelled");
    else this.#drop(keyOf(peerId, transferId), "cancelled");
  }

  /** Deadlines. Call it about once a second. */
  tick(nowMs: number): void {
    for (const incoming of this.#incoming) {
      const silentMs = nowMs - incoming.lastMs;
      if (silentMs > (incoming.offer ? STALL_MS : HEADER_MS)) incoming.stop("stalled");
    }
    for (const [key, { sinceMs }] of [...this.#partials]) {
      if (sinceMs !== null && nowMs - sinceMs > INTERRUPTED_MS) this.#drop(key, "left");
    }
    for (const [key, { atMs }] of this.#settled) if (nowMs - atMs > INTERRUPTED_MS) this.#settled.delete(key);
  }

  /** Ends everything, without telling anybody: the senders may go on with somebody who has what came so far. */
  close(): void {
    this.#closed = true;
    for (const incoming of this.#incoming) incoming.stop(null);
    for (const { sink } of this.#partials.values()) quietly(() => sink.suspend());
    this.#partials.clear();
  }

  async #receive(incoming: Incoming, reader: PieceReader, tell: (report: FileReport) => Promise<void>): Promise<void> {
    const offer = await readOffer(reader);
    if (!offer) throw new Refused("protocol");
    const { peerId } = incoming;
    const key = keyOf(peerId, offer.transferId);
    const have = (bytes: number): Promise<void> => tell({ kind: "have", bytes });
    const settled = this.#settled.get(key);
    if (sameFile(settled?.offer, offer)) {
      if (!settled?.whole) throw new Refused("cancelled");
      await have(offer.size);
      return have(offer.size);
    }
    const partial = this.#begin(key, peerId, offer);
    incoming.offer = offer;
    incoming.lastMs = this.#now();
    let told = partial.received;
    await have(told);
    for (let data = await reader.next(); data; data = await reader.next()) {
      this.#write(incoming, partial, data);
      if (partial.received - told < REPORT_EVERY_BYTES || partial.received === offer.size) continue;
      told = partial.received;
      await have(told);
    }
    if (partial.received !== offer.size) throw new Refused("protocol");
    this.#finish(incoming, key, partial);
    await have(offer.size);
  }

  /** Finds what came of this file before, or makes room for it. @throws Refused */
  #begin(key: string, peerId: PeerId, offer: FileOffer): Partial<File> {
    const before = this.#partials.get(key);
    // The same id twice would let a sender write into a file that is under way.
    if (before?.sinceMs === null) throw new Refused("protocol");
    if (before && sameFile(before.offer, offer)) {
      before.sinceMs = null;
      this.#events.started(peerId, offer, true);
      this.#events.progress(peerId, offer.transferId, before.received);
      return before;
    }
    if (before) this.#drop(key, "left");
    const cost = costOf(offer.size);
    while (this.#keptBytes + cost > this.#maxKeptBytes) if (!this.#dropOldest()) throw new Refused("no-room");
    const sink = orRefuse(() => this.#open(peerId, offer));
    const partial: Partial<File> = { peerId, offer, sink, received: sink.hasBytes, sinceMs: null };
    this.#keptBytes += cost;
    this.#partials.set(key, partial);
    this.#events.started(peerId, offer, sink.hasBytes > 0);
    if (partial.received > 0) this.#events.progress(peerId, offer.transferId, partial.received);
    return partial;
  }

  #write(incoming: Incoming, partial: Partial<File>, data: Uint8Array): void {
    // What still comes while we end it is dropped.
    if (!this.#incoming.has(incoming)) throw new Closed();
    const { offer } = partial;
    if (partial.received + data.length > offer.size) throw new Refused("protocol");
    orRefuse(() => partial.sink.write(data));
    partial.received += data.length;
    incoming.lastMs = this.#now();
    this.#events.progress(partial.peerId, offer.transferId, partial.received);
  }

  #finish(incoming: Incoming, key: string, partial: Partial<File>): void {
    if (!this.#incoming.has(incoming)) throw new Closed();
    const { peerId, offer } = partial;
    const file = orRefuse(() => partial.sink.finish());
    this.#partials.delete(key);
    this.#settle(key, offer, true);
    this.#events.finished(peerId, offer.transferId, file, offer.size);
  }

  /** A stream ended before its file was whole. */
  #over(incoming: Incoming, error: unknown): void {
    // What is over counts no longer, whatever its stream still brings.
    this.#incoming.delete(incoming);
    const { peerId, offer } = incoming;
    const key = offer && keyOf(peerId, offer.transferId);
    const partial = key === null ? undefined : this.#partials.get(key);
    if (!offer || key === null || !partial || this.#closed) return;
    if (error instanceof Refused) return this.#drop(key, error.reason);
    const code = error instanceof NetworkError ? error.code : "";
    if (code === "ERR_STREAM_ABORTED" || code === "ERR_STREAM_CANCELLED") return this.#drop(key, "cancelled");
    partial.sinceMs = this.#now();
    const interrupted = [...this.#partials.values()].filter(({ sinceMs }) => sinceMs !== null);
    if (interrupted.length > MAX_INTERRUPTED) this.#dropOldest();
    this.#events.interrupted(peerId, offer.transferId);
  }

  /** @returns whether there was an interrupted file to throw away */
  #dropOldest(): boolean {
    let oldest: readonly [string, number] | null = null;
    for (const [key, { sinceMs }] of this.#partials) {
      if (sinceMs !== null && (oldest === null || sinceMs < oldest[1])) oldest = [key, sinceMs];
    }
    if (oldest) this.#drop(oldest[0], "left");
    return oldest !== null;
  }

  #settle(key: string, offer: FileOffer, whole: boolean): void {
    this.#settled.set(key, { offer, whole, atMs: this.#now() });
    const [oldest] = this.#settled.keys();
    if (this.#settled.size > MAX_SETTLED && oldest !== undefined) this.#settled.delete(oldest);
  }

  #drop(key: string, reason: CancelReason | "left"): void {
    const partial = this.#partials.get(key);
    if (!partial) return;
    this.#partials.delete(key);
    if (reason === "cancelled") this.#settle(key, partial.offer, false);
    this.release(partial.offer.size);
    // What cannot be thrown away stays where it is; the transfer ended all the same.
    quietly(() => partial.sink.abort());
    this.#events.failed(partial.peerId, partial.offer.transferId, reason);
  }
}

function newIncoming(peerId: PeerId, nowMs: number): Incoming {
  let stop: (reason: CancelReason | null) => void = () => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = (reason) => reject(reason === null ? new Closed() : new Refused(reason));
  });
  return { peerId, offer: null, lastMs: nowMs, stop, stopped };
}

function orRefuse<T>(work: () => T): T {
  try {
    return work();
  } catch {
    throw new Refused("no-room");
  }
}

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // Whoever calls this has nobody to tell.
  }
}

function sameFile(before: FileOffer | undefined, now: FileOffer): boolean {
  return before?.name === now.name && before.size === now.size;
}

function costOf(bytes: number): number {
  return Math.max(bytes, LEAST_COST_BYTES);
}

function keyOf(peerId: PeerId, transferId: string): string {
  return `${peerId} ${transferId}`;
}
