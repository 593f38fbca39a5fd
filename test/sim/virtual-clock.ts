// Time that only tests move: timers run in order of their due time, those of one moment in the order they were set.

import type { Clock, Millis, Timer } from "../../src/core/runtime.js";

interface Entry extends Timer {
  readonly at: Millis;
  readonly order: number;
  callback: (() => void) | null;
}

/** More callbacks than this within one `advance` are a loop that never ends. */
const MAX_CALLBACKS = 5_000_000;

export class VirtualClock implements Clock {
  #now: Millis;
  #order = 0;
  readonly #startDate: Millis;
  /** A binary heap: the earliest entry first. */
  readonly #heap: Entry[] = [];

  constructor(startDate: Millis = Date.UTC(2026, 0, 1)) {
    this.#now = 0;
    this.#startDate = startDate;
  }

  now(): Millis {
    return this.#now;
  }

  date(): Millis {
    return this.#startDate + Math.floor(this.#now);
  }

  after(delayMs: Millis, callback: () => void): Timer {
    const entry: Entry = {
      at: this.#now + Math.max(0, delayMs),
      order: this.#order++,
      callback,
      cancel: () => {
        entry.callback = null;
      },
    };
    this.#add(entry);
    return entry;
  }

  defer(callback: () => void): void {
    this.after(0, callback);
  }

  /** When the next timer is due; `null` when there is none. */
  get nextAt(): Millis | null {
    for (;;) {
      const first = this.#heap[0];
      if (!first) return null;
      if (first.callback) return first.at;
      this.#takeFirst();
    }
  }

  /** Timers that are set and not called off. */
  get pendingTimers(): number {
    return this.#heap.filter((entry) => entry.callback !== null).length;
  }

  /** Moves time to `at`, which must not be before now, and runs what is due by then. */
  advanceTo(at: Millis): void {
    for (let count = 0; ; count++) {
      const next = this.nextAt;
      if (next === null || next > at) break;
      if (count > MAX_CALLBACKS) throw new Error(`timers without end at ${this.#now} ms`);
      this.runNext();
    }
    this.#now = Math.max(this.#now, at);
  }

  advance(ms: Millis): void {
    this.advanceTo(this.#now + ms);
  }

  /** Runs the next timer, moving time to it. @returns whether there was one */
  runNext(): boolean {
    if (this.nextAt === null) return false;
    const entry = this.#takeFirst();
    this.#now = Math.max(this.#now, entry.at);
    const callback = entry.callback;
    entry.callback = null;
    callback?.();
    return true;
  }

  /** Lets the machine sleep: time passes and no timer runs; those that were due run late, at the next `advance`. */
  sleep(ms: Millis): void {
    this.#now += ms;
  }

  /** Runs timers until none is left, or `limitMs` have passed. */
  runAll(limitMs: Millis): void {
    const end = this.#now + limitMs;
    while (this.nextAt !== null && (this.nextAt as Millis) <= end) this.runNext();
  }

  #add(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #takeFirst(): Entry {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
