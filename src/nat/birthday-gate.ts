// Lets one attempt at a time send to random ports, and not soon again: the address may have been named to make us flood somebody.

import type { Clock, Millis } from "../core/runtime.js";

/** From the end of one such attempt, if nobody answered, to the beginning of the next. */
export const BIRTHDAY_PAUSE_MS: Millis = 20_000;

export class BirthdayGate {
  readonly #clock: Clock;
  #taken = false;
  #endedAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns how to leave the place, and whether somebody has answered: who answers is no victim; `null` when there is none now */
  enter(): ((answered: boolean) => void) | null {
    if (this.#taken || this.#clock.now() - this.#endedAt < BIRTHDAY_PAUSE_MS) return null;
    this.#taken = true;
    let left = false;
    return (answered) => {
      if (left) return;
      left = true;
      this.#taken = false;
      if (!answered) this.#endedAt = this.#clock.now();
    };
  }
}
