// One AbortSignal out of a time limit and the signal of whoever asked.

import type { NetworkError } from "./errors.js";
import type { Clock, Millis } from "./runtime.js";

export interface Deadline {
  readonly signal: AbortSignal;
  /** Call it when the work is over, however it ended: it lets go of the timer and of the other signal. */
  clear(): void;
  /** Gives the work up now. */
  abort(reason: unknown): void;
}

/**
 * @param parent - aborts the deadline too, with its own reason
 * @param late - makes the error that the signal carries when the time is up
 */
export function deadline(clock: Clock, ms: Millis, parent: AbortSignal | undefined, late: () => NetworkError): Deadline {
  const controller = new AbortController();
  const timer = clock.after(ms, () => controller.abort(late()));
  const follow = (): void => controller.abort(parent?.reason);
  if (parent?.aborted) follow();
  else parent?.addEventListener("abort", follow, { once: true });
  return {
    signal: controller.signal,
    clear() {
      timer.cancel();
      parent?.removeEventListener("abort", follow);
    },
    abort: (reason) => controller.abort(reason),
  };
}

/** Resolves after a while, or rejects with the signal's reason when it aborts first. */
export function pause(clock: Clock, ms: Millis, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => {
      signal.removeEventListener("abort", stop);
      resolve();
    });
    const stop = (): void => {
      timer.cancel();
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** Rejects with the signal's reason when it aborts first; what `work` gives later is handed to `late`, to be put away. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal, late?: (value: T) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    work.then(
      (value) => {
        signal.removeEventListener("abort", stop);
        if (signal.aborted) late?.(value);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener("abort", stop);
        reject(error);
      },
    );
  });
}
