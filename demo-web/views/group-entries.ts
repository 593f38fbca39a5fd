// Puts what one person says in a row into one group.

import type { Entry, FileEntry, SystemEntry, TextEntry } from "../state/chat-state.js";

/** A pause that begins a new group, in ms. */
const PAUSE_MS = 5 * 60_000;

/** Either one system line, or what one person said in a row. */
export type EntryGroup =
  | { readonly kind: "system"; readonly key: number; readonly entry: SystemEntry }
  | {
      readonly kind: "spoken";
      readonly key: number;
      readonly mine: boolean;
      readonly senderId: string;
      readonly senderName: string;
      readonly entries: readonly (TextEntry | FileEntry)[];
    };

/** Groups entries by speaker, in their order. A group's key is that of its first entry. */
export function groupEntries(entries: readonly Entry[]): EntryGroup[] {
  const groups: EntryGroup[] = [];
  let open: OpenGroup | null = null;
  for (const entry of entries) {
    if (entry.kind === "system") {
      groups.push({ kind: "system", key: entry.key, entry });
      open = null;
      continue;
    }
    const { senderId, senderName, mine, key } = entry;
    if (open !== null && goesOn(open, entry)) open.entries.push(entry);
    else {
      open = { senderId, senderName, lastMs: entry.timeMs, entries: [entry] };
      groups.push({ kind: "spoken", key, mine, senderId, senderName, entries: open.entries });
    }
    open.lastMs = entry.timeMs;
  }
  return groups;
}

interface OpenGroup {
  readonly senderId: string;
  readonly senderName: string;
  lastMs: number;
  readonly entries: (TextEntry | FileEntry)[];
}

function goesOn(group: OpenGroup, entry: TextEntry | FileEntry): boolean {
  // Also by name: who changes the name is told apart from who they were before.
  const same = group.senderId === entry.senderId && group.senderName === entry.senderName;
  return same && entry.timeMs - group.lastMs < PAUSE_MS;
}
