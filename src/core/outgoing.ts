// Sending: messages become bytes, queues have an upper bound, and who waits for room or for arrival is told.

import type { DeliverOptions, SendOptions } from "./call-options.js";
import type { Peer } from "./connect/peer-table.js";
import { NetworkError } from "./errors.js";
import { encodeEnvelope, writeEnvelope } from "./message/envelope.js";
import type { OutgoingMessage } from "./message/message.js";
import { newMessageId } from "./message/message-id.js";
import type { Notifier } from "./notifier.js";
import type { NetworkLimits } from "./options.js";
import type { Clock } from "./runtime.js";
import { LANE_BULK, LANE_INTERACTIVE, type Lane } from "./session/record.js";

interface Encoded {
  readonly id: string;
  readonly bytes: Uint8Array;
}

export class Outgoing {
  readonly #limits: Pick<NetworkLimits, "maxMessageBytes" | "sendQueueBytes">;
  readonly #clock: Clock;
  readonly #notifier: Notifier;
  #knownDate = 0;
  #dateUses = 0;

  constructor(limits: Pick<NetworkLimits, "maxMessageBytes" | "sendQueueBytes">, clock: Clock, notifier: Notifier) {
    this.#limits = limits;
    this.#clock = clock;
    this.#notifier = notifier;
  }

  /** @returns whether the message was queued. @throws NetworkError `ERR_MESSAGE_…`, also when there is no such peer */
  send(peer: Peer | undefined, message: OutgoingMessage, options: SendOptions): boolean {
    checkFreshness(options);
    if (peer === undefined || isLate(options) || !this.#hasRoom(peer)) {
      const encoded = this.#encode(message);
      return peer !== undefined && this.#enqueue(peer, encoded, options);
    }
    const { session } = peer;
    const length = writeEnvelope(session.lane(laneOf(options)), message, message?.id, this.#date(), this.#limits.maxMessageBytes);
    session.sent(length);
    return true;
  }

  /** @returns how many peers took it */
  sendToAll(peers: readonly Peer[], message: OutgoingMessage, options: SendOptions): number {
    const encoded = this.#encode(message);
    checkFreshness(options);
    let taken = 0;
    for (const peer of peers) if (peer.session.status !== "connecting" && this.#enqueue(peer, encoded, options)) taken++;
    return taken;
  }

  /** Resolves when the other side has it. @throws NetworkError `ERR_LIMIT_QUEUE`, or why it did not arrive; or the signal's reason */
  async deliver(peer: Peer | undefined, peerId: string, message: OutgoingMessage, options: DeliverOptions): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    const encoded = this.#encode(message);
    if (!peer) throw new NetworkError("ERR_PEER_UNKNOWN", undefined, { peerId });
    checkFreshness(options);
    if (!this.#enqueue(peer, encoded, options)) throw new NetworkError("ERR_LIMIT_QUEUE", undefined, { peerId });
    await new Promise<void>((resolve, reject) => {
      const settle = (error: NetworkError | null): void => {
        signal?.removeEventListener("abort", abort);
        if (error) reject(error);
        else resolve();
      };
      const stop = isLate(options)
        ? this.#whenFateIsTold(peerId, encoded.id, settle)
        : peer.session.whenDelivered(laneOf(options), settle);
      const abort = (): void => {
        stop();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** Resolves when the queue has room. @throws NetworkError why the session ended */
  ready(peer: Peer): Promise<void> {
    if (!this.#isFull(peer)) return Promise.resolve();
    peer.blocked = true;
    const { peerId } = peer.session;
    return new Promise<void>((resolve, reject) => {
      const settle = (error: NetworkError | null): void => {
        for (const stop of stops) stop();
        if (error) reject(error);
        else resolve();
      };
      const stops = [
        this.#notifier.on("drain", (event) => event.peerId === peerId && settle(null)),
        this.#notifier.on("connection", (event) => {
          if (event.peerId === peerId && event.status === "disconnected") settle(event.error ?? new NetworkError("ERR_CLOSED"));
        }),
      ];
    });
  }

  /** The peer has acknowledged something: once half of the queue is free, who was refused is told. */
  acknowledged(peer: Peer): void {
    if (!peer.blocked || peer.session.queuedBytes > this.#limits.sendQueueBytes / 2) return;
    peer.blocked = false;
    this.#notifier.emit("drain", { peerId: peer.session.peerId });
  }

  #encode(message: OutgoingMessage): Encoded {
    const id = message?.id ?? newMessageId();
    return { id, bytes: encodeEnvelope(message, id, this.#clock.date(), this.#limits.maxMessageBytes) };
  }

  // Asked once a turn, and then for one message of a few hundred: to ask takes longer than to encode a small one.
  #date(): number {
    if (this.#dateUses > 0) {
      this.#dateUses--;
    } else {
      this.#knownDate = this.#clock.date();
      this.#dateUses = DATE_USES;
      this.#clock.defer(this.#forgetDate);
    }
    return this.#knownDate;
  }

  readonly #forgetDate = (): void => {
    this.#dateUses = 0;
  };

  // A message that has no place in its lane yet is known by its id alone.
  #whenFateIsTold(peerId: string, messageId: string, settle: (error: NetworkError | null) => void): () => void {
    const stop = (): void => {
      for (const one of stops) one();
    };
    const about = (event: { readonly peerId: string; readonly messageId: string }, error: NetworkError | null): void => {
      if (event.peerId !== peerId || event.messageId !== messageId) return;
      stop();
      settle(error);
    };
    const stops = [
      this.#notifier.on("delivered", (event) => about(event, null)),
      this.#notifier.on("failed", (event) => about(event, event.error)),
    ];
    return stop;
  }

  #enqueue(peer: Peer, { id, bytes }: Encoded, options: SendOptions): boolean {
    if (!this.#hasRoom(peer)) return false;
    if (isLate(options)) peer.session.sendLate(bytes, id, options);
    else peer.session.sendMessage(bytes, laneOf(options));
    return true;
  }

  #hasRoom(peer: Peer): boolean {
    if (peer.session.status === "disconnected") return false;
    if (!this.#isFull(peer)) return true;
    peer.blocked = true;
    return false;
  }

  // Past the mark no more is taken, so a queue holds at most this much and one message.
  #isFull(peer: Peer): boolean {
    return peer.session.queuedBytes >= this.#limits.sendQueueBytes;
  }
}

function laneOf(options: SendOptions): Lane {
  return options.lane === "bulk" ? LANE_BULK : LANE_INTERACTIVE;
}

function isLate(options: SendOptions): boolean {
  return options.ttlMs !== undefined || options.latest !== undefined;
}

function checkFreshness({ ttlMs, latest, lane }: SendOptions): void {
  if (ttlMs !== undefined && !(typeof ttlMs === "number" && ttlMs >= 0))
    throw new NetworkError("ERR_OPTION_INVALID", "ttlMs must be 0 or more");
  if (latest !== undefined && (typeof latest !== "string" || latest.length > MAX_KEY_LENGTH)) {
    throw new NetworkError("ERR_OPTION_INVALID", `latest must be text of at most ${MAX_KEY_LENGTH} characters`);
  }
  if (lane === "bulk" && (ttlMs !== undefined || latest !== undefined)) {
    throw new NetworkError("ERR_OPTION_INVALID", "ttlMs and latest are for the interactive lane");
  }
}

const MAX_KEY_LENGTH = 255;

/** How many messages of one turn share a timestamp. */
const DATE_USES = 256;
