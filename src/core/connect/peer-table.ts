// The peers that we have a session with: one each, however often and by whatever way it was dialled.

import { ByteWriter } from "../bytes.js";
import type { SecureChannel } from "../channel/secure-channel.js";
import { NetworkError } from "../errors.js";
import type { ConnectionStatus, PeerId, PeerInfo } from "../events.js";
import type { LinkKind } from "../path/link.js";
import type { PeerSession } from "../session/peer-session.js";
import { writeGoodbye } from "../session/record.js";
import type { ChannelOwner, SessionContext } from "../session/session-context.js";
import type { HeldBytes } from "../session/traffic-context.js";
import type { ByteStream } from "../stream/byte-stream.js";
import type { PathUpgrader, UpgraderContext } from "./path-upgrader.js";
import type { Reconnector, ReconnectorContext } from "./reconnector.js";
import { type PeerOwner, TablePeer } from "./table-peer.js";

/** A session and what keeps it on a good path. */
export interface Peer {
  readonly session: PeerSession;
  readonly upgrader: PathUpgrader;
  readonly reconnector: Reconnector;
  /** URLs that have led to this peer. */
  dialled: readonly string[];
  /** Whether `sendMessage` has returned `false` and nobody was told since that there is room. */
  blocked: boolean;
  /** Whether the application knows of this session. */
  told: boolean;
}

/** What an application is told of a peer. */
export function peerInfo({ session }: Peer): PeerInfo {
  return {
    id: session.peerId,
    name: session.remoteName,
    address: session.remoteAddress,
    path: session.path,
    status: session.status,
    rttMs: session.rttMs,
    messagesIn: session.usage.messagesIn,
    messagesOut: session.usage.messagesOut,
    bytesIn: session.usage.bytesIn,
    bytesOut: session.usage.bytesOut,
    queuedBytes: session.queuedBytes,
  };
}

export interface PeerTableHandlers {
  status(peerId: PeerId, status: ConnectionStatus, error: NetworkError | null): void;
  path(peerId: PeerId, path: LinkKind, previous: LinkKind | null): void;
  message(peerId: PeerId, bytes: Uint8Array): void | Promise<void>;
  /** A peer opened a stream. @returns whether somebody takes it */
  stream(stream: ByteStream): boolean;
  /** Whether anybody wants to know what was delivered. */
  hearsDelivered(): boolean;
  delivered(peerId: PeerId, messageId: string): void;
  failed(peerId: PeerId, messageId: string, error: NetworkError): void;
  acknowledged(peerId: PeerId, peer: Peer): void;
  /** The peer has lost the conversation: a new one begins in the same session. */
  restarted(peerId: PeerId): void;
}

export interface PeerTableContext {
  readonly session: SessionContext;
  readonly upgrader: UpgraderContext;
  /** Whether sessions look for better paths by themselves. */
  readonly upgrade: boolean;
  readonly reconnector: ReconnectorContext;
  readonly maxConnections: number;
  /** Whether a new session may take the place of an idle one. */
  readonly evictIdle: boolean;
  /** One attempt to reach a peer that we had a session with, over every way known. */
  reconnect(peerId: PeerId, signal: AbortSignal): Promise<unknown>;
  /** A path was lost, and the relays may be lost with it. */
  doubtRelays(): void;
}

export class PeerTable {
  readonly #context: PeerTableContext;
  readonly #handlers: PeerTableHandlers;
  readonly #owner: PeerOwner;
  readonly #peers = new Map<PeerId, TablePeer>();
  /** What peers that left have sent and the application has not taken: each takes a place for as long as there is some. */
  readonly #left = new Map<PeerId, HeldBytes>();
  readonly #waiting = new Map<PeerId, Set<(error: NetworkError | null) => void>>();

  constructor(context: PeerTableContext, handlers: PeerTableHandlers) {
    this.#context = context;
    this.#handlers = handlers;
    this.#owner = { context, handlers, statusChanged: (...change) => this.#status(...change) };
  }

  get(peerId: PeerId): Peer | undefined {
    return this.#peers.get(peerId);
  }

  get all(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  /** Gives a proven channel to the session of its peer, which is made where there is none. `null`: there is no room for another. */
  adopt(peerId: PeerId, channel: SecureChannel, rank: number): ChannelOwner | null {
    let peer = this.#peers.get(peerId);
    if (!peer) {
      if (this.#placesTaken(peerId) >= this.#context.maxConnections && !this.#evictIdle()) {
        channel.send(goodbyeRecord());
        return null;
      }
      peer = this.#create(peerId);
      // Who dialled us is news only once its first hello is accepted: a link may still turn out to be a left-over.
      if (channel.initiator) this.#tell(peerId, peer, "connecting", null);
    }
    return peer.session.adopt(channel, rank);
  }

  /**
   * Resolves when the session with this peer has a path, and rejects when it ends before.
   * @throws NetworkError why the session ended; or the signal's reason
   */
  connected(peerId: PeerId, signal: AbortSignal): Promise<PeerId> {
    const peer = this.#peers.get(peerId);
    if (!peer) return Promise.reject(new NetworkError("ERR_CLOSED_BY_PEER", undefined, { peerId }));
    if (peer.session.status === "connected") return Promise.resolve(peerId);
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(peerId) ?? new Set();
      this.#waiting.set(peerId, waiting);
      const settle = (error: NetworkError | null): void => {
        waiting.delete(settle);
        signal.removeEventListener("abort", stop);
        if (error) reject(error);
        else resolve(peerId);
      };
      const stop = (): void => {
        waiting.delete(settle);
        reject(signal.reason);
      };
      waiting.add(settle);
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  networkChanged(): void {
    for (const peer of this.all) {
      peer.session.probe();
      if (this.#context.upgrade) peer.upgrader.networkChanged();
      peer.reconnector.networkChanged();
    }
  }

  #placesTaken(newcomer: PeerId): number {
    for (const [peerId, held] of this.#left) if (held.bytes === 0) this.#left.delete(peerId);
    return this.#peers.size + this.#left.size - (this.#left.has(newcomer) ? 1 : 0);
  }

  #evictIdle(): boolean {
    if (!this.#context.evictIdle) return false;
    const idleSince = this.#context.session.clock.now() - LEAST_IDLE_MS;
    const idle = this.all.filter(({ session }) => session.usage.usedAt <= idleSince && session.queuedBytes === 0);
    const [first] = idle.sort((a, b) => a.session.usage.usedAt - b.session.usage.usedAt);
    first?.session.close("limit", new NetworkError("ERR_LIMIT_CONNECTIONS", "idle, and another needed the place"));
    return first !== undefined;
  }

  #create(peerId: PeerId): TablePeer {
    const peer = new TablePeer(peerId, this.#left.get(peerId) ?? { bytes: 0 }, this.#owner);
    this.#left.delete(peerId);
    this.#peers.set(peerId, peer);
    return peer;
  }

  #status(peer: TablePeer, status: ConnectionStatus, error: NetworkError | null): void {
    const { peerId } = peer;
    if (this.#peers.get(peerId) !== peer) return;
    if (status === "disconnected") {
      // Out of the table first: a callback may want to connect anew.
      this.#peers.delete(peerId);
      this.#left.set(peerId, peer.held);
      peer.upgrader.stop();
    }
    if (status === "reconnecting") {
      peer.upgrader.history.moved(null, null);
      this.#context.doubtRelays();
    }
    peer.reconnector.statusChanged();
    if (status === "connected" && this.#context.upgrade) {
      peer.upgrader.announce();
      peer.upgrader.pathChanged();
    }
    if (status === "connected" && !peer.told) this.#tell(peerId, peer, "connecting", null);
    if (peer.told) this.#tell(peerId, peer, status, error);
    if (status === "connected" || status === "disconnected") {
      const waiting = this.#waiting.get(peerId);
      this.#waiting.delete(peerId);
      const reason = status === "connected" ? null : (error ?? new NetworkError("ERR_CLOSED", undefined, { peerId }));
      for (const settle of [...(waiting ?? [])]) settle(reason);
    }
  }

  #tell(peerId: PeerId, peer: Peer, status: ConnectionStatus, error: NetworkError | null): void {
    peer.told = true;
    this.#handlers.status(peerId, status, error);
  }
}

/** A session that was used within this time is not idle. */
const LEAST_IDLE_MS = 10_000;

function goodbyeRecord(): Uint8Array {
  const writer = new ByteWriter(2);
  writeGoodbye(writer, "limit");
  return writer.done();
}
