// Messages that may be dropped or replaced, on their way out: by datagram where the link has them, else in the lane. What a datagram
// has lost takes the lane, if it is still worth sending. PROTOCOL.md, "Datagrams".

import { NetworkError } from "../errors.js";
import type { Datagrams } from "../path/link.js";
import type { Clock, Millis, Timer } from "../runtime.js";
import { SEEN_NUMBERS } from "../seen-numbers.js";
import { smoothRtt } from "./keep-alive.js";
import { type Freshness, type LateMessage, LateQueue } from "./late-queue.js";
import { decodeNumberAck, encodeNumbered, MAX_FLYING, MAX_KEYS, NUMBER_BYTES } from "./numbered.js";
import type { SendLane } from "./send-lane.js";
import type { TrafficHandlers } from "./traffic-context.js";

/** Round trips without an acknowledgement after which a datagram is taken for lost, and what the timers of both sides add. */
const LOST_AFTER_ROUND_TRIPS = 1.5;
const TIMERS_MS: Millis = 20;
/** So many times longer one is waited for that is not sent again, as a newer one of its key is under way: most do arrive. */
const REPLACED_PATIENCE = 4;
/** Taken for the round trip at first. */
const FIRST_RTT_MS: Millis = 100;
/** With each loss it is taken for longer, up to this: maybe nothing was lost, and the path has become slow. */
const MAX_RTT_MS: Millis = 1_000;

/** A message that flies: it is in a datagram, and its fate is open. */
interface Flyer extends LateMessage {
  readonly number: number;
  readonly sentAt: Millis;
}

/** What is known of a key. */
interface KeyState {
  /** What stands for it in a message. */
  readonly key: number;
  /** Number of its newest message. */
  newest: number;
  /** Where its last message in the lane ends. */
  laneEnd: number;
}

export class LateOutbox {
  readonly #clock: Clock;
  readonly #handlers: TrafficHandlers;
  readonly #lane: SendLane;
  readonly #queue: LateQueue;
  /** In the order of their numbers. */
  readonly #flyers = new Map<number, Flyer>();
  /** The one that was used longest ago comes first. */
  readonly #keys = new Map<string | null, KeyState>();
  #nextNumber = 0;
  /** The lowest number in the lane, or lower, and where the last numbered message there ends. */
  #laneNumber = 0;
  #laneEnd = 0;
  /** Whether there were datagrams: from then on messages with a key are numbered in the lane as well. */
  #numbering = false;
  /** Where the last message with a key and without a number ends in the lane. */
  #unnumberedEnd = 0;
  #rttMs = FIRST_RTT_MS;
  #timer: Timer | null = null;

  /** @param lane - what does not fly goes there */
  constructor(clock: Clock, lane: SendLane, handlers: TrafficHandlers) {
    this.#clock = clock;
    this.#lane = lane;
    this.#handlers = handlers;
    this.#queue = new LateQueue(clock, (messageId, error) => handlers.failed(messageId, error));
  }

  /** Bytes that wait, or fly. Those in the lane are the lane's. */
  get bytes(): number {
    let bytes = this.#queue.bytes;
    // Asked with each message that is sent: nearly always there is none.
    if (this.#flyers.size > 0) for (const flyer of this.#flyers.values()) bytes += flyer.bytes.length;
    return bytes;
  }

  push(bytes: Uint8Array, id: string, freshness: Freshness): void {
    this.#queue.push(bytes, id, freshness);
  }

  /** Sends what waits, as far as datagrams may carry it. */
  fly(datagrams: Datagrams): void {
    const lane = this.#lane;
    this.#numbering = true;
    // Older messages of a key may be in the lane: nothing overtakes those.
    if (lane.acked < this.#unnumberedEnd) return;
    const most = Math.min(lane.windowBytes, datagrams.maxBytes) - NUMBER_BYTES;
    const mayFly = ({ bytes, key }: LateMessage): boolean =>
      bytes.length <= most && lane.acked >= (this.#keys.get(key)?.laneEnd ?? 0);
    while (this.#flyers.size < MAX_FLYING && this.#hasNumbers()) {
      const next = this.#queue.take(mayFly);
      if (!next) return;
      const flyer = this.#number(next);
      if (!datagrams.send(flyer.bytes)) {
        // Too many wait to leave. The lane has a queue, and a way to press back.
        this.#land(flyer);
        return;
      }
      this.#flyers.set(flyer.number, flyer);
    }
  }

  /**
   * Gives the lane what datagrams have lost, and what it can take of what waits: only as much as fits into a record, as it is sent in
   * any case from there on.
   */
  fillLane(room: number): void {
    // Asked with each record: nearly always there is nothing.
    if (this.#flyers.size === 0 && this.#queue.bytes === 0) return;
    this.#landLost();
    const lane = this.#lane;
    let left = Math.min(room, lane.windowBytes);
    while (this.#queue.bytes > 0 && left > 0 && (lane.cursor === lane.end || left < room)) {
      const next = this.#hasNumbers() ? this.#queue.take() : null;
      if (!next) return;
      left -= next.bytes.length;
      this.#toLane(next);
    }
  }

  /** Puts everything into the lane: whoever ends the session waits for that. */
  commit(): void {
    for (const flyer of this.#flyers.values()) this.#landIfFresh(flyer);
    for (let next = this.#queue.take(); next; next = this.#queue.take()) this.#toLane(next);
  }

  /** @throws NetworkError `ERR_FRAME_MALFORMED`; `ERR_FRAME_SEQUENCE` when it acknowledges what was never sent */
  acknowledge(ack: Uint8Array): void {
    for (const number of decodeNumberAck(ack)) {
      if (number >= this.#nextNumber) throw new NetworkError("ERR_FRAME_SEQUENCE", "acknowledges what was never sent");
      const flyer = this.#flyers.get(number);
      if (!flyer) continue;
      this.#rttMs = smoothRtt(this.#rttMs, this.#clock.now() - flyer.sentAt);
      this.#flyers.delete(number);
      this.#handlers.delivered(flyer.id);
    }
    this.#handlers.acknowledged();
    if (this.#queue.bytes > 0) this.#handlers.wake();
  }

  /** Nothing more is sent, nor told. @returns the ids of those whose fate is open, but for those in the lane */
  stop(): string[] {
    this.#timer?.cancel();
    const ids = [...this.#flyers.values()].map((flyer) => flyer.id);
    this.#flyers.clear();
    return [...ids, ...this.#queue.stop()];
  }

  // ---- numbers and keys ------------------------------------------------------------------------------------------------

  // The other side knows only so many of the latest numbers apart: none whose fate is open may be further behind.
  #hasNumbers(): boolean {
    if (this.#lane.acked >= this.#laneEnd) this.#laneNumber = this.#nextNumber;
    const [first = this.#nextNumber] = this.#flyers.keys();
    return this.#nextNumber - Math.min(first, this.#laneNumber) < SEEN_NUMBERS - 1;
  }

  #number(message: LateMessage): Flyer {
    const number = this.#nextNumber++;
    const bytes = encodeNumbered(number, this.#useKey(message.key, number), message.bytes);
    return { ...message, bytes, number, sentAt: this.#clock.now() };
  }

  #useKey(name: string | null, number: number): number {
    if (name === null) return 0;
    let state = this.#keys.get(name);
    if (!state && this.#keys.size === MAX_KEYS) {
      // So many numbers were used since that none of its messages counts any longer.
      const [oldest] = this.#keys.keys() as Iterable<string>;
      state = this.#keys.get(oldest as string);
      this.#keys.delete(oldest as string);
    }
    state ??= { key: this.#keys.size + 1, newest: 0, laneEnd: 0 };
    state.newest = number;
    this.#keys.delete(name);
    this.#keys.set(name, state);
    return state.key;
  }

  // ---- into the lane ---------------------------------------------------------------------------------------------------

  #toLane(message: LateMessage): void {
    if (this.#numbering && message.key !== null) {
      this.#land(this.#number(message));
      return;
    }
    this.#lane.pushMessage(message.bytes);
    if (message.key !== null) this.#unnumberedEnd = this.#lane.end;
  }

  #land({ bytes, key, number }: Flyer): void {
    this.#lane.pushMessage(bytes);
    this.#laneNumber = Math.min(this.#laneNumber, number);
    this.#laneEnd = this.#lane.end;
    const state = this.#keys.get(key);
    if (state) state.laneEnd = this.#laneEnd;
  }

  #isReplaced({ key, number }: Flyer): boolean {
    return (this.#keys.get(key)?.newest ?? number) !== number;
  }

  #landIfFresh(flyer: Flyer): void {
    if (!this.#flyers.delete(flyer.number)) return;
    const isReplaced = this.#isReplaced(flyer);
    if (isReplaced || flyer.expiresAt <= this.#clock.now()) {
      this.#handlers.failed(flyer.id, new NetworkError(isReplaced ? "ERR_MESSAGE_REPLACED" : "ERR_MESSAGE_EXPIRED"));
    } else {
      // The other side drops it if it has arrived all the same.
      this.#land(flyer);
    }
  }

  #landLost(): void {
    const now = this.#clock.now();
    const waitMs = LOST_AFTER_ROUND_TRIPS * this.#rttMs + TIMERS_MS;
    let lost = false;
    let next = Number.POSITIVE_INFINITY;
    for (const flyer of this.#flyers.values()) {
      const dueAt = flyer.sentAt + (this.#isReplaced(flyer) ? REPLACED_PATIENCE : 1) * waitMs;
      if (dueAt > now) {
        next = Math.min(next, dueAt);
      } else {
        lost = true;
        this.#landIfFresh(flyer);
      }
    }
    if (lost) this.#rttMs = Math.min(MAX_RTT_MS, 1.5 * this.#rttMs);
    this.#timer?.cancel();
    if (next < Number.POSITIVE_INFINITY) this.#timer = this.#clock.after(next - now, () => this.#handlers.wake());
  }
}
