// The files of one conversation, both ways: joins sender, receiver and the page's blobs to the actions of the store.

import type { NetworkManager, PeerId } from "linknet";
import { MAX_FILE_BYTES, newTransferId } from "../chat/file-protocol.js";
import { FileReceiver } from "../chat/file-receiver.js";
import { FileSender, STALL_MS } from "../chat/file-sender.js";
import { formatBytes, safeFileName } from "../chat/names.js";
import { type Entry, type FileEntry, isLost } from "./chat-state.js";
import type { ChatAction } from "./chat-store.js";
import { blobSink, fileSource, MAX_KEPT_BYTES, type PageFile, publishOwn, UrlShelf } from "./page-files.js";

/** Shortest time between two steps of one progress bar, in ms. */
const PROGRESS_EVERY_MS = 150;

/** Both directions of one conversation. It ends with {@link PageTransfers.close}. */
export class PageTransfers {
  readonly sender: FileSender;
  readonly receiver: FileReceiver<PageFile>;
  readonly #dispatch: (action: ChatAction) => void;
  readonly #shelf = new UrlShelf();
  /** Own files, as long as their entries are there: one may be sent on later. */
  readonly #own = new Map<string, File>();
  readonly #progress = new Map<string, { readonly toldAtMs: number; readonly untold: ChatAction | null }>();

  constructor(net: NetworkManager, dispatch: (action: ChatAction) => void) {
    this.#dispatch = dispatch;
    this.sender = new FileSender(
      net,
      {
        progress: (peerId, transferId, bytes) => this.#progressed(true, peerId, transferId, bytes),
        interrupted: (peerId, transferId) => dispatch({ type: "fileInterrupted", mine: true, peerId, transferId }),
        resumed: (peerId, transferId) => dispatch({ type: "fileResumed", mine: true, peerId, transferId }),
        ended: (peerId, transferId, outcome) => {
          if (outcome === "sent") dispatch({ type: "fileSent", peerId, transferId });
          else dispatch({ type: "fileEnded", mine: true, peerId, transferId, reason: outcome });
        },
      },
      () => performance.now(),
    );
    this.receiver = new FileReceiver<PageFile>(
      blobSink,
      {
        started: (peerId, offer, resumed) => {
          if (resumed) dispatch({ type: "fileResumed", mine: false, peerId, transferId: offer.transferId });
          else this.#began(false, [peerId], offer.transferId, offer, null);
        },
        progress: (peerId, transferId, bytes) => this.#progressed(false, peerId, transferId, bytes),
        finished: (peerId, transferId, file, size) => {
          this.#shelf.keep(file.url, size);
          dispatch({ type: "fileArrived", peerId, transferId, ...file });
        },
        interrupted: (peerId, transferId) => dispatch({ type: "fileInterrupted", mine: false, peerId, transferId }),
        failed: (peerId, transferId, reason) => dispatch({ type: "fileEnded", mine: false, peerId, transferId, reason }),
      },
      MAX_KEPT_BYTES,
      () => performance.now(),
    );
    net.on("stream", ({ stream }) => void this.receiver.accept(stream));
  }

  /** Sends each file to everybody in `recipients()`; what cannot be sent is told as an error. */
  async sendFiles(files: readonly File[], recipients: () => readonly PeerId[]): Promise<void> {
    for (const file of files) {
      const name = safeFileName(file.name);
      if (file.size > MAX_FILE_BYTES) {
        this.#fail(`${name} has ${formatBytes(file.size)}. Files of up to 100 MiB can be sent.`);
        continue;
      }
      const shown = await publishOwn(file).catch(() => null);
      const to = recipients();
      // A folder that was dropped comes as a file that cannot be read.
      if (shown === null) this.#fail(`${name} could not be read. To send a folder, pack it into one file first.`);
      else if (to.length === 0) this.#fail(`Nobody is here to receive ${name} yet.`);
      else {
        const transferId = newTransferId();
        this.#shelf.keep(shown.url, null);
        this.#own.set(transferId, file);
        this.#began(true, to, transferId, file, shown);
        for (const peerId of to) void this.sender.send(peerId, transferId, fileSource(file));
      }
    }
  }

  /** Gives a file up, whichever way it goes. */
  cancel(entry: FileEntry): void {
    if (!entry.mine) this.receiver.cancel(entry.senderId, entry.transferId);
    else for (const peerId of Object.keys(entry.transfers)) this.sender.cancel(peerId, entry.transferId);
  }

  /**
   * Sends an own file on, to those who lost it and are here. If none of them is, whoever is here may be one of them who came back
   * under a new identity: then it goes to everybody here who does not have it, which goes on where somebody has a part of it.
   */
  resume(entry: FileEntry, here: readonly PeerId[]): void {
    const file = this.#own.get(entry.transferId);
    if (!file) return;
    const known = here.filter((peerId) => entry.transfers[peerId] && isLost(entry.transfers[peerId]));
    const others = here.filter((peerId) => !entry.transfers[peerId]);
    const to = known.length > 0 ? known : others;
    if (to.length === 0) return this.#fail(`Nobody is here to receive ${entry.name} yet.`);
    const { transferId } = entry;
    if (known.length === 0) {
      this.#dispatch({ type: "fileForgot", transferId });
      for (const [peerId, transfer] of Object.entries(entry.transfers)) {
        if (isLost(transfer)) this.sender.cancel(peerId, transferId);
      }
    }
    for (const peerId of to) {
      if (this.sender.resume(peerId, transferId)) continue;
      this.#dispatch({ type: "fileResumed", mine: true, peerId, transferId });
      void this.sender.send(peerId, transferId, fileSource(file));
    }
  }

  /** Once a second: deadlines, and the memory of files whose entries went. */
  tick(entries: readonly Entry[]): void {
    this.sender.tick(performance.now());
    this.receiver.tick(performance.now());
    this.#flushProgress();
    const inUse = new Set(entries.flatMap((entry) => (entry.kind === "file" && entry.url !== null ? [entry.url] : [])));
    for (const bytes of this.#shelf.sweep(inUse)) this.receiver.release(bytes);
    const shown = new Set(entries.flatMap((entry) => (entry.kind === "file" && entry.mine ? [entry.transferId] : [])));
    for (const transferId of this.#own.keys()) if (!shown.has(transferId)) this.#own.delete(transferId);
  }

  /** Throws everything away. */
  close(): void {
    this.sender.close();
    this.receiver.close();
    this.#own.clear();
    this.#shelf.sweep(new Set());
  }

  /** Tells of progress a few times a second, not with each of the thousands of chunks: drawing costs more than moving them. */
  #progressed(mine: boolean, peerId: PeerId, transferId: string, bytes: number): void {
    const key = `${mine} ${peerId} ${transferId}`;
    const toldAtMs = this.#progress.get(key)?.toldAtMs ?? Number.NEGATIVE_INFINITY;
    const action = { type: "fileProgress", mine, peerId, transferId, bytes } as const;
    if (performance.now() - toldAtMs < PROGRESS_EVERY_MS) {
      this.#progress.set(key, { toldAtMs, untold: action });
      return;
    }
    this.#progress.set(key, { toldAtMs: performance.now(), untold: null });
    this.#dispatch(action);
  }

  /** The last step before a pause is told here; what did not move for long is forgotten. */
  #flushProgress(): void {
    for (const [key, { toldAtMs, untold }] of this.#progress) {
      if (untold) this.#dispatch(untold);
      if (performance.now() - toldAtMs > STALL_MS) this.#progress.delete(key);
      else this.#progress.set(key, { toldAtMs, untold: null });
    }
  }

  #began(
    mine: boolean,
    peers: readonly PeerId[],
    transferId: string,
    file: { readonly name: string; readonly size: number },
    shown: PageFile | null,
  ): void {
    const { url, picture } = shown ?? { url: null, picture: false };
    const name = safeFileName(file.name);
    this.#dispatch({ type: "fileBegan", mine, peers, transferId, name, size: file.size, url, picture, timeMs: Date.now() });
  }

  #fail(text: string): void {
    this.#dispatch({ type: "error", text });
  }
}
