// What the page knows, as plain values. The reducer in chat-store.ts alone makes new ones.

import type { ConnectionStatus, PeerId } from "linknet";

/** Most entries kept and shown; older ones go, and their pictures with them. */
export const MAX_ENTRIES = 500;
/** Round-trip samples kept per member: one minute at one per second. */
export const MAX_SAMPLES = 60;

/** One other person, as the SDK tells. */
export interface Member {
  readonly id: PeerId;
  /** The claimed name, made presentable. */
  readonly name: string;
  /** Whether the relay counts this peer as a member of our room. */
  readonly inRoom: boolean;
  /** Whether a session was up at least once, so that joining is told only once. */
  readonly seen: boolean;
  readonly status: ConnectionStatus;
  readonly path: string | null;
  readonly address: string | null;
  readonly rttMs: number | null;
  /** The last samples, oldest first; `null` where there was no path. */
  readonly samples: readonly (number | null)[];
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** How one message stands with one recipient. */
export type Receipt = "waiting" | "accepted" | "delivered" | "failed";

/** How an own message stands with everybody. */
export type Ticks = "sending" | "sent" | "delivered" | "failed";

interface EntryBase {
  /** Rises by one with each entry. */
  readonly key: number;
  readonly timeMs: number;
}

interface SpokenEntry extends EntryBase {
  readonly mine: boolean;
  readonly senderId: PeerId;
  readonly senderName: string;
}

/** A text message, ours or of somebody else. */
export interface TextEntry extends SpokenEntry {
  readonly kind: "text";
  readonly text: string;
  readonly messageId: string;
  /** Own messages only: by recipient. */
  readonly receipts: Readonly<Record<PeerId, Receipt>>;
}

/** How one transfer stands: a code from `CANCEL_REASONS`, or `left`, says why it ended early. `interrupted`: it may go on. */
export interface TransferState {
  readonly bytes: number;
  readonly state: "moving" | "interrupted" | "done" | "ended";
  readonly reason: string | null;
}

/** A file, on its way or here. */
export interface FileEntry extends SpokenEntry {
  readonly kind: "file";
  readonly transferId: string;
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Own files: one per recipient. Received files: one, by its sender. */
  readonly transfers: Readonly<Record<PeerId, TransferState>>;
  /** A `blob:` URL of the whole file. */
  readonly url: string | null;
  /** Whether `url` is a picture of a kind that may be shown. */
  readonly picture: boolean;
}

/** A line that nobody said: who joined, left, or is reached in another way. */
export interface SystemEntry extends EntryBase {
  readonly kind: "system";
  readonly text: string;
}

/** Anything in the conversation. */
export type Entry = TextEntry | FileEntry | SystemEntry;

/** Who we are in this conversation. */
export interface Self {
  readonly id: PeerId;
  readonly name: string;
}

/** Everything that the views show. */
export interface ChatState {
  readonly screen: "start" | "joining" | "chat";
  readonly self: Self | null;
  /** The room's name; `null` in a conversation that a ticket began. */
  readonly room: string | null;
  readonly relay: "unknown" | "connected" | "disconnected";
  readonly members: Readonly<Record<PeerId, Member>>;
  readonly entries: readonly Entry[];
  readonly nextKey: number;
  /** A sentence for people, until they dismiss it. */
  readonly error: string | null;
}

/** Before anything was joined. */
export const INITIAL_STATE: ChatState = {
  screen: "start",
  self: null,
  room: null,
  relay: "unknown",
  members: {},
  entries: [],
  nextKey: 1,
  error: null,
};

/** The tick of an own message: the least that is true of everybody who may still get it. */
export function ticksOf(entry: TextEntry): Ticks {
  const receipts = Object.values(entry.receipts);
  if (receipts.includes("waiting")) return "sending";
  if (receipts.includes("accepted")) return "sent";
  return receipts.includes("delivered") ? "delivered" : "failed";
}

/** How many recipients have it, and how many there are. */
export function deliveryCount(entry: TextEntry): { readonly delivered: number; readonly of: number } {
  const receipts = Object.values(entry.receipts);
  return { delivered: receipts.filter((receipt) => receipt === "delivered").length, of: receipts.length };
}

/** How a file stands with everybody; `fraction` from 0 to 1 over those who still want it. */
export function transferSummary(entry: FileEntry): {
  readonly state: TransferState["state"];
  readonly fraction: number;
  readonly done: number;
  readonly of: number;
  readonly reason: string | null;
} {
  const all = Object.values(entry.transfers);
  const alive = all.filter((transfer) => transfer.state !== "ended");
  const done = all.filter((transfer) => transfer.state === "done").length;
  const bytes = alive.reduce((sum, transfer) => sum + transfer.bytes, 0);
  const whole = entry.size * alive.length;
  const open = alive.length > done;
  const moving = all.some((transfer) => transfer.state === "moving");
  return {
    state: moving ? "moving" : open ? "interrupted" : done > 0 ? "done" : "ended",
    fraction: whole === 0 ? (open ? 0 : 1) : bytes / whole,
    done,
    of: all.length,
    reason: all.find((transfer) => transfer.state === "ended")?.reason ?? null,
  };
}

/** Whether an own file may be sent on: it was interrupted, or its peer did not come back in time. */
export function isResumable(entry: FileEntry): boolean {
  const { state } = transferSummary(entry);
  return entry.mine && state !== "moving" && Object.values(entry.transfers).some(isLost);
}

/** Whether a transfer ended with its session, and not because somebody wanted it to. */
export function isLost({ state, reason }: TransferState): boolean {
  return state === "interrupted" || (state === "ended" && reason === "left");
}

/** The members in the order of the list: connected ones first, then by name. */
export function sortedMembers(state: ChatState): readonly Member[] {
  const rank = (member: Member): number => (member.status === "connected" ? 0 : 1);
  return Object.values(state.members).sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
}

/** What the banner says; `null` while all is well. */
export function bannerText(state: ChatState): string | null {
  if (state.screen !== "chat") return null;
  const members = Object.values(state.members);
  const lost = members.filter((member) => member.status === "reconnecting");
  if (lost.length > 0) {
    const names = lost.slice(0, 2).map((member) => member.name);
    const more = lost.length - names.length;
    return `The path to ${names.join(", ")}${more > 0 ? ` and ${more} more` : ""} was lost. Reconnecting…`;
  }
  if (state.relay !== "disconnected") return null;
  const direct = members.some((member) => member.status === "connected" && member.path !== "relay");
  return direct ? "Reconnecting to the relay… Direct connections go on meanwhile." : "Reconnecting to the relay…";
}
