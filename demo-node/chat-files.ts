// The files of the terminal chat, both ways.

import type { NetworkManager, PeerId } from "linknet";
import { newTransferId } from "../demo-web/chat/file-protocol.js";
import { FileReceiver, type FileSink } from "../demo-web/chat/file-receiver.js";
import { FileSender } from "../demo-web/chat/file-sender.js";
import { cancelText, formatBytes, safeFileName } from "../demo-web/chat/names.js";
import { diskSink, MAX_DOWNLOAD_BYTES, openSource, typedPath } from "./disk-files.js";

/** Where the files' news goes. */
export interface ChatFilesOutput {
  event(text: string): void;
  problem(text: string): void;
  /** What is under way, for the prompt; `null` for nothing. */
  progress(text: string | null): void;
  nameOf(peerId: PeerId): string;
}

/** One transfer as the prompt shows it. */
interface Moving {
  readonly mark: "↑" | "↓";
  readonly name: string;
  readonly size: number;
  bytes: number;
}

/** Shortest time between two changes of the prompt, in ms. */
const PROGRESS_EVERY_MS = 200;

/** For a peer that nobody sits at: it shows that files arrive, and fills no disk. */
const DISCARD: FileSink<null> = {
  ...{ hasBytes: 0, write: () => undefined, finish: () => null, abort: () => undefined, suspend: () => undefined },
};

/** Sends and receives the files of one conversation. */
export class ChatFiles {
  readonly sender: FileSender;
  readonly receiver: FileReceiver<string | null>;
  readonly #output: ChatFilesOutput;
  readonly #moving = new Map<string, Moving>();
  #shownAtMs = 0;

  /** @param folder - where received files go; `null`: they are taken and thrown away */
  constructor(net: NetworkManager, folder: string | null, output: ChatFilesOutput) {
    this.#output = output;
    this.sender = new FileSender(
      net,
      {
        progress: (peerId, transferId, bytes) => this.#progressed(`↑${peerId}${transferId}`, bytes),
        interrupted: (peerId, transferId) => {
          const name = this.#moving.get(`↑${peerId}${transferId}`)?.name ?? "The file";
          output.problem(`${name} is interrupted. It goes on when ${output.nameOf(peerId)} is back within ten minutes.`);
        },
        resumed: (peerId, transferId) => {
          const name = this.#moving.get(`↑${peerId}${transferId}`)?.name ?? "The file";
          output.event(`Sending ${name} on to ${output.nameOf(peerId)}.`);
        },
        ended: (peerId, transferId, outcome) => {
          const file = this.#take(`↑${peerId}${transferId}`);
          const who = output.nameOf(peerId);
          if (outcome === "sent") output.event(`${who} has ${file?.name ?? "the file"}.`);
          else output.problem(`${file?.name ?? "The file"} did not reach ${who}: ${cancelText(outcome)}.`);
        },
      },
      () => performance.now(),
    );
    this.receiver = new FileReceiver<string | null>(
      (peerId, offer) => (folder === null ? DISCARD : diskSink(folder, peerId, offer)),
      {
        started: (peerId, { transferId, name, size }, resumed) => {
          const shown = safeFileName(name);
          this.#moving.set(`↓${peerId}${transferId}`, { mark: "↓", name: shown, size, bytes: 0 });
          output.event(`${output.nameOf(peerId)} ${resumed ? "goes on with" : "sends"} ${shown}, ${formatBytes(size)}.`);
        },
        progress: (peerId, transferId, bytes) => this.#progressed(`↓${peerId}${transferId}`, bytes),
        finished: (peerId, transferId, path) => {
          const file = this.#take(`↓${peerId}${transferId}`);
          output.event(path === null ? `${file?.name ?? "The file"} has arrived, and is not kept.` : `Saved as ${path}`);
        },
        interrupted: (peerId, transferId) => {
          const file = this.#take(`↓${peerId}${transferId}`);
          output.problem(
            `${file?.name ?? "The file"} of ${output.nameOf(peerId)} is interrupted; what has come is kept for a while.`,
          );
        },
        failed: (peerId, transferId, reason) => {
          const name = this.#take(`↓${peerId}${transferId}`)?.name;
          // Without a name it was interrupted before, and told then.
          if (name) output.problem(`${name} of ${output.nameOf(peerId)} did not arrive: ${cancelText(reason)}.`);
        },
      },
      MAX_DOWNLOAD_BYTES,
      () => performance.now(),
    );
    net.on("stream", ({ stream }) => void this.receiver.accept(stream));
  }

  /** `/send`: the file that was typed, to all these peers. Resolves when it is through. */
  async send(typed: string, to: readonly PeerId[]): Promise<void> {
    if (to.length === 0) return this.#output.problem("Nobody is here to receive it yet.");
    const source = await openSource(typedPath(typed));
    if (typeof source === "string") return this.#output.problem(source);
    const transferId = newTransferId();
    const name = safeFileName(source.name);
    this.#output.event(
      `Sending ${name}, ${formatBytes(source.size)}, to ${to.map((peerId) => this.#output.nameOf(peerId)).join(", ")}.`,
    );
    try {
      await Promise.all(
        to.map((peerId) => {
          this.#moving.set(`↑${peerId}${transferId}`, { mark: "↑", name, size: source.size, bytes: 0 });
          return this.sender.send(peerId, transferId, source);
        }),
      );
    } finally {
      await source.close();
    }
  }

  /** Once a second: deadlines, and what was interrupted is tried again. */
  tick(): void {
    this.sender.tick(performance.now());
    this.receiver.tick(performance.now());
  }

  /** Ends everything. Parts of files stay for the next run. */
  close(): void {
    this.sender.close();
    this.receiver.close();
  }

  #progressed(key: string, bytes: number): void {
    const moving = this.#moving.get(key);
    if (!moving) return;
    moving.bytes = bytes;
    const nowMs = performance.now();
    if (nowMs - this.#shownAtMs < PROGRESS_EVERY_MS) return;
    this.#shownAtMs = nowMs;
    this.#output.progress(progressText([...this.#moving.values()]));
  }

  #take(key: string): Moving | undefined {
    const moving = this.#moving.get(key);
    this.#moving.delete(key);
    this.#output.progress(progressText([...this.#moving.values()]));
    return moving;
  }
}

/** `↑43% photo.png` and how many more; `null` where nothing moves. */
export function progressText(moving: readonly Moving[]): string | null {
  const [first, ...others] = moving;
  if (!first) return null;
  const percent = first.size === 0 ? 100 : Math.floor((first.bytes / first.size) * 100);
  const name = [...first.name].length > 24 ? `${[...first.name].slice(0, 23).join("")}…` : first.name;
  return `${first.mark}${percent}% ${name}${others.length > 0 ? ` +${others.length}` : ""}`;
}
