// Several callers, one piece of work: dials to the same target share an attempt, which ends when nobody waits for it any more.

import { abortable } from "../deadline.js";

interface Shared<T> {
  readonly work: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

export class SharedAttempts<T> {
  readonly #running = new Map<string, Shared<T>>();

  /** Joins the attempt for `key`, or starts it. @param signal - of this caller alone */
  run(key: string, signal: AbortSignal, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    let shared = this.#running.get(key);
    if (!shared) {
      const controller = new AbortController();
      shared = { work: start(controller.signal), controller, waiting: 0 };
      this.#running.set(key, shared);
    }
    const attempt = shared;
    attempt.waiting++;
    return abortable(attempt.work, signal).finally(() => {
      attempt.waiting--;
      if (attempt.waiting > 0) return;
      if (this.#running.get(key) === attempt) this.#running.delete(key);
      attempt.controller.abort(signal.reason);
    });
  }
}
