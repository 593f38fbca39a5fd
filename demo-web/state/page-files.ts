// Files in the page: bytes go into blobs as they come, finished ones get a blob: URL, and old ones give it back.

import type { FileSink } from "../chat/file-receiver.js";
import type { FileSource } from "../chat/file-sender.js";
import { MAX_PICTURE_BYTES, PICTURE_HEAD_BYTES, pictureType } from "./pictures.js";

/** Most bytes of received files that the page keeps: 512 MiB. */
export const MAX_KEPT_BYTES = 512 * 1024 * 1024;

const READ_AHEAD_BYTES = 1024 * 1024;
/** Bytes of one blob of an incoming file. */
const BLOCK_BYTES = 256 * 1024;

/** A whole file, ready to be shown or saved. */
export interface PageFile {
  readonly url: string;
  readonly picture: boolean;
}

/** Makes a URL for a blob. The type is ours: a blob that claimed to be HTML would run on this page's origin. */
export function publish(parts: BlobPart[], size: number, head: Uint8Array): PageFile {
  const type = size <= MAX_PICTURE_BYTES ? pictureType(head) : null;
  const blob = new Blob(parts, { type: type ?? "application/octet-stream" });
  return { url: URL.createObjectURL(blob), picture: type !== null };
}

/** Collects one incoming file. */
export function blobSink(): FileSink<PageFile> {
  let blobs: Blob[] = [];
  let size = 0;
  let head = new Uint8Array(0);
  // Collected in blocks, as pieces may be tiny: an object for each of them would cost more than its bytes.
  let block = new Uint8Array(0);
  let filled = 0;
  const flush = (): void => {
    // A blob, as the browser may keep it on disk.
    if (filled > 0) blobs.push(new Blob([block.slice(0, filled)]));
    if (size === filled) head = block.slice(0, Math.min(filled, PICTURE_HEAD_BYTES));
    filled = 0;
  };
  return {
    hasBytes: 0,
    write(data) {
      if (block.length === 0) block = new Uint8Array(BLOCK_BYTES);
      for (let at = 0; at < data.length; ) {
        const part = data.subarray(at, at + block.length - filled);
        block.set(part, filled);
        filled += part.length;
        size += part.length;
        at += part.length;
        if (filled === block.length) flush();
      }
    },
    finish() {
      flush();
      block = new Uint8Array(0);
      return publish(blobs, size, head);
    },
    abort() {
      blobs = [];
      block = new Uint8Array(0);
    },
    // A page that is gone keeps nothing.
    suspend() {
      this.abort();
    },
  };
}

/** Reads a file that somebody chose. */
export function fileSource(file: File): FileSource {
  // Each read goes through another process of the browser, so more is read than is asked for.
  let start = 0;
  let block = new Uint8Array(0);
  return {
    name: file.name || "file",
    size: file.size,
    mime: file.type,
    async read(offset, length) {
      if (offset < start || offset + length > start + block.length) {
        block = new Uint8Array(await file.slice(offset, offset + READ_AHEAD_BYTES).arrayBuffer());
        start = offset;
      }
      return block.subarray(offset - start, offset - start + length);
    },
  };
}

/** Shows an own file the way that the others will see it. */
export async function publishOwn(file: File): Promise<PageFile> {
  const head = new Uint8Array(await file.slice(0, PICTURE_HEAD_BYTES).arrayBuffer());
  return publish([file], file.size, head);
}

/** The URLs in use, so that they can be given back when their entry goes. */
export class UrlShelf {
  readonly #kept = new Map<string, number | null>();

  /** @param bytes - what the receiver's budget counts for it; `null` for own files */
  keep(url: string, bytes: number | null): void {
    this.#kept.set(url, bytes);
  }

  /** Gives back every URL that is not in use. @returns the sizes of the received files among them */
  sweep(inUse: ReadonlySet<string>): number[] {
    const freed: number[] = [];
    for (const [url, bytes] of this.#kept) {
      if (inUse.has(url)) continue;
      URL.revokeObjectURL(url);
      this.#kept.delete(url);
      if (bytes !== null) freed.push(bytes);
    }
    return freed;
  }
}
