// How much the streams of one peer may hold unread, all together: each begins small and grows while its reader keeps up.

/** What every stream is granted from the start. */
export const FIRST_WINDOW_BYTES = 64 * 1024;
/** Most that one stream is granted: enough for 40 MB/s over 100 ms. */
const MAX_WINDOW_BYTES = 4 * 1024 * 1024;
/** Most that all streams of a peer are granted beyond the first windows. */
const BUDGET_BYTES = 16 * 1024 * 1024;

export class WindowBudget {
  #granted = 0;

  /** @returns the window to grant from now on: twice as much, or as before where the budget is spent */
  grow(window: number): number {
    const wanted = Math.min(MAX_WINDOW_BYTES, 2 * window);
    if (this.#granted + wanted - window > BUDGET_BYTES) return window;
    this.#granted += wanted - window;
    return wanted;
  }

  /** A stream is over: what it was granted beyond the first window is free again. */
  release(window: number): void {
    this.#granted -= window - FIRST_WINDOW_BYTES;
  }
}
