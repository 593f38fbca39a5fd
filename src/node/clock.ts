// Time in Node.

import type { Clock, Timer } from "../core/runtime.js";

/** The clock of the Node build. Its timers do not keep the process alive: sockets do, for as long as somebody uses them. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  after(delayMs, callback): Timer {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  // setImmediate rather than a microtask: it runs after all sockets that were ready in this turn of the event loop, so
  // that answers to several of them share one record. A microtask would run between two socket callbacks, and
  // process.nextTick could starve input and output altogether.
  defer(callback): void {
    setImmediate(callback);
  },
};
