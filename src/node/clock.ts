// Time in Node.

import type { Clock, Timer } from "../core/runtime.js";

/** No closure: each link has one of these for as long as it lives. */
class NodeTimer implements Timer {
  readonly #timeout: NodeJS.Timeout;

  constructor(timeout: NodeJS.Timeout) {
    this.#timeout = timeout;
  }

  cancel(): void {
    clearTimeout(this.#timeout);
  }
}

/** The clock of the Node build. Its timers do not keep the process alive: sockets do, for as long as somebody uses them. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  after(delayMs, callback): Timer {
    return new NodeTimer(setTimeout(callback, delayMs).unref());
  },
  // setImmediate rather than a microtask: it runs after all sockets that were ready in this turn of the event loop, so
  // that answers to several of them share one record. A microtask would run between two socket callbacks, and
  // process.nextTick could starve input and output altogether.
  defer(callback): void {
    setImmediate(callback);
  },
};
