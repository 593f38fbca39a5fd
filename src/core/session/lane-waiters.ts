// Who waits until a lane has brought everything up to some place.

import type { NetworkError } from "../errors.js";
import type { Lane } from "./record.js";

interface Waiter {
  readonly lane: Lane;
  readonly end: number;
  readonly done: (error: NetworkError | null) => void;
}

const NOBODY: readonly Waiter[] = [];

export class LaneWaiters {
  #waiters = NOBODY;

  /** @param end - of what is waited for. @returns how to stop waiting */
  add(lane: Lane, end: number, done: (error: NetworkError | null) => void): () => void {
    const waiter: Waiter = { lane, end, done };
    this.#waiters = [...this.#waiters, waiter];
    return () => {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
    };
  }

  /** Everything before `offset` has arrived. */
  arrived(lane: Lane, offset: number): void {
    if (this.#waiters.length === 0) return;
    const done = this.#waiters.filter((waiter) => waiter.lane === lane && waiter.end <= offset);
    if (done.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => !done.includes(waiter));
    for (const waiter of done) waiter.done(null);
  }

  /** Nothing more will arrive. */
  abandon(error: NetworkError): void {
    const waiters = this.#waiters;
    this.#waiters = NOBODY;
    for (const waiter of waiters) waiter.done(error);
  }
}
