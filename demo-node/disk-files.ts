// Files on disk: received ones get a safe name of their own, sent ones are read in pieces.

import { closeSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, extname, join, resolve } from "node:path";
import { MAX_FILE_BYTES } from "../demo-web/chat/chat-protocol.js";
import type { FileSink } from "../demo-web/chat/file-receiver.js";
import type { FileSource } from "../demo-web/chat/file-sender.js";
import { formatBytes, safeFileName } from "../demo-web/chat/names.js";

/** Most bytes that one run of the chat takes in: 1 GiB. */
export const MAX_DOWNLOAD_BYTES = 1024 * 1024 * 1024;

/**
 * Takes one incoming file into `folder`, which is made when it is missing. It gets its name when it is whole; until then it
 * ends in `.part`.
 */
export function diskSink(folder: string, claimedName: string): FileSink<string> {
  mkdirSync(folder, { recursive: true });
  const path = reserve(folder, safeFileName(claimedName));
  const part = `${path}.part`;
  let file: number;
  try {
    file = openSync(part, "wx");
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
  return {
    write(data) {
      for (let written = 0; written < data.length; ) written += writeSync(file, data, written);
    },
    finish() {
      closeSync(file);
      renameSync(part, path);
      return path;
    },
    abort() {
      closeSync(file);
      unlinkSync(part);
      unlinkSync(path);
    },
  };
}

/** Takes the first free name: `photo.png`, `photo (2).png` and so on. The empty file that it makes keeps others off. */
function reserve(folder: string, name: string): string {
  const extension = extname(name);
  const stem = basename(name, extension);
  for (let number = 1; number <= 1000; number++) {
    const path = resolve(join(folder, number === 1 ? name : `${stem} (${number})${extension}`));
    try {
      closeSync(openSync(path, "wx"));
      return path;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
  throw new Error("too many files of this name");
}

/** A file to send, open. */
export interface OpenSource extends FileSource {
  close(): Promise<void>;
}

/** What somebody typed after `/send`, as a path: quotes and backslashes before spaces as terminals write them, and `~`. */
export function typedPath(typed: string): string {
  const trimmed = typed.trim();
  const quoted = /^(["'])(.*)\1$/.exec(trimmed);
  const path = quoted ? (quoted[2] ?? "") : process.platform === "win32" ? trimmed : trimmed.replace(/\\(.)/g, "$1");
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}

/** Opens a file to send. @returns a sentence where it cannot be sent */
export async function openSource(path: string): Promise<OpenSource | string> {
  let handle: FileHandle;
  let size: number;
  try {
    const info = await stat(path);
    // Asked before it is opened: opening a named pipe would wait for somebody to write into it.
    if (!info.isFile()) return "This is not a file. To send a folder, pack it into one file first.";
    if (info.size > MAX_FILE_BYTES) return `This file has ${formatBytes(info.size)}. Files of up to 100 MiB can be sent.`;
    size = info.size;
    handle = await open(path, "r");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    return missing ? "There is no such file." : "This file cannot be read.";
  }
  return {
    name: basename(path),
    size,
    mime: "",
    async read(offset, length) {
      const buffer = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
        // It became shorter meanwhile: the sender sees that the piece is too short.
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    },
    close: () => handle.close(),
  };
}
