import { beforeEach, describe, expect, test, vi } from "vitest";
import { watchNetwork } from "../../src/browser/network-watch.js";
import type { Clock, Millis, Timer } from "../../src/core/runtime.js";

/** Time that a test moves, by the two clocks apart: only the calendar goes on while a machine sleeps. */
class TwoClocks implements Clock {
  #now = 0;
  #date = 1_000_000;
  #timers = new Set<{ dueAt: Millis; callback: () => void }>();

  now = (): Millis => this.#now;
  date = (): Millis => this.#date;
  defer(callback: () => void): void {
    callback();
  }

  after(delayMs: Millis, callback: () => void): Timer {
    const timer = { dueAt: this.#now + delayMs, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** The machine, or the page, stands still; what is due runs when it goes on. */
  pass(monotonicMs: Millis, calendarMs: Millis = monotonicMs): void {
    this.#now += monotonicMs;
    this.#date += calendarMs;
    for (const timer of [...this.#timers]) {
      if (timer.dueAt > this.#now) continue;
      this.#timers.delete(timer);
      timer.callback();
    }
  }

  /** Time goes by as usual. */
  run(ms: Millis): void {
    for (let passed = 0; passed < ms; passed += 1_000) this.pass(1_000);
  }
}

class Page extends EventTarget {
  visibilityState = "visible";
}

class Connection extends EventTarget {
  type: string | undefined = "wifi";
}

const callback = vi.fn();
let clock: TwoClocks;
let page: Page;
let connection: Connection;
let scope: EventTarget & { document: Page; navigator: { connection: Connection } };

beforeEach(() => {
  callback.mockClear();
  clock = new TwoClocks();
  page = new Page();
  connection = new Connection();
  scope = Object.assign(new EventTarget(), { document: page, navigator: { connection } });
});

describe("the browser's network watch", () => {
  test("tells that the browser is online, and that a page came back from the cache or out of its freeze", () => {
    watchNetwork(callback, scope, clock);
    scope.dispatchEvent(new Event("online"));
    scope.dispatchEvent(new Event("pageshow"));
    // Seen in Chromium: a page that is thawed may still be hidden, and then no other event tells.
    page.visibilityState = "hidden";
    page.dispatchEvent(new Event("resume"));
    expect(callback).toHaveBeenCalledTimes(3);
  });

  test("tells that a page is shown, not that it is hidden", () => {
    watchNetwork(callback, scope, clock);
    page.visibilityState = "hidden";
    page.dispatchEvent(new Event("visibilitychange"));
    expect(callback).not.toHaveBeenCalled();
    page.visibilityState = "visible";
    page.dispatchEvent(new Event("visibilitychange"));
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test("tells another kind of connection, not another estimate of its speed", () => {
    watchNetwork(callback, scope, clock);
    connection.dispatchEvent(new Event("change"));
    expect(callback).not.toHaveBeenCalled();
    connection.type = "cellular";
    connection.dispatchEvent(new Event("change"));
    connection.dispatchEvent(new Event("change"));
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test("is quiet while time goes by", () => {
    watchNetwork(callback, scope, clock);
    clock.run(300_000);
    expect(callback).not.toHaveBeenCalled();
  });

  test.each([
    ["both clocks", 30_000, 30_000],
    ["the calendar alone", 5_000, 30_000],
  ])("tells once that %s jumped", (_name, monotonicMs, calendarMs) => {
    watchNetwork(callback, scope, clock);
    clock.pass(monotonicMs, calendarMs);
    expect(callback).toHaveBeenCalledTimes(1);
    clock.run(60_000);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test("does not take the slow timers of a hidden page for sleep, but notices a long one", () => {
    watchNetwork(callback, scope, clock);
    page.visibilityState = "hidden";
    for (let minute = 0; minute < 5; minute++) clock.pass(60_000);
    expect(callback).not.toHaveBeenCalled();
    clock.pass(600_000);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test("stops, and leaves no timer behind", () => {
    const stop = watchNetwork(callback, scope, clock);
    clock.run(20_000);
    stop();
    connection.type = "cellular";
    for (const [target, name] of [
      [scope, "online"],
      [scope, "pageshow"],
      [page, "visibilitychange"],
      [page, "resume"],
      [connection, "change"],
    ] as const) {
      target.dispatchEvent(new Event(name));
    }
    clock.pass(100_000);
    expect(callback).not.toHaveBeenCalled();
    expect(clock.pending).toBe(0);
  });

  test("works in a worker, and where there are no events at all", () => {
    const worker = new EventTarget();
    watchNetwork(callback, worker, clock);
    worker.dispatchEvent(new Event("online"));
    expect(callback).toHaveBeenCalledTimes(1);
    watchNetwork(callback, {}, clock)();
  });
});
