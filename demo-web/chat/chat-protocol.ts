// The chat's own messages: what both demos say to each other over LinkNet. Every field is checked before anything is kept.

import { defineMessage } from "linknet";

/** Longest text of one chat message, in UTF-16 code units. */
export const MAX_TEXT_LENGTH = 4_000;
/** Largest file, in bytes: 100 MiB. */
export const MAX_FILE_BYTES = 100 * 1024 * 1024;
/** Payload of one chunk, in bytes. With its envelope it fits one record of 64 KiB. */
export const CHUNK_BYTES = 48 * 1024;

/** Why a transfer ended early. Codes, not sentences: the other side words them itself. */
export const CANCEL_REASONS = ["cancelled", "too-large", "busy", "no-room", "unreadable", "protocol", "stalled"] as const;
/** One of {@link CANCEL_REASONS}. */
export type CancelReason = (typeof CANCEL_REASONS)[number];

/** One line or paragraph of chat. */
export interface ChatText {
  readonly text: string;
}

/** Announces a file; chunks follow at once, in order. */
export interface FileOffer {
  /** 32 hexadecimal digits, drawn by the sender. */
  readonly transferId: string;
  /** As the sender calls it: a claim, to be cleaned before it is shown or used. */
  readonly name: string;
  /** In bytes, at most {@link MAX_FILE_BYTES}. */
  readonly size: number;
  /** The sender's guess at its media type; nothing relies on it. */
  readonly mime: string;
}

/** The next bytes of a file. */
export interface FileChunk {
  readonly transferId: string;
  /** How many bytes came before this chunk. */
  readonly offset: number;
  readonly data: Uint8Array;
}

/** All of a file was sent. */
export interface FileEnd {
  readonly transferId: string;
}

/** Either side gives a transfer up. */
export interface FileCancel {
  readonly transferId: string;
  readonly reason: CancelReason;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function isTransferId(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
}

function isByteCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= MAX_FILE_BYTES;
}

/** Whether this is a text that may be shown: 1 to {@link MAX_TEXT_LENGTH} code units, not all of them spaces. */
export function isChatText(value: unknown): value is ChatText {
  if (!isObject(value) || typeof value.text !== "string") return false;
  return value.text.length <= MAX_TEXT_LENGTH && value.text.trim() !== "";
}

/** Whether this is an offer within the limits. */
export function isFileOffer(value: unknown): value is FileOffer {
  if (!isObject(value) || !isTransferId(value.transferId) || !isByteCount(value.size)) return false;
  return (
    typeof value.name === "string" && value.name.length <= 1024 && typeof value.mime === "string" && value.mime.length <= 128
  );
}

/** Whether this is a chunk of 1 to {@link CHUNK_BYTES} bytes. */
export function isFileChunk(value: unknown): value is FileChunk {
  if (!isObject(value) || !isTransferId(value.transferId) || !isByteCount(value.offset)) return false;
  return value.data instanceof Uint8Array && value.data.length > 0 && value.data.length <= CHUNK_BYTES;
}

/** Whether this is the end of a file. */
export function isFileEnd(value: unknown): value is FileEnd {
  return isObject(value) && isTransferId(value.transferId);
}

/** Whether this gives a transfer up, with a reason that we know. */
export function isFileCancel(value: unknown): value is FileCancel {
  if (!isObject(value) || !isTransferId(value.transferId)) return false;
  return CANCEL_REASONS.includes(value.reason as CancelReason);
}

/** `chat.text`: something that a person wrote. */
export const chatText = defineMessage<ChatText>("chat.text", isChatText);
/** `chat.file.offer`: a file is about to come. */
export const fileOffer = defineMessage<FileOffer>("chat.file.offer", isFileOffer);
/** `chat.file.chunk`: its next bytes. */
export const fileChunk = defineMessage<FileChunk>("chat.file.chunk", isFileChunk);
/** `chat.file.end`: that was all of it. */
export const fileEnd = defineMessage<FileEnd>("chat.file.end", isFileEnd);
/** `chat.file.cancel`: it will not be finished. */
export const fileCancel = defineMessage<FileCancel>("chat.file.cancel", isFileCancel);

/** A fresh transfer id: 16 random bytes as hexadecimal digits. */
export function newTransferId(): string {
  // Not randomUUID: it is missing on pages outside a secure context, such as http:// on a LAN address.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
