// Streams between two ends in memory, which fail as those of the SDK do, and a network that opens them.

import { type ByteStream, NetworkError, type PeerInfo } from "linknet";
import type { SendingNetwork } from "../../demo-web/chat/file-sender.js";

interface Pipe {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  fail(error: NetworkError): void;
}

/** One direction: a write resolves when the reader has taken it. */
function pipe(): Pipe {
  let reading: ReadableStreamDefaultController<Uint8Array>;
  let writing: WritableStreamDefaultController;
  let pulled: () => void = () => undefined;
  let wanted = new Promise<void>((resolve) => {
    pulled = resolve;
  });
  const readable = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        reading = controller;
      },
      pull: () => pulled(),
      cancel: () => {
        pulled();
        writing.error(new NetworkError("ERR_STREAM_CANCELLED"));
      },
    },
    { highWaterMark: 0 },
  );
  const writable = new WritableStream<Uint8Array>({
    start(controller) {
      writing = controller;
    },
    async write(chunk) {
      await wanted;
      wanted = new Promise<void>((resolve) => {
        pulled = resolve;
      });
      try {
        reading.enqueue(chunk.slice());
      } catch {
        // Cancelled or failed meanwhile; the writer learns it by itself.
      }
    },
    close: () => reading.close(),
    abort: () => reading.error(new NetworkError("ERR_STREAM_ABORTED")),
  });
  const fail = (error: NetworkError): void => {
    reading.error(error);
    writing.error(error);
    pulled();
  };
  return { readable, writable, fail };
}

/** Two ends of one stream. */
export function streamPair(from: string, to: string, name: string) {
  const [there, back] = [pipe(), pipe()];
  const near: ByteStream = { peerId: to, name, readable: back.readable, writable: there.writable };
  const far: ByteStream = { peerId: from, name, readable: there.readable, writable: back.writable };
  const fail = (error: NetworkError): void => {
    there.fail(error);
    back.fail(error);
  };
  return { near, far, fail };
}

/** The network of one peer. What it opens is handed to `onOpen`, as the event `stream` would at the other side. */
export class FakeNetwork implements SendingNetwork {
  readonly self: string;
  readonly present = new Set<string>();
  readonly opened: ReturnType<typeof streamPair>[] = [];
  onOpen: (stream: ByteStream) => void = () => undefined;

  constructor(self: string, ...present: string[]) {
    this.self = self;
    for (const peer of present) this.present.add(peer);
  }

  getPeer(peerId: string): PeerInfo | null {
    return this.present.has(peerId) ? ({ id: peerId, status: "connected" } as PeerInfo) : null;
  }

  openStream(peerId: string, name: string): ByteStream {
    if (!this.present.has(peerId)) throw new NetworkError("ERR_PEER_UNKNOWN");
    const pair = streamPair(this.self, peerId, name);
    this.opened.push(pair);
    this.onOpen(pair.far);
    return pair.near;
  }

  /** The session with this peer ends: its streams fail at both sides. */
  lose(peerId: string): void {
    this.present.delete(peerId);
    for (const { near, fail } of this.opened.splice(0)) if (near.peerId === peerId) fail(new NetworkError("ERR_SESSION_LOST"));
  }
}
