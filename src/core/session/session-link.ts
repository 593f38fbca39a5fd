// One proven channel as a session uses it: which stage it is in, whether it still answers, and how long a round trip takes.

import { ByteWriter } from "../bytes.js";
import type { SecureChannel } from "../channel/secure-channel.js";
import { NetworkError } from "../errors.js";
import type { Datagrams } from "../path/link.js";
import type { Clock, Millis, Timer } from "../runtime.js";
import { answerTimeout, type KeepAlivePolicy, keepAliveAction, keepAlivePolicy, smoothRtt } from "./keep-alive.js";
import { PING_BYTES, writePing, writePong, writeRetire } from "./record.js";

/** What a session needs of a channel. */
export type SessionChannel = Pick<SecureChannel, "link" | "initiator" | "maxRecordBytes" | "isOpen" | "send" | "close"> & {
  readonly datagrams: Datagrams | undefined;
};

/** What a link is of. */
export interface LinkOwner {
  /** The link is over: it no longer answers, or it ended. */
  dropped(link: SessionLink, error: NetworkError | null): void;
  /** There is something to send when this turn ends: what a link owes, by {@link SessionLink.fill} or {@link SessionLink.flush}, or data. */
  wake(): void;
}

/** One that has no answer yet, and who waits for it. */
interface Ping {
  readonly token: number;
  readonly sentAt: Millis;
  readonly done: ((rttMs: Millis) => void)[];
}

const NO_PINGS: readonly Ping[] = [];

//  greeting ──both hellos──▶ open ──a better link took over──▶ retiring ──both retired──▶ closed
export type LinkStage = "greeting" | "open" | "retiring";

export class SessionLink {
  readonly channel: SessionChannel;
  /** Lower is better. */
  readonly rank: number;
  /** Counts links of this session, so that of two equal ones the newer wins. */
  readonly order: number;
  /** When the channel was proven, in monotonic ms. */
  readonly since: Millis;
  stage: LinkStage = "greeting";
  /** Whether the other side has said that it sends nothing more here. */
  remoteRetired = false;
  /** Whether the link takes more records now. */
  writable = true;
  readonly #clock: Clock;
  readonly #policy: KeepAlivePolicy;
  readonly #owner: LinkOwner;
  #timer: Timer | null = null;
  #lastHeard: Millis;
  #pingedAt: Millis | null = null;
  #token = 0;
  /** Pings without an answer, oldest first. */
  #waiting: readonly Ping[] = NO_PINGS;
  /** The last ping of the other side that has no answer yet. */
  #unanswered: number | null = null;
  /** Entries that leave when this turn ends, with whatever else does: each write costs more than all of them. */
  #owed: ByteWriter | null = null;
  #rttMs: Millis | null = null;
  #shortest: { readonly rttMs: Millis; readonly at: Millis } | null = null;
  #measuredAt = Number.NEGATIVE_INFINITY;

  /** @param owner - told when the link no longer answers */
  constructor(channel: SessionChannel, rank: number, order: number, clock: Clock, owner: LinkOwner) {
    this.channel = channel;
    this.rank = rank;
    this.order = order;
    this.#clock = clock;
    this.#policy = keepAlivePolicy(channel.link.kind);
    this.since = clock.now();
    this.#lastHeard = this.since;
    this.#owner = owner;
    this.#timer = clock.after(this.#policy.idleMs, () => this.#tick());
  }

  get rttMs(): Millis | null {
    return this.#rttMs;
  }

  /** The shortest round trip of late: without the queues that our own traffic makes. */
  get shortestRttMs(): Millis | null {
    return this.#shortest?.rttMs ?? null;
  }

  /** Measures the round trip while bulk data flows, which alone cares: now and then is enough. */
  measure(): void {
    const now = this.#clock.now();
    if (this.#waiting.length > 0 || now - this.#measuredAt < MEASURE_EVERY_MS) return;
    this.#measuredAt = now;
    this.ping();
  }

  /**
   * Asks for an answer within `answerMs`; without one, and without any other sign of life, the link is dead.
   * @param alive - called when the answer came
   */
  probe(answerMs: Millis, alive: () => void): void {
    const askedAt = this.#clock.now();
    const deadline = this.#clock.after(answerMs, () => {
      // On a slow path the answer may queue behind data, which is as good.
      if (this.#lastHeard <= askedAt) this.#dead();
    });
    this.ping(() => {
      deadline.cancel();
      alive();
    });
  }

  /** Something authentic arrived. @returns when: now */
  heard(): Millis {
    this.#lastHeard = this.#clock.now();
    this.#pingedAt = null;
    return this.#lastHeard;
  }

  /** Asks the other side to answer at once. @param done - called with the round-trip time in ms; never when the link dies first */
  ping(done?: (rttMs: Millis) => void): void {
    const now = this.#clock.now();
    // The first one counts: somebody who asks again and again must not put off the verdict on a dead link.
    this.#pingedAt ??= now;
    if (this.#waiting.length >= MAX_PINGS) {
      if (done) this.#waiting.at(-1)?.done.push(done);
      return;
    }
    const token = this.#token;
    this.#token = (token + 1) >>> 0;
    this.#waiting = [...this.#waiting, { token, sentAt: now, done: done ? [done] : [] }];
    this.say(PING_BYTES, (writer) => writePing(writer, token));
  }

  /** An answer to the ping with this token, and to those before it. */
  pong(token: number): void {
    const answered = this.#waiting.findIndex((ping) => ping.token === token) + 1;
    if (answered === 0) return;
    const pings = this.#waiting.slice(0, answered);
    this.#waiting = answered < this.#waiting.length ? this.#waiting.slice(answered) : NO_PINGS;
    const now = this.#clock.now();
    for (const ping of pings) {
      const rttMs = now - ping.sentAt;
      if (ping.token === token) {
        this.#rttMs = smoothRtt(this.#rttMs, rttMs);
        const old = this.#shortest === null || now - this.#shortest.at > SHORTEST_KEPT_MS;
        if (old || rttMs <= (this.#shortest?.rttMs ?? 0)) this.#shortest = { rttMs, at: now };
      }
      for (const done of ping.done) done(rttMs);
    }
  }

  /** The other side asks: one answer a turn, as long as the link is not full, is enough for a flood of these. */
  pinged(token: number): void {
    this.#unanswered = token;
    this.#owner.wake();
  }

  /** Says that nothing more will be sent here. */
  retire(): void {
    if (this.stage === "retiring") return;
    this.stage = "retiring";
    this.send(writeRetire);
  }

  /** Sends an entry when this turn ends, or at once what would leave it no room. @param bytes - that it takes at most */
  say(bytes: number, write: (writer: ByteWriter) => void): void {
    if (this.#owed && this.#owed.room < bytes + RESERVED_BYTES) this.flush();
    this.#owed ??= new ByteWriter(SMALL_RECORD_BYTES);
    write(this.#owed);
    this.#owner.wake();
  }

  /** Sends these entries at once, behind what is owed. */
  send(write: (writer: ByteWriter) => void): void {
    if (!this.channel.isOpen) {
      this.#owed = null;
      return;
    }
    const writer = new ByteWriter(SMALL_RECORD_BYTES);
    this.fill(writer);
    write(writer);
    if (!this.channel.send(writer.done())) this.writable = false;
  }

  /** Whether something waits that does not wait for room. */
  get owes(): boolean {
    return this.#owed !== null;
  }

  /** Puts what is owed into a record that is about to be sent. */
  fill(writer: ByteWriter): void {
    if (this.#owed) writer.bytes(this.#owed.done());
    this.#owed = null;
    if (this.#unanswered === null || !this.writable) return;
    writePong(writer, this.#unanswered);
    this.#unanswered = null;
  }

  /** Sends what is owed in a record of its own. */
  flush(): void {
    if (this.#owed || (this.#unanswered !== null && this.writable)) this.send(() => undefined);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#waiting = NO_PINGS;
  }

  #dead(): void {
    this.#owner.dropped(this, new NetworkError("ERR_CLOSED_TIMEOUT"));
  }

  #tick(): void {
    const action = keepAliveAction(this.#policy, this.#clock.now(), this.#lastHeard, this.#pingedAt, this.#rttMs);
    if (action.kind === "dead") {
      this.#dead();
      return;
    }
    if (action.kind === "ping") this.ping();
    const wait = action.kind === "wait" ? action.ms : answerTimeout(this.#policy, this.#rttMs);
    this.#timer = this.#clock.after(Math.max(1, wait), () => this.#tick());
  }
}

/** Between two measurements while bulk data flows. */
const MEASURE_EVERY_MS: Millis = 500;
/** A path may change: after this long, a longer round trip is believed. */
const SHORTEST_KEPT_MS: Millis = 30_000;

/** Most pings without an answer; more would only say the same. */
const MAX_PINGS = 8;

/** Enough for a hello and all pings that may wait. */
const SMALL_RECORD_BYTES = 192;
/** Of it, for a pong and a farewell, which come behind what is owed. */
const RESERVED_BYTES = 8;

/** Links of one rank that open within this time were dialled by both sides at once; later, the newer one replaces a dead one. */
const SIMULTANEOUS_MS = 3_000;

/**
 * Which of two links a session sends on; both sides come to the same answer.
 * @param dialledBySmaller - whether the peer with the smaller PeerId dialled the link
 * @returns negative when `a` is the better one
 */
export function compareLinks(a: SessionLink, b: SessionLink, dialledBySmaller: (link: SessionLink) => boolean): number {
  if (a.rank !== b.rank) return a.rank - b.rank;
  if (Math.abs(a.since - b.since) < SIMULTANEOUS_MS) {
    const preferred = Number(dialledBySmaller(b)) - Number(dialledBySmaller(a));
    if (preferred !== 0) return preferred;
  }
  return b.order - a.order;
}
