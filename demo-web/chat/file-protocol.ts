// How a file travels: one stream for each file and receiver. Every field is checked before anything is kept.
//
//   sender → receiver   length u32 · header, JSON · the bytes of the file from where the receiver wants them · end
//   receiver → sender   reports of seven bytes: `have` with what it has (the first one says where to begin), or `refused`

import type { PieceReader } from "./piece-reader.js";

/** Name of the streams that carry files. */
export const FILE_STREAM = "chat.file";
/** Largest file, in bytes: 100 MiB. */
export const MAX_FILE_BYTES = 100 * 1024 * 1024;
/** Largest header, in bytes: all of its fields at their longest, and escaped, are shorter. */
export const MAX_HEADER_BYTES = 8 * 1024;
/** Length of a report: what it is about `u8`, and a number `u48`. */
export const REPORT_BYTES = 7;

/** Why a transfer ended early. Codes, not sentences: the other side words them itself. A report tells their place in this list. */
export const CANCEL_REASONS = ["cancelled", "too-large", "busy", "no-room", "unreadable", "protocol", "stalled"] as const;
/** One of {@link CANCEL_REASONS}. */
export type CancelReason = (typeof CANCEL_REASONS)[number];

/** What the header of a stream says about its file. */
export interface FileOffer {
  /** 32 hexadecimal digits, drawn by the sender: the same when it tries again. */
  readonly transferId: string;
  /** As the sender calls it: a claim, to be cleaned before it is shown or used. */
  readonly name: string;
  /** In bytes, at most {@link MAX_FILE_BYTES}. */
  readonly size: number;
  /** The sender's guess at its media type; nothing relies on it. */
  readonly mime: string;
}

/** What a receiver tells the sender. `have`: so many bytes from the start, and with the last one, that the file is put away. */
export type FileReport =
  | { readonly kind: "have"; readonly bytes: number }
  | { readonly kind: "refused"; readonly reason: CancelReason };

const REPORT = { have: 1, refused: 2 } as const;

/** Whether this is an offer within the limits. */
export function isFileOffer(value: unknown): value is FileOffer {
  if (typeof value !== "object" || value === null) return false;
  const { transferId, name, size, mime } = value as Record<string, unknown>;
  if (typeof transferId !== "string" || !/^[0-9a-f]{32}$/.test(transferId)) return false;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0 || size > MAX_FILE_BYTES) return false;
  return typeof name === "string" && name.length <= 255 && typeof mime === "string" && mime.length <= 128;
}

/** The first bytes of a stream. What is too long is cut. */
export function encodeOffer({ transferId, name, size, mime }: FileOffer): Uint8Array {
  const json = JSON.stringify({ transferId, name: name.slice(-255), size, mime: mime.slice(0, 128) });
  const header = new TextEncoder().encode(json);
  const bytes = new Uint8Array(4 + header.length);
  new DataView(bytes.buffer).setUint32(0, header.length);
  bytes.set(header, 4);
  return bytes;
}

/** Reads the first bytes of a stream. @returns `null` where they are no offer */
export async function readOffer(reader: PieceReader): Promise<FileOffer | null> {
  const prefix = await reader.exactly(4);
  if (!prefix) return null;
  const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0);
  if (length > MAX_HEADER_BYTES) return null;
  const header = await reader.exactly(length);
  if (!header) return null;
  try {
    const offer: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(header));
    return isFileOffer(offer) ? offer : null;
  } catch {
    return null;
  }
}

export function encodeReport(report: FileReport): Uint8Array {
  const number = report.kind === "have" ? report.bytes : CANCEL_REASONS.indexOf(report.reason);
  const view = new DataView(new ArrayBuffer(REPORT_BYTES));
  view.setUint8(0, REPORT[report.kind]);
  // The upper two bytes stay 0, as no file has 4 GiB.
  view.setUint32(3, number);
  return new Uint8Array(view.buffer);
}

/** Takes a report of {@link REPORT_BYTES} bytes apart. @returns `null` where it makes no sense */
export function decodeReport(bytes: Uint8Array): FileReport | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, REPORT_BYTES);
  const number = view.getUint16(1) * 2 ** 32 + view.getUint32(3);
  if (view.getUint8(0) === REPORT.have) return number <= MAX_FILE_BYTES ? { kind: "have", bytes: number } : null;
  const reason = CANCEL_REASONS[number];
  return view.getUint8(0) === REPORT.refused && reason ? { kind: "refused", reason } : null;
}

/** A fresh transfer id: 16 random bytes as hexadecimal digits. */
export function newTransferId(): string {
  // Not randomUUID: it is missing on pages outside a secure context, such as http:// on a LAN address.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
