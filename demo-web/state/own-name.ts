// Remembers the own name for this tab, so that a reload need not ask again. Nothing else is ever stored, least of all a key.

const ITEM = "linknet-chat-name";

/** The name used before in this tab; empty where there is none. */
export function loadName(): string {
  try {
    return sessionStorage.getItem(ITEM) ?? "";
  } catch {
    // Storage is switched off: then the name is asked for each time.
    return "";
  }
}

/** Remembers the name for this tab; it is already cut to size. */
export function saveName(name: string): void {
  try {
    sessionStorage.setItem(ITEM, name);
  } catch {
    // As above.
  }
}
