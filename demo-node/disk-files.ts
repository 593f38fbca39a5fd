// Files on disk: received ones get a safe name of their own, sent ones are read in pieces.

import { createHash } from "node:crypto";
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, extname, join, resolve } from "node:path";
import type { PeerId } from "linknet";
import { type FileOffer, MAX_FILE_BYTES } from "../demo-web/chat/file-protocol.js";
import type { FileSink } from "../demo-web/chat/file-receiver.js";
import type { FileSource } from "../demo-web/chat/file-sender.js";
import { formatBytes, safeFileName } from "../demo-web/chat/names.js";

/** Most bytes that one run of the chat takes in: 1 GiB. */
export const MAX_DOWNLOAD_BYTES = 1024 * 1024 * 1024;

/** How long a part of a file stays for another process to go on with, in ms: a day. */
const PART_KEPT_MS = 86_400_000;
/** Parts of other processes that stay in one folder. */
const MAX_PARTS = 32;

/**
 * Takes one incoming file into `folder`, which is made when it is missing. Until it is whole it is called
 * `NAME.MARK-PROCESS.part`: the mark stands for this very file of this very sender, so that another process can go on with it.
 */
export function diskSink(folder: string, peerId: PeerId, offer: FileOffer): FileSink<string> {
  mkdirSync(folder, { recursive: true });
  const name = safeFileName(offer.name);
  const mark = markOf(peerId, offer);
  const part = resolve(join(folder, `${name}.${mark}-${process.pid}.part`));
  const hasBytes = takeOver(folder, mark, part, offer.size);
  if (hasBytes === 0 && !openParts.has(part)) rmSync(part, { force: true });
  const file = openSync(part, hasBytes === 0 ? "wx" : "a");
  openParts.add(part);
  const close = (): void => {
    openParts.delete(part);
    closeSync(file);
  };
  return {
    hasBytes,
    write(data) {
      for (let written = 0; written < data.length; ) written += writeSync(file, data, written);
    },
    finish() {
      close();
      const path = reserve(folder, name);
      renameSync(part, path);
      return path;
    },
    abort() {
      close();
      rmSync(part, { force: true });
    },
    suspend: close,
  };
}

/** Hashed, as a sender would choose the name of a file otherwise. */
function markOf(peerId: PeerId, { transferId, name, size }: FileOffer): string {
  return createHash("sha256")
    .update(JSON.stringify([peerId, transferId, name, size]))
    .digest("hex")
    .slice(0, 24);
}

/**
 * Looks for a part that a process left behind, and renames it to `part`; two processes cannot both do that. Removes what is too old.
 * @returns its length in bytes; 0 where there is none
 */
function takeOver(folder: string, mark: string, part: string, size: number): number {
  const left = readdirSync(folder)
    .map((name) => ({ path: resolve(join(folder, name)), found: /\.([0-9a-f]{24})-(\d{1,10})\.part$/.exec(name) }))
    .flatMap(({ path, found }) => {
      const info = found && !isInUse(path, Number(found[2])) ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
      return info?.isFile() ? [{ path, mark: found?.[1], info }] : [];
    })
    .sort((a, b) => b.info.mtimeMs - a.info.mtimeMs);
  const [ours] = left.filter((one) => one.mark === mark && one.info.size > 0 && one.info.size <= size);
  for (const [index, one] of left.entries()) {
    if (one !== ours && (index >= MAX_PARTS || Date.now() - one.info.mtimeMs > PART_KEPT_MS)) rmSync(one.path, { force: true });
  }
  if (!ours) return 0;
  try {
    renameSync(ours.path, part);
  } catch {
    return 0;
  }
  return ours.info.size;
}

/** Parts that this process writes. */
const openParts = new Set<string>();

function isInUse(path: string, pid: number): boolean {
  // A restarted container may give the same number again.
  if (pid === process.pid) return openParts.has(path);
  // No number of a process: asked for it, the system would answer for a group of them.
  if (pid === 0 || pid > 0x7fff_ffff) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
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
