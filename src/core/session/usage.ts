// What an application has sent and received in one session.

import type { Millis } from "../runtime.js";

/** Counts application messages and their encoded bytes. */
export class Usage {
  /** Messages in both directions when a record last came. */
  #heardOf = 0;
  /** When something was last sent or received, in monotonic ms. */
  usedAt: Millis;
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;

  constructor(now: Millis) {
    this.usedAt = now;
  }

  sent(bytes: number): void {
    this.messagesOut++;
    this.bytesOut += bytes;
  }

  received(bytes: number): void {
    this.messagesIn++;
    this.bytesIn += bytes;
  }

  /**
   * A record came, now: with a message, or as the answer to one. To ask for the time with each message would cost as much as a small
   * message itself.
   */
  heard(now: Millis): void {
    const messages = this.messagesIn + this.messagesOut;
    if (messages === this.#heardOf) return;
    this.#heardOf = messages;
    this.usedAt = now;
  }
}
