// What an application has sent and received in one session.

import type { Clock, Millis } from "../runtime.js";

/** Counts application messages and their encoded bytes. */
export class Usage {
  readonly #clock: Clock;
  /** When something was last sent or received, in monotonic ms. */
  usedAt: Millis;
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.usedAt = clock.now();
  }

  sent(bytes: number): void {
    this.messagesOut++;
    this.bytesOut += bytes;
  }

  received(bytes: number): void {
    this.messagesIn++;
    this.bytesIn += bytes;
  }

  /** Once per record is enough: to ask for the time costs as much as a small message. */
  touch(): void {
    this.usedAt = this.#clock.now();
  }
}
