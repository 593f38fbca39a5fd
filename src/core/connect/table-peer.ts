// One peer of the table: its session, what keeps that on a good path, and who hears what the session tells.

import type { NetworkError } from "../errors.js";
import type { ConnectionStatus, PeerId } from "../events.js";
import type { LinkKind } from "../path/link.js";
import { PeerSession } from "../session/peer-session.js";
import type { SessionHandlers } from "../session/session-context.js";
import type { HeldBytes } from "../session/traffic-context.js";
import type { ByteStream } from "../stream/byte-stream.js";
import { PathUpgrader } from "./path-upgrader.js";
import type { Peer, PeerTableContext, PeerTableHandlers } from "./peer-table.js";
import { Reconnector } from "./reconnector.js";

const NO_URLS: readonly string[] = [];

/** What the table of peers hears itself. */
export interface PeerOwner {
  readonly context: PeerTableContext;
  readonly handlers: PeerTableHandlers;
  statusChanged(peer: TablePeer, status: ConnectionStatus, error: NetworkError | null): void;
}

/** A class and no closures: there may be thousands of these. */
export class TablePeer implements Peer, SessionHandlers {
  readonly peerId: PeerId;
  /** What this peer has sent and the application has not taken. */
  readonly held: HeldBytes;
  readonly #owner: PeerOwner;
  readonly session: PeerSession;
  readonly upgrader: PathUpgrader;
  readonly reconnector: Reconnector;
  dialled = NO_URLS;
  blocked = false;
  told = false;

  constructor(peerId: PeerId, held: HeldBytes, owner: PeerOwner) {
    this.peerId = peerId;
    this.held = held;
    this.#owner = owner;
    const { context } = owner;
    this.session = new PeerSession(peerId, context.session, held, this);
    this.upgrader = new PathUpgrader(this.session, context.upgrader);
    this.reconnector = new Reconnector(this.session, context.reconnector, this);
  }

  /** One attempt, over all ways that are known. */
  connect(signal: AbortSignal): Promise<unknown> {
    return this.#owner.context.reconnect(this.peerId, signal);
  }

  // ---- told by the session ---------------------------------------------------------------------------------------------

  status(status: ConnectionStatus, error: NetworkError | null): void {
    this.#owner.statusChanged(this, status, error);
  }

  path(path: LinkKind, previous: LinkKind | null): void {
    const { context, handlers } = this.#owner;
    this.upgrader.history.moved(path, this.session.remoteAddress);
    if (path === "relay" && previous !== null) context.doubtRelays();
    handlers.path(this.peerId, path, previous);
    if (context.upgrade) this.upgrader.pathChanged();
  }

  message(bytes: Uint8Array): void | Promise<void> {
    return this.#owner.handlers.message(this.peerId, bytes);
  }

  control(bytes: Uint8Array): void {
    this.upgrader.receive(bytes);
  }

  stream(stream: ByteStream): boolean {
    return this.#owner.handlers.stream(stream);
  }

  hearsDelivered(): boolean {
    return this.#owner.handlers.hearsDelivered();
  }

  delivered(messageId: string): void {
    this.#owner.handlers.delivered(this.peerId, messageId);
  }

  failed(messageId: string, error: NetworkError): void {
    this.#owner.handlers.failed(this.peerId, messageId, error);
  }

  acknowledged(): void {
    this.#owner.handlers.acknowledged(this.peerId, this);
  }

  restarted(): void {
    this.upgrader.restarted();
    this.#owner.handlers.restarted(this.peerId);
  }
}
