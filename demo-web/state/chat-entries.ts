// Entries of the conversation: what is written, how it is delivered, and files on their way.

import type { PeerId } from "linknet";
import { displayName } from "../chat/names.js";
import type { ChatAction } from "./chat-action.js";
import {
  type ChatState,
  type Entry,
  type FileEntry,
  isLost,
  MAX_ENTRIES,
  type Receipt,
  type TextEntry,
  type TransferState,
} from "./chat-state.js";

/** What {@link reduceEntries} takes. */
export type EntryAction = Extract<ChatAction, { type: "received" | "written" | "rewritten" | "receipt" | `file${string}` }>;

/** The next state after something about entries. */
export function reduceEntries(state: ChatState, action: EntryAction): ChatState {
  switch (action.type) {
    case "received": {
      const { text, messageId, timeMs } = action;
      return addEntry(state, {
        kind: "text",
        mine: false,
        ...speaker(state, action.peerId),
        text,
        messageId,
        receipts: {},
        timeMs,
      });
    }
    case "written": {
      const { text, messageId, timeMs, to } = action;
      return addEntry(state, {
        kind: "text",
        mine: true,
        ...ourselves(state),
        text,
        messageId,
        receipts: waitingFor(to),
        timeMs,
      });
    }
    case "rewritten":
      return changeEntry(state, (entry) => {
        if (entry.kind !== "text" || entry.key !== action.key) return entry;
        return { ...entry, messageId: action.messageId, receipts: { ...deliveredOf(entry), ...waitingFor(action.to) } };
      });
    case "receipt":
      return changeEntry(state, (entry) => {
        if (entry.kind !== "text" || !entry.mine || entry.messageId !== action.messageId) return entry;
        const before = entry.receipts[action.peerId];
        // Delivered is the last word: an "accepted" told late does not take it back.
        if (before === undefined || before === "delivered" || before === action.receipt) return entry;
        return { ...entry, receipts: { ...entry.receipts, [action.peerId]: action.receipt } };
      });
    case "fileBegan": {
      const { mine, transferId, name, size, url, picture, timeMs } = action;
      const who = mine ? ourselves(state) : speaker(state, action.peers[0] ?? "");
      const start: TransferState = { bytes: 0, state: "moving", reason: null };
      const transfers = Object.fromEntries(action.peers.map((peerId) => [peerId, start]));
      return addEntry(state, { kind: "file", mine, ...who, transferId, name, size, transfers, url, picture, timeMs });
    }
    case "fileProgress":
      return changeTransfer(state, action, action.mine, { bytes: action.bytes });
    case "fileInterrupted":
      return changeTransfer(state, action, action.mine, { state: "interrupted" });
    case "fileResumed":
      return changeFile(state, action.transferId, action.mine, (entry) => {
        if (!entry.mine && entry.senderId !== action.peerId) return entry;
        const before = entry.transfers[action.peerId];
        if (before && !isLost(before)) return entry;
        const moving: TransferState = { bytes: before?.bytes ?? 0, state: "moving", reason: null };
        return { ...entry, transfers: { ...entry.transfers, [action.peerId]: moving } };
      });
    case "fileForgot":
      return changeFile(state, action.transferId, true, (entry) => {
        const kept = Object.entries(entry.transfers).filter(([, transfer]) => !isLost(transfer));
        return { ...entry, transfers: Object.fromEntries(kept) };
      });
    case "fileSent":
      return changeTransfer(state, action, true, { state: "done" });
    case "fileEnded":
      return changeTransfer(state, action, action.mine, { state: "ended", reason: action.reason });
    case "fileArrived":
      return changeFile(changeTransfer(state, action, false, { state: "done" }), action.transferId, false, (entry) =>
        entry.senderId === action.peerId ? { ...entry, url: action.url, picture: action.picture } : entry,
      );
  }
}

type NewEntry = Entry extends infer One ? (One extends Entry ? Omit<One, "key"> : never) : never;

function addEntry(state: ChatState, entry: NewEntry): ChatState {
  const entries = [...state.entries, { ...entry, key: state.nextKey } as Entry].slice(-MAX_ENTRIES);
  return { ...state, entries, nextKey: state.nextKey + 1 };
}

/** Adds a line that nobody said. */
export function system(state: ChatState, text: string, timeMs: number): ChatState {
  return addEntry(state, { kind: "system", text, timeMs });
}

function changeEntry(state: ChatState, change: (entry: Entry) => Entry): ChatState {
  const entries = state.entries.map(change);
  return entries.some((entry, index) => entry !== state.entries[index]) ? { ...state, entries } : state;
}

function changeFile(state: ChatState, transferId: string, mine: boolean, change: (entry: FileEntry) => FileEntry): ChatState {
  return changeEntry(state, (entry) =>
    entry.kind === "file" && entry.mine === mine && entry.transferId === transferId ? change(entry) : entry,
  );
}

function changeTransfer(
  state: ChatState,
  { peerId, transferId }: { readonly peerId: PeerId; readonly transferId: string },
  mine: boolean,
  change: Partial<TransferState>,
): ChatState {
  return changeFile(state, transferId, mine, (entry) => {
    const before = entry.transfers[peerId];
    if (before?.state !== "moving" && before?.state !== "interrupted") return entry;
    return { ...entry, transfers: { ...entry.transfers, [peerId]: { ...before, ...change } } };
  });
}

function speaker(state: ChatState, peerId: PeerId): { senderId: PeerId; senderName: string } {
  return { senderId: peerId, senderName: state.members[peerId]?.name ?? displayName("", peerId) };
}

function ourselves(state: ChatState): { senderId: PeerId; senderName: string } {
  return { senderId: state.self?.id ?? "", senderName: state.self?.name ?? "" };
}

function waitingFor(peers: readonly PeerId[]): Record<PeerId, Receipt> {
  return Object.fromEntries(peers.map((peerId): [PeerId, Receipt] => [peerId, "waiting"]));
}

function deliveredOf(entry: TextEntry): Record<PeerId, Receipt> {
  return Object.fromEntries(Object.entries(entry.receipts).filter(([, receipt]) => receipt === "delivered"));
}
