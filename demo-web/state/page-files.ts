// Files in the page: bytes go into blobs as they come, finished ones get a blob: URL, and old ones give it back.

import type { FileSink } from "../chat/file-receiver.js";
import type { FileSource } from "../chat/file-sender.js";
import { MAX_PICTURE_BYTES, PICTURE_HEAD_BYTES, pictureType } from "./pictures.js";

/** Most bytes of received files that the page keeps: 512 MiB. */
export const MAX_KEPT_BYTES = 512 * 1024 * 1024;

const READ_AHEAD_BYTES = 1024 * 1024;

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
  let parts: Blob[] = [];
  let size = 0;
  let head = new Uint8Array(0);
  return {
    write(data) {
      // Chunks are long enough, so the first one holds the whole head.
      if (size === 0) head = data.slice(0, PICTURE_HEAD_BYTES);
      // A copy, as the bytes may be a view of a larger record; a blob, as the browser may keep those on disk.
      parts.push(new Blob([data.slice()]));
      size += data.length;
    },
    finish: () => publish(parts, size, head),
    abort() {
      parts = [];
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
