// Sends files to single peers, each on a stream of its own. What a lost session interrupts goes on when the peer is back.

import { type ByteStream, NetworkError, type NetworkManager, type PeerId } from "linknet";
import { type CancelReason, decodeReport, encodeOffer, FILE_STREAM, REPORT_BYTES } from "./file-protocol.js";
import { PieceReader } from "./piece-reader.js";
import { Turns } from "./turns.js";

/** Bytes that are read from a file at a time. */
export const PIECE_BYTES = 64 * 1024;
/** Files under way to one peer at the same time; others wait for their turn. The receiver refuses more than 8. */
export const FILES_AT_ONCE = 3;
/** Silence after which a transfer is given up, in ms. Longer than the 60 s in which a session may resume. */
export const STALL_MS = 120_000;
/** How long an interrupted transfer waits for its peer, in ms. */
export const INTERRUPTED_MS = 600_000;
/** Shortest pause before an interrupted transfer is tried again, in ms; it doubles while nothing moves. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 60_000;

/** What the sender needs of a NetworkManager. */
export type SendingNetwork = Pick<NetworkManager, "openStream" | "getPeer">;

/** A file to read from, wherever it is. */
export interface FileSource {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly mime: string;
  /** Reads exactly `length` bytes at `offset`. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** How a transfer to one peer ended. `left`: the peer did not come back. `refused`: it takes no files. */
export type SendOutcome = "sent" | CancelReason | "left" | "refused";

/** What the owner of a sender is told. */
export interface FileSenderEvents {
  /** The peer says that it has so many bytes. After an interruption it may have fewer than before. */
  progress(peerId: PeerId, transferId: string, bytes: number): void;
  /** The session ended in the middle: the transfer waits for the peer. */
  interrupted(peerId: PeerId, transferId: string): void;
  /** It goes on. */
  resumed(peerId: PeerId, transferId: string): void;
  /** The transfer ended; called once. `sent`: the peer has put it all away. */
  ended(peerId: PeerId, transferId: string, outcome: SendOutcome): void;
}

interface Transfer {
  readonly peerId: PeerId;
  readonly id: string;
  readonly source: FileSource;
  readonly done: (outcome: SendOutcome) => void;
  /** Ends what is under way; `null` while it waits, for its turn or for the peer. */
  stop: ((outcome: SendOutcome) => void) | null;
  confirmed: number;
  /** `null` while it waits for its turn. */
  lastProgressMs: number | null;
  interruptedAtMs: number | null;
  retryAtMs: number;
  pauseMs: number;
}

/** Why a run ended before the file was through. */
class Stopped extends Error {
  readonly outcome: SendOutcome | "interrupted";

  constructor(outcome: SendOutcome | "interrupted") {
    super(outcome);
    this.outcome = outcome;
  }
}

/** Outgoing transfers, each to one peer. The same file for three peers is three transfers with one id. */
export class FileSender {
  readonly #network: SendingNetwork;
  readonly #events: FileSenderEvents;
  readonly #now: () => number;
  readonly #transfers = new Map<string, Transfer>();
  readonly #turns = new Turns(FILES_AT_ONCE);

  /** @param now - the time in ms; only differences count */
  constructor(network: SendingNetwork, events: FileSenderEvents, now: () => number) {
    this.#network = network;
    this.#events = events;
    this.#now = now;
  }

  /** How many transfers are under way or interrupted. */
  get size(): number {
    return this.#transfers.size;
  }

  /**
   * Starts a transfer; how it goes is told by the events, so the promise never rejects. It resolves when the transfer ended, also
   * after interruptions. Nothing happens where it is under way already.
   */
  send(peerId: PeerId, transferId: string, source: FileSource): Promise<SendOutcome> {
    if (this.#transfers.has(keyOf(peerId, transferId))) return Promise.resolve("busy");
    return new Promise((done) => {
      const moving = { stop: null, confirmed: 0, lastProgressMs: null, interruptedAtMs: null, retryAtMs: 0, pauseMs: RETRY_MS };
      const transfer: Transfer = { peerId, id: transferId, source, done, ...moving };
      this.#transfers.set(keyOf(peerId, transferId), transfer);
      void this.#run(transfer);
    });
  }

  /** Goes on with an interrupted transfer at once. @returns whether there is one */
  resume(peerId: PeerId, transferId: string): boolean {
    const transfer = this.#transfers.get(keyOf(peerId, transferId));
    if (!transfer || transfer.interruptedAtMs === null) return false;
    transfer.interruptedAtMs = null;
    this.#events.resumed(peerId, transferId);
    void this.#run(transfer);
    return true;
  }

  /** Gives a transfer up and tells the peer; nothing happens where there is none. */
  cancel(peerId: PeerId, transferId: string, reason: CancelReason = "cancelled"): void {
    const transfer = this.#transfers.get(keyOf(peerId, transferId));
    if (transfer) this.#stop(transfer, reason);
  }

  /** Gives everything up. */
  close(): void {
    for (const transfer of [...this.#transfers.values()]) this.#stop(transfer, "left");
  }

  /** Deadlines, and another try for what was interrupted, where the peer is connected. Call it about once a second. */
  tick(nowMs: number): void {
    for (const transfer of [...this.#transfers.values()]) {
      const { peerId, id, lastProgressMs, interruptedAtMs } = transfer;
      if (interruptedAtMs === null) {
        if (lastProgressMs !== null && nowMs - lastProgressMs > STALL_MS) this.#stop(transfer, "stalled");
      } else if (nowMs - interruptedAtMs > INTERRUPTED_MS) this.#stop(transfer, "left");
      else if (nowMs >= transfer.retryAtMs && this.#network.getPeer(peerId)?.status === "connected") this.resume(peerId, id);
    }
  }

  #stop(transfer: Transfer, outcome: SendOutcome): void {
    if (transfer.stop) transfer.stop(outcome);
    else this.#end(transfer, outcome);
  }

  #end(transfer: Transfer, outcome: SendOutcome): void {
    if (!this.#transfers.delete(keyOf(transfer.peerId, transfer.id))) return;
    this.#events.ended(transfer.peerId, transfer.id, outcome);
    transfer.done(outcome);
  }

  /** One try: from the turn to an outcome, or an interruption. */
  async #run(transfer: Transfer): Promise<void> {
    const endTurn = await this.#turns.take(transfer.peerId);
    // Given up while it waited for its turn.
    if (this.#transfers.get(keyOf(transfer.peerId, transfer.id)) !== transfer) return endTurn();
    const stopped = new Promise<never>((_resolve, reject) => {
      transfer.stop = (outcome) => reject(new Stopped(outcome));
    });
    transfer.lastProgressMs = this.#now();
    let outcome: SendOutcome | "interrupted" = "sent";
    try {
      await this.#transfer(transfer, this.#network.openStream(transfer.peerId, FILE_STREAM), stopped);
    } catch (error) {
      outcome = error instanceof Stopped ? error.outcome : outcomeOf(error);
    }
    // A second reason to stop is too late.
    stopped.catch(() => undefined);
    endTurn();
    transfer.stop = null;
    transfer.lastProgressMs = null;
    if (outcome === "interrupted") this.#interrupted(transfer);
    else this.#end(transfer, outcome);
  }

  #interrupted(transfer: Transfer): void {
    transfer.interruptedAtMs = this.#now();
    transfer.retryAtMs = this.#now() + transfer.pauseMs;
    transfer.pauseMs = Math.min(RETRY_MAX_MS, 2 * transfer.pauseMs);
    this.#events.interrupted(transfer.peerId, transfer.id);
  }

  async #transfer(transfer: Transfer, stream: ByteStream, stopped: Promise<never>): Promise<void> {
    const reports = new PieceReader(stream.readable);
    const writer = stream.writable.getWriter();
    // How the stream fares is told by what is read and written; these promises tell it again.
    writer.closed.catch(() => undefined);
    writer.ready.catch(() => undefined);
    const { source } = transfer;
    try {
      writer.write(encodeOffer({ transferId: transfer.id, ...source })).catch(() => undefined);
      const offset = await Promise.race([stopped, this.#nextReport(transfer, reports)]);
      const confirmed = this.#confirmed(transfer, reports, offset);
      // It fails as well when the file turns out unreadable, and then nobody waits for it any more.
      confirmed.catch(() => undefined);
      await Promise.race([stopped, confirmed, send(source, offset, writer).then(() => confirmed)]);
    } catch (error) {
      // An abort alone waits for a write that is held back, so the other direction is ended as well: that is told at once.
      writer.abort().catch(() => undefined);
      throw error;
    } finally {
      reports.cancel();
    }
  }

  /** Resolves when the peer has put all of the file away: it says so by telling its full size behind the first report. */
  async #confirmed(transfer: Transfer, reports: PieceReader, offset: number): Promise<void> {
    for (let bytes = offset; ; ) {
      const next = await this.#nextReport(transfer, reports);
      if (next === transfer.source.size) return;
      if (next <= bytes) throw new Stopped("protocol");
      bytes = next;
    }
  }

  async #nextReport(transfer: Transfer, reports: PieceReader): Promise<number> {
    const bytes = await reports.exactly(REPORT_BYTES);
    const report = bytes && decodeReport(bytes);
    if (!report) throw new Stopped(bytes ? "protocol" : "cancelled");
    if (report.kind === "refused") throw new Stopped(report.reason);
    if (report.bytes > transfer.source.size) throw new Stopped("protocol");
    transfer.lastProgressMs = this.#now();
    if (report.bytes > transfer.confirmed) transfer.pauseMs = RETRY_MS;
    transfer.confirmed = report.bytes;
    this.#events.progress(transfer.peerId, transfer.id, report.bytes);
    return report.bytes;
  }
}

/** Writes the file from `offset` on. Rejects only where the file cannot be read: how the stream fares is told by the reports. */
async function send(source: FileSource, offset: number, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
  for (let at = offset; at < source.size; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, source.size - at);
    const data = await source.read(at, length).catch(() => null);
    // Too short: the file shrank while it was read.
    if (data?.length !== length) throw new Stopped("unreadable");
    const written = writer.write(data).then(
      () => true,
      () => false,
    );
    // It resolves when there is room for more.
    if (!(await written)) return;
  }
  await writer.close().catch(() => undefined);
}

/** What a failed stream means: the other side's doing, or the end of the session. */
function outcomeOf(error: unknown): SendOutcome | "interrupted" {
  if (!(error instanceof NetworkError)) return "left";
  if (error.code === "ERR_STREAM_REFUSED") return "refused";
  return error.code === "ERR_STREAM_ABORTED" || error.code === "ERR_STREAM_CANCELLED" ? "cancelled" : "interrupted";
}

function keyOf(peerId: PeerId, id: string): string {
  return `${peerId} ${id}`;
}
