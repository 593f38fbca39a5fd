// NetworkManager: what an application holds. The eleven methods of the contract, events, and the little around them.

import { addAsyncDispose } from "./async-dispose.js";
import type { NetworkStats } from "./buffer-pool.js";
import { encodeUtf8 } from "./bytes.js";
import type { ConnectOptions, DeliverOptions, ExplainOptions, MessageCallbackOptions, SendOptions } from "./call-options.js";
import { type Peer, peerInfo } from "./connect/peer-table.js";
import { abortable, deadline } from "./deadline.js";
import { Engine } from "./engine.js";
import { NetworkError } from "./errors.js";
import type { ConnectionStatus, EventHandler, NetworkEvents, PeerId, PeerInfo } from "./events.js";
import { explainPath } from "./explain/explain-path.js";
import type { NetworkReport, PathReport } from "./explain/report.js";
import { fingerprint } from "./fingerprint.js";
import { createIdentity, type Identity, isPeerId } from "./identity.js";
import { decodeEnvelope, isPlainMessage } from "./message/envelope.js";
import type { Message, OutgoingMessage } from "./message/message.js";
import { Notifier } from "./notifier.js";
import { checkOptions, type NetworkLimits, type NetworkManagerOptions, resolveLimits } from "./options.js";
import { Outgoing } from "./outgoing.js";
import type { Transport } from "./path/transport.js";
import { RequestExchange } from "./request/exchange.js";
import type { RequestHandler } from "./request/handlers.js";
import type { RequestOptions } from "./request/requests.js";
import type { Room } from "./room.js";
import type { Runtime } from "./runtime.js";
import type { ByteStream } from "./stream/byte-stream.js";
import { parseTarget } from "./target.js";
import { encodeTicket, MAX_TICKET_ADDRESSES, MAX_TICKET_RELAYS, MAX_TICKET_URL_BYTES } from "./ticket.js";

type ManagerState =
  | { readonly kind: "idle" }
  | { readonly kind: "starting"; readonly engine: Engine }
  | { readonly kind: "started"; readonly engine: Engine }
  | { readonly kind: "stopping"; readonly engine: Engine; readonly done: Promise<void> };

/** One participant of the network. The class is the same in Node and in browsers; the runtime below it differs. */
export class CoreNetworkManager {
  readonly #options: NetworkManagerOptions;
  readonly #limits: NetworkLimits;
  readonly #runtime: Runtime;
  readonly #identity: Identity;
  readonly #transports: readonly Transport[];
  readonly #notifier = new Notifier();
  readonly #outgoing: Outgoing;
  readonly #requests: RequestExchange;
  #state: ManagerState = { kind: "idle" };

  /** @throws NetworkError `ERR_OPTION_INVALID` naming the option */
  constructor(options: NetworkManagerOptions, runtime: Runtime) {
    checkOptions(options);
    this.#options = options;
    this.#limits = resolveLimits(options.limits, { maxConnections: runtime.maxConnections });
    this.#runtime = runtime;
    this.#outgoing = new Outgoing(this.#limits, runtime.clock, this.#notifier);
    this.#requests = new RequestExchange(this.#limits, runtime.clock, this.#notifier, (id) => this.#peerIfAny(id));
    this.#identity = createIdentity(options.identity, runtime);
    const without = new Set(options.disableTransports ?? []);
    this.#transports = [...runtime.transports.filter((transport) => !without.has(transport.kind)), ...(options.transports ?? [])];
    addAsyncDispose(this);
  }

  /** Our own PeerId. */
  get peerId(): PeerId {
    return this.#identity.peerId;
  }

  // ---- the contract ----------------------------------------------------------------------------------------------------

  /**
   * Binds the port and joins the relays. In a browser there is no port, and it only joins the relays. A relay that cannot be
   * reached does not make it fail: the error callback tells, and it is tried again.
   * @param port - 0 to 65535; 0, the default, takes any free one, see `getLocalPort`
   * @throws NetworkError `ERR_PORT_INVALID`, `ERR_LISTEN_IN_USE`, `ERR_LISTEN_FAILED`, `ERR_STATE_ALREADY_STARTED`
   */
  async start(port = 0): Promise<void> {
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new NetworkError("ERR_PORT_INVALID", String(port));
    if (this.#state.kind !== "idle") throw new NetworkError("ERR_STATE_ALREADY_STARTED");
    const engine = this.#createEngine();
    this.#state = { kind: "starting", engine };
    try {
      await engine.start(port);
    } catch (error) {
      if (this.#state.kind === "starting" && this.#state.engine === engine) this.#state = { kind: "idle" };
      throw error;
    }
    if (this.#state.kind !== "starting" || this.#state.engine !== engine)
      throw new NetworkError("ERR_CLOSED", "stop() was called meanwhile");
    this.#state = { kind: "started", engine };
  }

  /**
   * Sends what is queued (for at most `limits.flushTimeoutMs`), tells the peers, closes everything. `start` may be called again
   * afterwards. Before `start`, and for a second time, it does nothing.
   */
  async stop(): Promise<void> {
    const state = this.#state;
    if (state.kind === "idle") return;
    if (state.kind === "stopping") return state.done;
    const done = state.engine.stop().finally(() => {
      this.#state = { kind: "idle" };
      this.#notifier.endQueues();
    });
    this.#state = { kind: "stopping", engine: state.engine, done };
    return done;
  }

  /**
   * Opens a session, or finds the one there is, and resolves to the proven PeerId.
   *
   * By address: `connectToPeer("192.168.1.5", 8080)` or a URL of a transport, such as `tcp://192.168.1.5:8080`; in a browser an
   * address is dialled as WebSocket. By identity: a PeerId or a ticket, through the relay at once, then over the best path.
   * @throws NetworkError `ERR_ADDRESS_…`, `ERR_PORT_INVALID`, `ERR_TICKET_INVALID`, `ERR_DIAL_…`, `ERR_RELAY_UNAVAILABLE`,
   *   `ERR_PEER_ID_INVALID` (the pinned one), `ERR_PEER_UNREACHABLE`, `ERR_HANDSHAKE_AUTH` and others of the handshake, `ERR_LIMIT_CONNECTIONS`; or `signal.reason`
   */
  connectToPeer(host: string, port: number, options?: ConnectOptions): Promise<PeerId>;
  connectToPeer(target: string, options?: ConnectOptions): Promise<PeerId>;
  async connectToPeer(target: string, second?: number | ConnectOptions, third?: ConnectOptions): Promise<PeerId> {
    const engine = this.#engine();
    const options = (typeof second === "number" ? third : second) ?? {};
    if (options.peerId !== undefined && !isPeerId(options.peerId)) throw new NetworkError("ERR_PEER_ID_INVALID");
    const scheme = this.#runtime.transports.find((transport) => transport.schemes.length > 0)?.schemes[0] ?? "tcp";
    const parsed = parseTarget(target, typeof second === "number" ? second : undefined, scheme);
    return engine.connect(parsed, options.timeoutMs ?? this.#limits.connectTimeoutMs, options.signal, options.peerId ?? null);
  }

  /** Sends what is queued for the peer, tells it, and ends the session. Without a session it does nothing. */
  async disconnectFromPeer(peerId: PeerId): Promise<void> {
    await this.#engine().disconnect(peerId);
  }

  /**
   * Queues a message for one peer. It is sent when this turn of the event loop ends or 128 KiB wait, kept until the peer has it, and sent again on
   * a new link if need be; the events `delivered` and `failed` tell its fate by id.
   * @returns `false` when there is no session with this peer, or its queue is full: then `drain` tells when to go on
   * @throws NetworkError `ERR_MESSAGE_INVALID`, `ERR_MESSAGE_TOO_LARGE`, `ERR_STATE_NOT_STARTED`
   */
  sendMessage(peerId: PeerId, message: OutgoingMessage, options: SendOptions = {}): boolean {
    return this.#outgoing.send(this.#engine().peers.get(peerId), message, options);
  }

  /**
   * Queues a message for every peer that has a session. It is encoded once.
   * @returns how many peers took it
   * @throws NetworkError as `sendMessage`
   */
  broadcastMessage(message: OutgoingMessage, options: SendOptions = {}): number {
    return this.#outgoing.sendToAll(this.#engine().peers.all, message, options);
  }

  /** The peers that have a session, connected or reconnecting. Empty before `start`. */
  getConnectedPeers(): PeerInfo[] {
    return this.#peers()
      .filter((peer) => peer.session.status !== "connecting")
      .map(peerInfo);
  }

  /** The bound port; `null` in a browser, and before `start`. */
  getLocalPort(): number | null {
    return this.#state.kind === "idle" ? null : this.#state.engine.port;
  }

  /** Sets what is called with each message; `null` for nothing. */
  setMessageCallback(callback: ((message: Message) => unknown) | null, options: MessageCallbackOptions = {}): void {
    this.#notifier.onMessage = callback;
    this.#notifier.awaitsMessages = options.awaited ?? false;
  }

  /** Sets what is called when a peer changes its status, once for each change; `null` for nothing. */
  setConnectionCallback(callback: ((peerId: PeerId, status: ConnectionStatus) => void) | null): void {
    this.#notifier.onConnection = callback;
  }

  /** Sets what is called with errors that no call is there to reject for, exceptions of callbacks included; `null` for nothing. */
  setErrorCallback(callback: ((error: NetworkError) => void) | null): void {
    this.#notifier.onError = callback;
  }

  // ---- around it -------------------------------------------------------------------------------------------------------

  /**
   * Sends a message and resolves when the other side has it.
   * @throws NetworkError `ERR_PEER_UNKNOWN`, `ERR_LIMIT_QUEUE`, `ERR_SESSION_LOST`, `ERR_CLOSED…`, or as `sendMessage`; or `signal.reason`
   */
  async deliver(peerId: PeerId, message: OutgoingMessage, options: DeliverOptions = {}): Promise<void> {
    return this.#outgoing.deliver(this.#engine().peers.get(peerId), peerId, message, options);
  }

  /**
   * Sends a message and resolves to the reply of the handler there. An id of the message is not used: each request draws its own.
   * @throws NetworkError `ERR_REQUEST_…` (see `remoteCode`), `ERR_OPTION_INVALID`, or as `deliver`; or `signal.reason`
   */
  async request<Reply = unknown>(
    peerId: PeerId,
    message: OutgoingMessage,
    options: RequestOptions = {},
  ): Promise<Message<Reply>> {
    this.#engine();
    return this.#requests.request(peerId, message, options) as Promise<Message<Reply>>;
  }

  /** Sets what answers requests of a type, in place of the handler before. @returns how to remove it. @throws NetworkError `ERR_MESSAGE_INVALID` */
  handle<Payload = unknown>(type: string, handler: RequestHandler<Payload>): () => void {
    return this.#requests.handle(type, handler as RequestHandler);
  }

  /**
   * Resolves when `sendMessage` takes messages for this peer: at once where its queue has room.
   * @throws NetworkError `ERR_PEER_UNKNOWN`, or why the session ended
   */
  async ready(peerId: PeerId): Promise<void> {
    return this.#outgoing.ready(this.#peer(peerId));
  }

  /** Measures a round trip to a peer, in ms. @throws NetworkError `ERR_PEER_UNKNOWN`, `ERR_CLOSED_TIMEOUT` after 10 s */
  async ping(peerId: PeerId): Promise<number> {
    const { session } = this.#peer(peerId);
    const late = (): NetworkError => new NetworkError("ERR_CLOSED_TIMEOUT", undefined, { peerId });
    const limit = deadline(this.#runtime.clock, PING_TIMEOUT_MS, undefined, late);
    try {
      return await abortable(new Promise<number>((resolve) => session.ping(resolve)), limit.signal);
    } finally {
      limit.clear();
    }
  }

  /** Listens to an event; see {@link NetworkEvents}. @returns how to stop listening */
  on<Name extends keyof NetworkEvents>(name: Name, handler: EventHandler<NetworkEvents[Name]>): () => void {
    return this.#notifier.on(name, handler);
  }

  /**
   * Opens a stream of bytes, for files and anything big: it has a window of its own, delays no message for long, and carries on
   * when the path changes. The other side gets it with its event `stream`.
   * @param name - at most 255 bytes of UTF-8
   * @throws NetworkError `ERR_PEER_UNKNOWN`, `ERR_OPTION_INVALID`
   */
  openStream(peerId: PeerId, name: string): ByteStream {
    return this.#peer(peerId).session.openStream(name);
  }

  /**
   * The messages from now on, for `for await`. `stop()` ends the loop. What the loop has not taken yet counts against
   * `limits.receiveBufferBytes`, so a slow loop slows its senders.
   */
  messages(): AsyncIterableIterator<Message> {
    return this.#notifier.openQueue();
  }

  /**
   * Joins a room at our relays; sessions with all its members open by themselves. Joining twice gives the same room.
   * @param name - 1 to 128 bytes of UTF-8; relays learn only its hash
   * @throws NetworkError `ERR_ROOM_INVALID`, `ERR_ROOM_LIMIT`, `ERR_RELAY_UNAVAILABLE`; or `signal.reason`
   */
  async joinRoom(name: string, options: { readonly signal?: AbortSignal } = {}): Promise<Room> {
    return this.#engine().joinRoom(name, options.signal);
  }

  /** One peer; `null` when there is no session. */
  getPeer(peerId: PeerId): PeerInfo | null {
    const peer = this.#peers().find((one) => one.session.peerId === peerId);
    return peer ? peerInfo(peer) : null;
  }

  /** How the buffers fare that queued messages lie in, see `limits.bufferBytes`. @throws NetworkError `ERR_STATE_NOT_STARTED` */
  stats(): NetworkStats {
    return { buffers: this.#engine().buffers.stats };
  }

  /** One string that holds our PeerId, relays and addresses: what somebody else pastes or scans to reach us. */
  ticket(): string {
    const engine = this.#engine();
    return encodeTicket({
      peerId: this.peerId,
      relays: engine.relayUrls.slice(0, MAX_TICKET_RELAYS),
      addresses: engine.addresses.filter(fitsTicket).slice(0, MAX_TICKET_ADDRESSES),
    });
  }

  /** Thirty digits for two people to compare by another channel: the same on both sides, and for no other pair of keys. */
  fingerprint(peerId: PeerId): string {
    return fingerprint(this.peerId, peerId, this.#runtime.crypto);
  }

  /**
   * Tells how this side stands, asking relays and STUN servers anew; or why the path to a peer is what it is. Plain data, made for
   * people and logs; it holds addresses and no secrets.
   * @throws NetworkError `ERR_STATE_NOT_STARTED`, `ERR_PEER_UNKNOWN`, `ERR_CLOSED` by `stop()`; or `signal.reason`
   */
  explain(options?: ExplainOptions): Promise<NetworkReport>;
  explain(peerId: PeerId): Promise<PathReport>;
  async explain(about: PeerId | ExplainOptions = {}): Promise<NetworkReport | PathReport> {
    const engine = this.#engine();
    return typeof about === "string" ? explainPath(this.#peer(about), engine.facts) : engine.explain(about);
  }

  // ---- inside ----------------------------------------------------------------------------------------------------------

  #engine(): Engine {
    const state = this.#state;
    if (state.kind !== "started" && state.kind !== "starting") throw new NetworkError("ERR_STATE_NOT_STARTED");
    return state.engine;
  }

  #peer(peerId: PeerId): Peer {
    const peer = this.#engine().peers.get(peerId);
    if (!peer) throw new NetworkError("ERR_PEER_UNKNOWN", undefined, { peerId });
    return peer;
  }

  #peerIfAny(peerId: PeerId): Peer | undefined {
    return this.#state.kind === "idle" ? undefined : this.#state.engine.peers.get(peerId);
  }

  #peers(): readonly Peer[] {
    return this.#state.kind === "idle" ? [] : this.#state.engine.peers.all;
  }

  #createEngine(): Engine {
    const notifier = this.#notifier;
    return new Engine(this.#options, this.#limits, this.#runtime, this.#identity, this.#transports, {
      status: (peerId, status, error) => notifier.connection(peerId, status, error),
      path: (peerId, path, previous) => notifier.emit("path", { peerId, path, previous }),
      message: (peerId, bytes) =>
        isPlainMessage(bytes) ? notifier.message(decodeEnvelope(bytes, peerId)) : this.#requests.receive(peerId, bytes),
      stream: (stream) => notifier.stream(stream),
      hearsDelivered: () => notifier.has("delivered"),
      delivered: (peerId, messageId) => notifier.emit("delivered", { peerId, messageId }),
      failed: (peerId, messageId, error) => notifier.emit("failed", { peerId, messageId, error }),
      restarted: (peerId) => this.#requests.ended(peerId, new NetworkError("ERR_SESSION_LOST", undefined, { peerId })),
      acknowledged: (_peerId, peer) => this.#outgoing.acknowledged(peer),
      relay: (url, connected, error) => notifier.emit("relay", { url, status: connected ? "connected" : "disconnected", error }),
      error: (error) => notifier.error(error),
      callbackThrew: (error) => notifier.callbackThrew(error),
      send: (peerIds, message) => {
        const peers = peerIds.map((peerId) => this.#engine().peers.get(peerId)).filter((peer) => peer !== undefined);
        return this.#outgoing.sendToAll(peers, message, {});
      },
    });
  }
}

/** A custom transport may name addresses that no ticket can carry. */
function fitsTicket(url: string): boolean {
  return url.includes("://") && encodeUtf8(url).length <= MAX_TICKET_URL_BYTES;
}

const PING_TIMEOUT_MS = 10_000;
