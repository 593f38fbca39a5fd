// Everything that exists between start() and stop(): listeners, relays, sessions, rooms, and the ways from one to the other.

import { BufferPool } from "./buffer-pool.js";
import type { ExplainOptions } from "./call-options.js";
import { ChannelOpener } from "./connect/channel-opener.js";
import { Dialer } from "./connect/dialer.js";
import { InboundGate, sourceOf } from "./connect/inbound-gate.js";
import { type Peer, PeerTable, type PeerTableHandlers } from "./connect/peer-table.js";
import { RELAY_RANK, RelaySet } from "./connect/relay-set.js";
import { SharedAttempts } from "./connect/shared-attempts.js";
import { Ways } from "./connect/ways.js";
import { WhatWorked } from "./connect/what-worked.js";
import { type Deadline, deadline } from "./deadline.js";
import { NetworkError, toNetworkError } from "./errors.js";
import type { PeerId } from "./events.js";
import { explainDeadline, explainNetwork } from "./explain/explain-network.js";
import type { Facts } from "./explain/facts.js";
import type { NetworkReport } from "./explain/report.js";
import type { Identity } from "./identity.js";
import type { OutgoingMessage } from "./message/message.js";
import type { NetworkLimits, NetworkManagerOptions } from "./options.js";
import type { Link } from "./path/link.js";
import { type PortMapping, type PortMappingStatus, withMapped } from "./path/port-mapping.js";
import type { Listener, Transport } from "./path/transport.js";
import type { Room, RoomContext } from "./room.js";
import { RoomSet } from "./room-set.js";
import type { Runtime } from "./runtime.js";
import { sessionContext } from "./session/session-context.js";
import type { Target } from "./target.js";

export interface EngineHandlers extends PeerTableHandlers {
  relay(url: string, connected: boolean, error: NetworkError | null): void;
  error(error: NetworkError): void;
  callbackThrew(error: unknown): void;
  send(peerIds: readonly PeerId[], message: OutgoingMessage): number;
}

export class Engine {
  readonly #options: NetworkManagerOptions;
  readonly #limits: NetworkLimits;
  readonly #runtime: Runtime;
  readonly #identity: Identity;
  readonly #handlers: EngineHandlers;
  readonly #transports: readonly Transport[];
  readonly #dialer: Dialer;
  readonly #opener: ChannelOpener;
  readonly #relays: RelaySet;
  readonly #ways: Ways;
  readonly #rooms: RoomSet;
  readonly #attempts = new SharedAttempts<PeerId>();
  /** Peers that the application sent away: rooms do not bring them back. */
  readonly #sentAway = new Set<PeerId>();
  #listeners: Listener[] = [];
  #mapping: PortMapping | null = null;
  #stopWatching: (() => void) | null = null;
  /** What is waited for; stop() ends it. */
  readonly #calls = new Set<Deadline>();
  #stopped = false;
  readonly peers: PeerTable;
  /** What is queued for all peers lies in these. */
  readonly buffers: BufferPool;

  constructor(
    options: NetworkManagerOptions,
    limits: NetworkLimits,
    runtime: Runtime,
    identity: Identity,
    transports: readonly Transport[],
    handlers: EngineHandlers,
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#runtime = runtime;
    this.#identity = identity;
    this.#transports = transports;
    this.#handlers = handlers;
    this.buffers = new BufferPool(limits.bufferBytes, limits.spareBuffers);
    this.#dialer = new Dialer(transports, runtime.clock, limits.dialTimeoutMs);
    this.peers = new PeerTable(this.#tableContext(), { ...handlers, status: (...event) => this.#status(...event) });
    this.#opener = new ChannelOpener(
      {
        crypto: runtime.crypto,
        clock: runtime.clock,
        identity,
        staticKey: runtime.crypto.generateDhKeyPair(),
        handshakeTimeoutMs: limits.handshakeTimeoutMs,
      },
      new InboundGate(runtime.clock, limits.maxUnproven, limits.unprovenPerSecond),
      (peerId, channel, rank) => this.peers.adopt(peerId, channel, rank),
    );
    this.#relays = new RelaySet(runtime, identity, {
      link: (link) => this.#opener.accept(link, RELAY_RANK, `relay:${link.claimedPeerId}`),
      status: (url, connected, error) => this.#relayStatus(url, connected, error),
      member: (room, peerId, event, url) => this.#rooms.member(room, peerId, event, url),
    });
    this.#ways = new Ways(this.#dialer, this.#opener, this.#relays, this.peers, runtime.clock);
    const context: Omit<RoomContext, "leave"> = {
      clock: runtime.clock,
      random: runtime.random,
      hasSession: (peerId) => this.#sentAway.has(peerId) || this.peers.get(peerId) !== undefined,
      connect: (peerId) =>
        this.connect({ kind: "peer", peerId, addresses: [], relays: [] }, limits.connectTimeoutMs, undefined, null),
      send: (peerIds, message) => handlers.send(peerIds, message),
      onThrow: (error) => handlers.callbackThrew(error),
    };
    this.#rooms = new RoomSet(this.#relays, context, limits.connectTimeoutMs);
  }

  /** The bound port; `null` where nothing was bound. */
  get port(): number | null {
    return this.#listeners.find((listener) => listener.port !== null)?.port ?? null;
  }

  get addresses(): readonly string[] {
    const own = this.#listeners.flatMap((listener) => listener.addresses());
    return withMapped(own, this.#mapping?.addresses() ?? []);
  }

  /** What came of asking the gateway to let others in; `null` where nobody asked. */
  get portMapping(): PortMappingStatus | null {
    return this.#mapping?.status ?? null;
  }

  get relayUrls(): readonly string[] {
    return this.#relays.urls;
  }

  /** Binds, and joins the relays. @throws NetworkError `ERR_LISTEN_…`; nothing is left open then */
  async start(port: number): Promise<void> {
    try {
      for (const transport of this.#transports) {
        if (!transport.listen) continue;
        const context = {
          // The first listener with a port decides for the others, so that "any" is one port for all.
          port: this.port ?? port,
          host: this.#options.host,
          onLink: (link: Link) => this.#opener.accept(link, this.#rankOf(link, transport), sourceOf(link)),
          onError: (error: unknown) => this.#handlers.error(toNetworkError(error, "ERR_LISTEN_FAILED")),
        };
        const listener = await transport.listen(context);
        this.#listeners.push(listener);
        // stop() may have been called while the port opened: it did not know of this listener.
        if (this.#stopped) throw stopped();
      }
    } catch (error) {
      await this.#closeListeners();
      throw toNetworkError(error, "ERR_LISTEN_FAILED");
    }
    if (this.#stopped) throw stopped();
    const onChange = (): void => this.peers.networkChanged();
    this.#mapping = this.#runtime.mapPorts?.({ listeners: this.#listeners, host: this.#options.host, onChange }) ?? null;
    const stops = [
      this.#runtime.onNetworkChange(() => this.peers.networkChanged()),
      this.#runtime.onUnload?.(() => {
        for (const peer of this.peers.all) peer.session.closeAtOnce();
      }),
    ];
    this.#stopWatching = () => {
      for (const stop of stops) stop?.();
    };
    const late = (): NetworkError => new NetworkError("ERR_RELAY_UNAVAILABLE");
    const limit = deadline(this.#runtime.clock, this.#limits.connectTimeoutMs, undefined, late);
    await this.#relays.join(this.#options.relays ?? [], this.#call(limit).signal);
    this.#done(limit);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    // What is still being dialled would keep a process alive for as long as its time-outs.
    for (const call of this.#calls) call.abort(stopped());
    this.#stopWatching?.();
    this.#rooms.stop();
    const closing = this.#closeListeners();
    await Promise.all(this.peers.all.map((peer) => this.#flush(peer)));
    for (const peer of this.peers.all) peer.session.close("leaving", null);
    this.#opener.close();
    this.#relays.stop();
    await closing;
  }

  /** Sends what is queued, for as long as the limits allow, and ends the session. */
  async disconnect(peerId: PeerId): Promise<void> {
    this.#sentAway.add(peerId);
    // The oldest is forgotten: at worst a room meets again whom the application sent away long ago.
    if (this.#sentAway.size > MAX_SENT_AWAY) for (const oldest of [...this.#sentAway].slice(0, 1)) this.#sentAway.delete(oldest);
    const peer = this.peers.get(peerId);
    if (!peer) return;
    await this.#flush(peer);
    peer.session.close("done", null);
  }

  async connect(target: Target, timeoutMs: number, signal: AbortSignal | undefined, pinned: PeerId | null): Promise<PeerId> {
    const limit = this.#call(deadline(this.#runtime.clock, timeoutMs, signal, () => this.#lateError(target)));
    try {
      if (target.kind === "url") {
        const { url } = target;
        const peerId = await this.#attempts.run(`${url} ${pinned ?? ""}`, limit.signal, this.#ways.byUrl(url, pinned));
        this.#sentAway.delete(peerId);
        return peerId;
      }
      if (target.peerId === this.#identity.peerId) throw new NetworkError("ERR_DIAL_SELF");
      if (pinned !== null && pinned !== target.peerId)
        throw new NetworkError("ERR_HANDSHAKE_AUTH", "the target names another PeerId");
      this.#sentAway.delete(target.peerId);
      for (const url of target.relays) this.#relays.add(url);
      const { peerId, addresses } = target;
      return await this.#attempts.run(peerId, limit.signal, (shared) => this.#ways.toPeer(peerId, addresses, shared));
    } finally {
      this.#done(limit);
    }
  }

  joinRoom(name: string, signal?: AbortSignal): Promise<Room> {
    return this.#rooms.join(name, signal);
  }

  /** How this side stands. @throws the signal's reason, or `ERR_CLOSED` when the engine stops meanwhile */
  explain(options: ExplainOptions): Promise<NetworkReport> {
    const limit = this.#call(explainDeadline(this.#runtime.clock, options));
    return explainNetwork(this.facts, limit.signal).finally(() => this.#done(limit));
  }

  /** What `explain` is made of. */
  get facts(): Facts {
    return {
      runtime: this.#runtime,
      options: this.#options,
      peerId: this.#identity.peerId,
      port: this.port,
      transports: this.#transports,
      addresses: this.addresses,
      portMapping: this.portMapping,
      relays: this.#relays.clients,
      stunServers: [...(this.#options.stunServers ?? []), ...this.#relays.stunServers],
    };
  }

  #reconnect(peerId: PeerId, signal: AbortSignal): Promise<PeerId> {
    const late = (): NetworkError => new NetworkError("ERR_DIAL_TIMEOUT");
    const limit = deadline(this.#runtime.clock, this.#limits.connectTimeoutMs, signal, late);
    return this.#ways.again(peerId, limit.signal).finally(() => limit.clear());
  }

  #call(limit: Deadline): Deadline {
    this.#calls.add(limit);
    return limit;
  }

  #done(limit: Deadline): void {
    this.#calls.delete(limit);
    limit.clear();
  }

  #lateError(target: Target): NetworkError {
    if (target.kind === "peer" && this.#relays.clients.length > 0 && !this.#relays.clients.some((client) => client.connected)) {
      return new NetworkError("ERR_RELAY_UNAVAILABLE", undefined, { peerId: target.peerId });
    }
    return new NetworkError("ERR_DIAL_TIMEOUT");
  }

  #relayStatus(url: string, connected: boolean, error: NetworkError | null): void {
    this.#handlers.relay(url, connected, error);
    if (error) this.#handlers.error(error);
    if (connected) this.peers.networkChanged();
  }

  #status(...event: Parameters<PeerTableHandlers["status"]>): void {
    const [peerId, status] = event;
    this.#handlers.status(...event);
    if (status !== "disconnected") return;
    this.#rooms.sessionEnded(peerId);
  }

  // A listener may bring links of more than one kind: a port serves TCP and WebSocket.
  #rankOf(link: Link, listener: Transport): number {
    return (this.#transports.find((transport) => transport.kind === link.kind) ?? listener).rank;
  }

  async #flush(peer: Peer): Promise<void> {
    if (peer.session.queuedBytes === 0 || peer.session.status !== "connected") return;
    await new Promise<void>((resolve) => {
      const timer = this.#runtime.clock.after(this.#limits.flushTimeoutMs, resolve);
      peer.session.whenFlushed(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  async #closeListeners(): Promise<void> {
    const listeners = this.#listeners;
    this.#listeners = [];
    await Promise.all([this.#mapping, ...listeners].map((open) => open?.close()));
  }

  #tableContext(): ConstructorParameters<typeof PeerTable>[0] {
    const { clock, random } = this.#runtime;
    const limits = this.#limits;
    const session = sessionContext(this.#runtime, this.#identity.peerId, this.#options.name ?? "", limits, this.buffers);
    return {
      session,
      upgrade: this.#options.upgrade ?? true,
      upgrader: {
        clock,
        random,
        ownId: this.#identity.peerId,
        dialer: this.#dialer,
        negotiators: this.#transports,
        stunServers: () => this.facts.stunServers,
        worked: new WhatWorked(),
        ownAddresses: () => this.addresses,
        allowLoopback: () => this.#relays.isLocal,
        open: ({ link, rank }, initiator, peerId, signal) => this.#opener.connect(link, rank, initiator, peerId, signal),
        onError: (error) => this.#handlers.error(error),
      },
      reconnector: { clock, random, baseMs: limits.reconnectBaseMs, maxMs: limits.reconnectMaxMs },
      maxConnections: limits.maxConnections,
      evictIdle: this.#options.evictIdle ?? false,
      reconnect: (peerId, signal) => this.#reconnect(peerId, signal),
      doubtRelays: () => this.#relays.probe(),
    };
  }
}

/** Peers that the application sent away and rooms do not bring back. */
const MAX_SENT_AWAY = 10_000;

function stopped(): NetworkError {
  return new NetworkError("ERR_CLOSED", "stop() was called meanwhile");
}
