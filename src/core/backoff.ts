// How long to wait before the next attempt: exponential, with full jitter.

import type { Millis, Random } from "./runtime.js";

/**
 * A delay drawn evenly from 0 up to, and not including, `min(maxMs, baseMs · 2^attempt)`.
 *
 * Full jitter, as a crowd of clients that lost the same relay at the same moment must not come back in step.
 * @param attempt - 0 for the first retry; a number of any size is taken
 * @param baseMs - upper bound of the first delay, in ms
 * @param maxMs - upper bound of every delay, in ms
 * @returns ms, not rounded
 */
export function backoffDelay(attempt: number, baseMs: Millis, maxMs: Millis, random: Random): Millis {
  // A power, not a shift: a shift wraps around at 32. The exponent stops short of 1024, where the power is infinite.
  const ceilingMs = Math.min(maxMs, baseMs * 2 ** Math.min(Math.max(0, attempt), 1000));
  return ceilingMs * unitInterval(random);
}

/** An even number in [0, 1), from 53 random bits, all that a JavaScript number holds. */
export function unitInterval(random: Random): number {
  const bytes = random.bytes(7);
  let value = (bytes[0] as number) & 0x1f;
  for (let i = 1; i < 7; i++) value = value * 256 + (bytes[i] as number);
  return value / 2 ** 53;
}
