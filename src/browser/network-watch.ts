// Notices that the network may have changed: the browser went online or to another network, the page woke up, or the machine did.

import type { Clock, Millis, Timer } from "../core/runtime.js";
import { browserClock } from "./clock.js";

/** Between two looks at the clock, in ms: no event tells a page that is shown all the time that the machine slept. */
const PERIOD_MS: Millis = 5_000;
/** A look that comes later than this, beyond the period, means sleep; in ms. */
const SLEEP_MS: Millis = 10_000;
/** The same in a hidden page, whose timers browsers hold back to one per minute. */
const HIDDEN_SLEEP_MS: Millis = 75_000;

/** Something that has events; a worker, and another runtime, may have none. */
interface Listenable {
  addEventListener?(name: string, listener: () => void): void;
  removeEventListener?(name: string, listener: () => void): void;
}

/** The page's or worker's global object, as far as it is listened to. */
interface WatchedScope extends Listenable {
  readonly document?: Listenable & { readonly visibilityState: string };
  /** `connection` is the Network Information API, which not every browser has; `type` is missing on desktops. */
  readonly navigator?: { readonly connection?: Listenable & { readonly type?: string } };
}

/**
 * Calls back on `online`, on another kind of connection (Wi-Fi to mobile), on `pageshow` (back from the page cache), on `resume`
 * (a frozen page goes on, perhaps still hidden), when a hidden page is shown, whose timers may have stood still, and when the
 * clock has jumped, as it does when the machine slept.
 * @param scope - the global object; a worker has no document, and another runtime may have no events at all
 * @returns how to stop it
 */
export function watchNetwork(
  callback: () => void,
  scope: WatchedScope = globalThis as WatchedScope,
  clock: Clock = browserClock(),
): () => void {
  const { document: page } = scope;
  const connection = scope.navigator?.connection;
  let type = connection?.type;
  const onShown = (): void => {
    if (page?.visibilityState === "visible") callback();
  };
  // The event also tells of each new estimate of speed: that is no other network.
  const onConnection = (): void => {
    if (connection?.type === type) return;
    type = connection?.type;
    callback();
  };
  const listeners: readonly [Listenable | undefined, string, () => void][] = [
    [scope, "online", callback],
    [scope, "pageshow", callback],
    [page, "visibilitychange", onShown],
    [page, "resume", callback],
    [connection, "change", onConnection],
  ];
  for (const [target, name, listener] of listeners) target?.addEventListener?.(name, listener);
  const stopLooking = watchClock(callback, clock, () => page?.visibilityState === "hidden");
  return () => {
    for (const [target, name, listener] of listeners) target?.removeEventListener?.(name, listener);
    stopLooking();
  };
}

/** Calls back when a look at the clock comes much later than it was to come. */
function watchClock(callback: () => void, clock: Clock, isHidden: () => boolean): () => void {
  let timer: Timer;
  const arm = (): void => {
    const before = { now: clock.now(), date: clock.date(), hidden: isHidden() };
    timer = clock.after(PERIOD_MS, () => {
      // Either clock may tell: the monotonic one stands still in sleep on some systems, and the calendar goes on.
      const late = Math.max(clock.now() - before.now, clock.date() - before.date) - PERIOD_MS;
      const slept = late > (before.hidden || isHidden() ? HIDDEN_SLEEP_MS : SLEEP_MS);
      arm();
      if (slept) callback();
    });
  };
  arm();
  return () => timer.cancel();
}
