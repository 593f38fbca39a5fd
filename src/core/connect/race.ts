// Several ways to the same goal: started one after the other, the first that gets there wins (RFC 8305 §5, generalised).

import { NetworkError, toNetworkError } from "../errors.js";
import type { Clock, Millis, Timer } from "../runtime.js";

/** The stagger between attempts: RFC 8305 §5 recommends 250 ms. */
export const STAGGER_MS: Millis = 250;

export type Attempt<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Starts the attempts `STAGGER_MS` apart, or at once when the one before has failed. The first success aborts the others.
 * @throws the error that says most when all fail, or the signal's reason
 */
export function race<T>(attempts: readonly Attempt<T>[], clock: Clock, signal: AbortSignal, staggerMs = STAGGER_MS): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const controller = new AbortController();
    const errors: NetworkError[] = [];
    let next = 0;
    let timer: Timer | null = null;
    let over = false;

    const finish = (done: () => void): void => {
      if (over) return;
      over = true;
      timer?.cancel();
      signal.removeEventListener("abort", giveUp);
      controller.abort(new NetworkError("ERR_CLOSED", "another way was faster"));
      done();
    };
    const giveUp = (): void => finish(() => reject(signal.reason));
    const startNext = (): void => {
      timer?.cancel();
      timer = null;
      const attempt = attempts[next];
      if (over || !attempt) return;
      next++;
      attempt(controller.signal).then(
        (value) => finish(() => resolve(value)),
        (error: unknown) => {
          errors.push(toNetworkError(error, "ERR_DIAL_FAILED"));
          if (errors.length === attempts.length) finish(() => reject(mostTelling(errors)));
          else startNext();
        },
      );
      if (next < attempts.length) timer = clock.after(staggerMs, startNext);
    };

    if (signal.aborted) giveUp();
    else if (attempts.length === 0) finish(() => reject(new NetworkError("ERR_ADDRESS_UNSUPPORTED")));
    else {
      signal.addEventListener("abort", giveUp, { once: true });
      startNext();
    }
  });
}

/** Somebody else answering matters most; then what will not go away by waiting; then the first failure. */
function mostTelling(errors: readonly NetworkError[]): NetworkError {
  const auth = errors.find((error) => error.code === "ERR_HANDSHAKE_AUTH");
  return auth ?? errors.find((error) => !error.retryable) ?? (errors[0] as NetworkError);
}
