// Virtual time and promises together: everything that is ready runs before time moves on.

import type { Millis } from "../../src/core/runtime.js";
import type { VirtualClock } from "./virtual-clock.js";

/** Lets all promises that are ready run, and what follows from them. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Moves time by `ms`, from timer to timer, with all promises run in between. */
export async function run(clock: VirtualClock, ms: Millis): Promise<void> {
  const end = clock.now() + ms;
  await settled();
  for (;;) {
    const next = clock.nextAt;
    if (next === null || next > end) break;
    // All timers of one moment, then the promises that they settled.
    clock.advanceTo(next);
    await settled();
  }
  clock.advanceTo(end);
  await settled();
}
