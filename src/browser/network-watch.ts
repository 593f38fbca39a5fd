// Notices that the network may have changed: the browser went online, or the page is shown again.

/** The page's or worker's global object, as far as it is listened to. */
interface WatchedScope {
  addEventListener?(name: string, listener: () => void): void;
  removeEventListener?(name: string, listener: () => void): void;
  readonly document?: {
    readonly visibilityState: string;
    addEventListener(name: string, listener: () => void): void;
    removeEventListener(name: string, listener: () => void): void;
  };
}

/**
 * Calls back on `online`, on `pageshow` (back from the page cache) and when a hidden page is shown, whose timers may have stood still.
 * @param scope - the global object; a worker has no document, and another runtime may have no events at all
 * @returns how to stop it
 */
export function watchNetwork(callback: () => void, scope: WatchedScope = globalThis as WatchedScope): () => void {
  const page = scope.document;
  const onShown = (): void => {
    if (page?.visibilityState === "visible") callback();
  };
  scope.addEventListener?.("online", callback);
  scope.addEventListener?.("pageshow", callback);
  page?.addEventListener("visibilitychange", onShown);
  return () => {
    scope.removeEventListener?.("online", callback);
    scope.removeEventListener?.("pageshow", callback);
    page?.removeEventListener("visibilitychange", onShown);
  };
}
