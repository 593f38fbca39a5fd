// Notices that the network changed or that the machine slept.

import type { Clock, Millis, Timer } from "../core/runtime.js";

/** Between two looks, in ms. Node has no event for it. */
const PERIOD_MS = 3_000;

/** A look that comes later than this, beyond the period, means that the machine slept; in ms. */
const SLEEP_MS = 10_000;

/** What one look sees. */
export interface NetworkSight {
  readonly addresses: string;
  /** Monotonic, in ms. On Linux it stands still while the machine sleeps. */
  readonly now: Millis;
  /** Calendar time in ms: it goes on. */
  readonly date: Millis;
}

/** Whether connections should be checked, from two looks that were to be `periodMs` apart. */
export function networkChanged(before: NetworkSight, after: NetworkSight, periodMs: Millis): boolean {
  if (before.addresses !== after.addresses) return true;
  // Either clock may tell. A calendar set forward by hand looks the same, and costs one check for nothing.
  return Math.max(after.now - before.now, after.date - before.date) > periodMs + SLEEP_MS;
}

/**
 * Looks every three seconds and calls back when something changed.
 * @param addresses - the addresses of this machine, as of now
 * @returns how to stop it
 */
export function watchNetwork(clock: Clock, addresses: () => readonly string[], callback: () => void): () => void {
  const look = (): NetworkSight => ({ addresses: addresses().join(), now: clock.now(), date: clock.date() });
  let before = look();
  let timer: Timer;
  const arm = (): void => {
    timer = clock.after(PERIOD_MS, () => {
      const after = look();
      const changed = networkChanged(before, after, PERIOD_MS);
      before = after;
      arm();
      if (changed) callback();
    });
  };
  arm();
  return () => timer.cancel();
}
