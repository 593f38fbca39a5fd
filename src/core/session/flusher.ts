// When records are filled and sent: once a turn of the event loop, as long as the link takes them; acknowledgements a little later.

import type { ByteWriter } from "../bytes.js";
import type { Clock, Millis, Timer } from "../runtime.js";
import { LANE_BULK, LANE_INTERACTIVE } from "./record.js";
import type { SessionLink } from "./session-link.js";
import type { Traffic } from "./traffic.js";

/** An acknowledgement waits this long for something to travel with. */
const ACK_DELAY_MS: Millis = 10;

/** So much is sent before the turn ends: it fills records anyway, and the other side can begin with it while more is queued. */
const EAGER_BYTES = 128 * 1024;

/** Writers in which a record is being filled. Whom a callback tells something meanwhile may send, and must not begin another there. */
const IN_USE = new WeakSet<ByteWriter>();

/** What a flusher asks its session for: both change while it lives. */
export interface FlushSource {
  readonly link: SessionLink | null;
  /** All of them: those that carry no data may owe an answer. */
  readonly links: readonly SessionLink[];
  readonly traffic: Traffic;
}

export class Flusher {
  readonly #clock: Clock;
  readonly #writer: ByteWriter;
  readonly #source: FlushSource;
  #scheduled = false;
  #ackTimer: Timer | null = null;
  #stopped = false;

  /** @param writer - where records are filled; it may be shared, as nothing is kept in it */
  constructor(clock: Clock, writer: ByteWriter, source: FlushSource) {
    this.#clock = clock;
    this.#writer = writer;
    this.#source = source;
  }

  /** Sends when this turn ends: whatever else is queued until then shares the record. */
  soon(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#clock.defer(this.#flush);
  }

  /** Something was queued: it leaves when this turn ends, or at once where it fills records already. */
  queued(): void {
    const { link, traffic } = this.#source;
    const sendable = traffic.lane(LANE_INTERACTIVE).sendableBytes + traffic.lane(LANE_BULK).sendableBytes;
    // Most messages are small, and the first question is their answer.
    if (sendable < EAGER_BYTES || !link?.writable) this.soon();
    else if (link.channel.link.inFlightBytes - traffic.inFlightBytes < EAGER_BYTES) this.soon();
    else this.now();
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    this.now();
  };

  /** Something arrived, or the window grew: an acknowledgement may be due. */
  acknowledge(): void {
    const { link, traffic } = this.#source;
    if (link && traffic.mustAcknowledge(link.channel.link.inFlightBytes)) this.soon();
    // What is about to be sent carries it.
    else if (!this.#scheduled && !this.#ackTimer && !this.#stopped && traffic.ackDue) {
      this.#ackTimer = this.#clock.after(ACK_DELAY_MS, () => {
        this.#ackTimer = null;
        this.now();
      });
    }
  }

  now(): void {
    const { link, links, traffic } = this.#source;
    if (this.#stopped) return;
    if (IN_USE.has(this.#writer)) return this.soon();
    for (const other of links) if (other !== link) other.flush();
    if (!link) return;
    traffic.sendDatagrams(link.channel);
    IN_USE.add(this.#writer);
    try {
      this.#send(link, traffic);
    } finally {
      IN_USE.delete(this.#writer);
    }
    if (traffic.bulkInFlightBytes > 0) link.measure();
    if (!traffic.ackDue) this.#cancelAck();
  }

  #send(link: SessionLink, traffic: Traffic): void {
    const writer = this.#writer;
    while ((link.writable || link.owes) && link.channel.isOpen) {
      writer.restart(link.channel.maxRecordBytes);
      link.fill(writer);
      if (link.writable) traffic.fill(writer, link.channel.link.inFlightBytes, link.shortestRttMs);
      // Told that a message is given up, the application may have ended the session.
      if (writer.length === 0 || this.#stopped) break;
      if (!link.channel.send(writer.done())) link.writable = false;
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelAck();
  }

  #cancelAck(): void {
    this.#ackTimer?.cancel();
    this.#ackTimer = null;
  }
}
