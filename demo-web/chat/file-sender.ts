// Sends files to single peers, in chunks, with a window: progress is what the other side truly has.

import type { NetworkManager, OutgoingMessage, PeerId } from "linknet";
import { type CancelReason, CHUNK_BYTES, type FileCancel, fileCancel, fileChunk, fileEnd, fileOffer } from "./chat-protocol.js";
import { Turns } from "./turns.js";

/** Chunks that may be under way to one peer, per file: 768 KiB, well below the send queue of 4 MiB. */
export const WINDOW_CHUNKS = 16;
/** Files under way to one peer at the same time; others wait for their turn. The receiver refuses more than 8. */
export const FILES_AT_ONCE = 3;
/** Silence after which a transfer is given up, in ms. Longer than the 60 s in which a session may resume. */
export const STALL_MS = 120_000;

/** What the sender needs of a NetworkManager. */
export type SendingNetwork = Pick<NetworkManager, "sendMessage" | "ready" | "on">;

/** A file to read from, wherever it is. */
export interface FileSource {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly mime: string;
  /** Reads exactly `length` bytes at `offset`. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** How a transfer to one peer stands. */
export type SendOutcome = "sent" | CancelReason | "left";

/** What the owner of a sender is told. */
export interface FileSenderEvents {
  /** `bytes` have been delivered so far. */
  progress(peerId: PeerId, transferId: string, bytes: number): void;
  /** The transfer ended; called once. `sent`: the peer has it all. `left`: the peer or its session is gone. */
  ended(peerId: PeerId, transferId: string, outcome: SendOutcome): void;
}

/** Offer, chunks and end share a lane, which keeps their order; the chat itself goes on in the other one. */
const LANE = { lane: "bulk" } as const;

interface Transfer {
  readonly peerId: PeerId;
  readonly id: string;
  /** Ends the transfer early; only the first call counts. */
  readonly stop: (outcome: SendOutcome) => void;
  /** Never resolves; rejects with a {@link Stopped}. */
  readonly stopped: Promise<never>;
  delivered: number;
  /** `null` while it waits for its turn. */
  lastProgressMs: number | null;
  ended: boolean;
}

/** Why a transfer stopped before its end. */
class Stopped extends Error {
  readonly outcome: SendOutcome;

  constructor(outcome: SendOutcome) {
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
  /** Messages under way, by peer and message id. */
  readonly #underWay = new Map<string, { resolve(): void; reject(error: unknown): void }>();
  readonly #unsubscribe: readonly (() => void)[];

  /** @param now - the time in ms; only differences count */
  constructor(network: SendingNetwork, events: FileSenderEvents, now: () => number) {
    this.#network = network;
    this.#events = events;
    this.#now = now;
    this.#unsubscribe = [
      network.on("delivered", ({ peerId, messageId }) => this.#takeUnderWay(peerId, messageId)?.resolve()),
      network.on("failed", ({ peerId, messageId, error }) => this.#takeUnderWay(peerId, messageId)?.reject(error)),
    ];
  }

  /** How many transfers are under way. */
  get size(): number {
    return this.#transfers.size;
  }

  /** Starts a transfer; how it goes is told by the events, so the promise never rejects. It resolves when the transfer ended. */
  async send(peerId: PeerId, transferId: string, source: FileSource): Promise<SendOutcome> {
    const transfer = newTransfer(peerId, transferId);
    this.#transfers.set(keyOf(peerId, transferId), transfer);
    const endTurn = await this.#turns.take(peerId);
    let outcome: SendOutcome = "sent";
    try {
      await Promise.race([transfer.stopped, this.#run(transfer, source)]);
    } catch (error) {
      // Anything else is the network's: the session is gone, or the manager was stopped.
      outcome = error instanceof Stopped ? error.outcome : "left";
      // The peer would wait for the rest otherwise.
      if (outcome === "unreadable") this.#tellCancelled(peerId, transferId, outcome);
    }
    endTurn();
    transfer.ended = true;
    this.#transfers.delete(keyOf(peerId, transferId));
    this.#events.ended(peerId, transferId, outcome);
    return outcome;
  }

  /** Gives a transfer up and tells the peer; nothing happens where there is none. */
  cancel(peerId: PeerId, transferId: string, reason: CancelReason = "cancelled"): void {
    const transfer = this.#transfers.get(keyOf(peerId, transferId));
    if (!transfer) return;
    this.#tellCancelled(peerId, transferId, reason);
    transfer.stop(reason);
  }

  /** The peer does not want the file. @returns whether it was one of ours */
  cancelledByPeer(peerId: PeerId, cancel: FileCancel): boolean {
    const transfer = this.#transfers.get(keyOf(peerId, cancel.transferId));
    transfer?.stop(cancel.reason);
    return transfer !== undefined;
  }

  /** The peer is gone: ends its transfers. */
  peerLeft(peerId: PeerId): void {
    for (const transfer of this.#transfers.values()) {
      if (transfer.peerId === peerId) transfer.stop("left");
    }
  }

  /** Ends everything, without telling anybody. */
  close(): void {
    for (const stop of this.#unsubscribe) stop();
    for (const transfer of this.#transfers.values()) transfer.stop("left");
    this.#underWay.clear();
  }

  /** Gives up what made no progress for {@link STALL_MS}. Call it about once a second. */
  expire(nowMs: number): void {
    for (const transfer of this.#transfers.values()) {
      const since = transfer.lastProgressMs;
      if (since !== null && nowMs - since > STALL_MS) this.cancel(transfer.peerId, transfer.id, "stalled");
    }
  }

  async #run(transfer: Transfer, source: FileSource): Promise<void> {
    const { id: transferId } = transfer;
    const { name, size, mime } = source;
    transfer.lastProgressMs = this.#now();
    await (await this.#send(transfer, fileOffer({ transferId, name: name.slice(-255), size, mime: mime.slice(0, 128) }))).arrived;
    const window = new Set<Promise<void>>();
    let failure: unknown;
    for (let offset = 0; offset < size && !transfer.ended && failure === undefined; offset += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, size - offset);
      const data = await readExactly(source, offset, length);
      const { arrived } = await this.#send(transfer, fileChunk({ transferId, offset, data }));
      const one: Promise<void> = arrived.then(
        () => this.#progressed(transfer, length),
        (error: unknown) => {
          failure ??= error;
        },
      );
      window.add(one);
      void one.then(() => window.delete(one));
      if (window.size >= WINDOW_CHUNKS) await Promise.race(window);
    }
    await Promise.all(window);
    if (failure !== undefined) throw failure;
    await (await this.#send(transfer, fileEnd({ transferId }))).arrived;
  }

  /**
   * Queues one message, when there is room for it. `deliver` would do the same in one call, but it tells of a full queue only
   * afterwards, when the next chunk may already have taken the place.
   * @returns a promise in an object, so that awaiting the one does not await the other
   */
  async #send(transfer: Transfer, message: OutgoingMessage): Promise<{ readonly arrived: Promise<void> }> {
    const { peerId } = transfer;
    for (;;) {
      // Stopped while it waited: the owner has been told by now, and nothing more may go out.
      if (transfer.ended) throw new Stopped("left");
      if (this.#network.sendMessage(peerId, message, LANE)) break;
      await this.#network.ready(peerId);
    }
    const arrived = new Promise<void>((resolve, reject) =>
      this.#underWay.set(keyOf(peerId, message.id ?? ""), { resolve, reject }),
    );
    return { arrived };
  }

  #takeUnderWay(peerId: PeerId, messageId: string): { resolve(): void; reject(error: unknown): void } | undefined {
    const key = keyOf(peerId, messageId);
    const waiting = this.#underWay.get(key);
    this.#underWay.delete(key);
    return waiting;
  }

  #progressed(transfer: Transfer, bytes: number): void {
    if (transfer.ended) return;
    transfer.delivered += bytes;
    transfer.lastProgressMs = this.#now();
    this.#events.progress(transfer.peerId, transfer.id, transfer.delivered);
  }

  #tellCancelled(peerId: PeerId, transferId: string, reason: CancelReason): void {
    try {
      this.#network.sendMessage(peerId, fileCancel({ transferId, reason }), LANE);
    } catch {
      // The manager was stopped meanwhile: there is nobody left to tell.
    }
  }
}

async function readExactly(source: FileSource, offset: number, length: number): Promise<Uint8Array> {
  const data = await source.read(offset, length).catch(() => null);
  // Too short: the file shrank while it was read.
  if (data === null || data.length !== length) throw new Stopped("unreadable");
  return data;
}

function newTransfer(peerId: PeerId, id: string): Transfer {
  let stop: (outcome: SendOutcome) => void = () => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = (outcome) => reject(new Stopped(outcome));
  });
  // It may be stopped while nobody listens yet.
  stopped.catch(() => undefined);
  return { peerId, id, stop, stopped, delivered: 0, lastProgressMs: null, ended: false };
}

function keyOf(peerId: PeerId, id: string): string {
  return `${peerId} ${id}`;
}
