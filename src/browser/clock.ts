// Time in a browser.

import type { Clock, Timer } from "../core/runtime.js";

/** The clock of the browser build. */
export function browserClock(): Clock {
  return {
    now: () => performance.now(),
    date: () => Date.now(),
    after(delayMs, callback): Timer {
      const timer = setTimeout(callback, delayMs);
      return { cancel: () => clearTimeout(timer) };
    },
    defer: deferByMessage(),
  };
}

/**
 * Posts a message to ourselves for each turn that has something to run.
 *
 * A microtask would run before the code after the next `await`, and so split a loop of sends into a record each. A timer is
 * held back to one per second, later one per minute, in a hidden tab. A message has neither fault.
 */
function deferByMessage(): (callback: () => void) => void {
  if (typeof MessageChannel === "undefined") return (callback) => queueMicrotask(callback);
  const { port1, port2 } = new MessageChannel();
  let waiting: (() => void)[] = [];
  port1.onmessage = () => {
    const callbacks = waiting;
    waiting = [];
    for (const callback of callbacks) {
      try {
        callback();
      } catch (error) {
        // One that throws must not hold back the others; it is reported as any uncaught error is.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  };
  return (callback) => {
    if (waiting.push(callback) === 1) port2.postMessage(0);
  };
}
