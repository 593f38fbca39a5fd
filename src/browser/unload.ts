// The moment in which a page is closed or left for good.

/**
 * Calls back when the page goes away. Not when it is only put aside (`persisted`, the back-forward cache): it may come back, and
 * its sessions resume then.
 * @returns how to stop it
 */
export function watchUnload(callback: () => void, scope: EventTarget = globalThis as unknown as EventTarget): () => void {
  const onPageHide = (event: Event): void => {
    if (!(event as PageTransitionEvent).persisted) callback();
  };
  // A worker has no such event, and some scopes take no listeners.
  scope.addEventListener?.("pagehide", onPageHide);
  return () => scope.removeEventListener?.("pagehide", onPageHide);
}
