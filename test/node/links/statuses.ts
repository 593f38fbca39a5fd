// What the connection callback may tell of one peer, in which order.

const AFTER: Readonly<Record<string, string>> = {
  "": "connecting",
  connecting: "connected",
  connected: "reconnecting",
  reconnecting: "connected",
};

/** The statuses that do not fit behind the one before, with their place: none, while a session lives. */
export function strayStatuses(statuses: readonly string[]): string[] {
  return statuses.flatMap((status, i) => (AFTER[statuses[i - 1] ?? ""] === status ? [] : [`${i}: ${status}`]));
}
