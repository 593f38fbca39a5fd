// The relay: accepts clients, hands their frames on, and forgets them. What it forwards it does not look into.

import { createServer, type IncomingMessage, type Server } from "node:http";
import { isIPv6, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ServerOptions, WebSocketServer } from "ws";
import { encodePeerId } from "../core/identity.js";
import { encodeUndelivered, encodeWelcome, FORWARD_HEADER_BYTES, UNDELIVERED } from "../core/relay/relay-frame.js";
import type { RelayReason } from "../core/relay/relay-reason.js";
import { ClientConnection, type ClientOwner, ClientWebSocket } from "./client-connection.js";
import { FrontDoor } from "./front-door.js";
import { answerHttp, refuseUpgrade } from "./http-answers.js";
import { Batches } from "./outbox.js";
import { OwnAuthorities } from "./own-authority.js";
import type { RelayLogEntry, ResolvedRelayOptions } from "./relay-options.js";
import { Rooms } from "./rooms.js";
import { SourceLimiter } from "./source-limiter.js";
import { StunConnections } from "./stun-connections.js";
import { StunRate } from "./stun-rate.js";
import { StunResponder } from "./stun-responder.js";

/** TCP connections beyond those of clients, for plain HTTP and for telling why a client is refused. */
const SPARE_CONNECTIONS = 256;
const SPARE_PER_SOURCE = 16;
/** Most bytes of a request's headers; a browser's upgrade has about 600. */
const MAX_HEADER_BYTES = 8 * 1024;
/** How long clients have to take the farewell when the relay closes, in ms. */
const CLOSE_GRACE_MS = 500;

/** A running relay. */
export class RelayServer {
  readonly #options: ResolvedRelayOptions;
  readonly #http: Server;
  /** Our own port; `null` where a server is shared. */
  readonly #door: FrontDoor | null;
  readonly #webSockets: WebSocketServer;
  readonly #authorities: OwnAuthorities;
  readonly #rooms: Rooms;
  readonly #sources: SourceLimiter;
  readonly #owner: ClientOwner;
  /** Every WebSocket, logged in or not. */
  readonly #connections = new Set<ClientConnection>();
  /** Logged in, by binary PeerId as a string. */
  readonly #clients = new Map<string, ClientConnection>();
  /** The source of each socket that is counted: its address cannot be asked for when it is gone. */
  readonly #counted = new WeakMap<Duplex, string | undefined>();
  readonly #stunRate: StunRate;
  readonly #stunConnections: StunConnections;
  #stun: StunResponder | null = null;
  #sweep: NodeJS.Timeout | null = null;
  #closing: Promise<void> | null = null;
  #whenAllGone: () => void = () => {};

  /** For `createRelay`, which opens it. */
  constructor(options: ResolvedRelayOptions) {
    this.#options = options;
    const { limits } = options;
    this.#authorities = new OwnAuthorities(options.publicUrls, options.acceptLocalNames);
    this.#rooms = new Rooms(limits);
    this.#sources = new SourceLimiter(limits.newConnectionsPerSource, limits.newConnectionsPerSource, 2 * limits.connections);
    this.#stunRate = new StunRate(limits.stunPerSource);
    const { stunConnections: maxConnections, idleMs } = limits;
    this.#stunConnections = new StunConnections({ maxConnections, idleMs, rate: this.#stunRate });
    this.#http = options.server ?? createServer({ maxHeaderSize: MAX_HEADER_BYTES });
    this.#door = options.server ? null : this.#makeDoor();
    // The farewell deadline is ours; ws would wait for 30 s.
    const webSocketOptions: ServerOptions & { readonly closeTimeout: number } = {
      WebSocket: ClientWebSocket,
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: FORWARD_HEADER_BYTES + limits.maxPayloadBytes,
      maxFragments: 256,
      maxBufferedChunks: 4096,
      autoPong: false,
      closeTimeout: 1_000,
    };
    this.#webSockets = new WebSocketServer(webSocketOptions);
    this.#webSockets.on("error", (error) => this.#log({ level: "warn", event: "error", reason: error.message }));
    this.#owner = this.#makeOwner();
  }

  /** The TCP port. */
  get port(): number {
    if (this.#door) return this.#door.port;
    const address = this.#http.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  /** The UDP port of the STUN responder; 0 when it is off. */
  get stunPort(): number {
    return this.#stun?.port ?? 0;
  }

  /** The second address of STUN, with its second port; `null` without. */
  get stunAlternate(): { readonly host: string; readonly port: number } | null {
    return this.#stun?.alternate ?? null;
  }

  /** A URL to dial: the first public one, else one of this machine. */
  get url(): string {
    const { publicUrls, host } = this.#options;
    if (publicUrls[0] !== undefined) return publicUrls[0];
    const anyHost = host === undefined || host === "0.0.0.0" || host === "::" || host === "";
    return `ws://${anyHost ? "localhost" : isIPv6(host) ? `[${host}]` : host}:${this.port}`;
  }

  /** Clients that are logged in. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Rooms with somebody in them. */
  get rooms(): number {
    return this.#rooms.size;
  }

  /** @throws NetworkError `ERR_LISTEN_IN_USE`, `ERR_LISTEN_FAILED` */
  async open(): Promise<void> {
    const { limits, port, host } = this.#options;
    this.#http.on("upgrade", this.#upgrade);
    this.#http.on("error", this.#httpError);
    if (this.#door) {
      this.#http.on("request", answerHttp);
      await this.#door.open(port, host);
    }
    try {
      this.#stun = await this.#openStun();
    } catch (error) {
      await this.close();
      throw error;
    }
    const sweepMs = Math.min(10_000, Math.max(50, limits.idleMs / 4));
    this.#sweep = setInterval(() => this.#sweepNow(), sweepMs);
    this.#sweep.unref();
    this.#log({ level: "info", event: "listening" });
  }

  /** Tells every client, closes everything and resolves when nothing is left open. Calling it twice is harmless. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#sweep) clearInterval(this.#sweep);
    this.#http.off("upgrade", this.#upgrade);
    this.#http.off("error", this.#httpError);
    const stopped = this.#door?.close();
    this.#stunConnections.close();
    const gone = new Promise<void>((resolve) => {
      this.#whenAllGone = resolve;
    });
    for (const client of [...this.#connections]) client.close("shutdown", "the relay stops");
    if (this.#connections.size === 0) this.#whenAllGone();
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([gone, new Promise((resolve) => (timer = setTimeout(resolve, CLOSE_GRACE_MS)))]);
    clearTimeout(timer);
    for (const client of [...this.#connections]) client.destroy();
    this.#door?.destroyPending();
    await Promise.all([gone, stopped, this.#stun?.close()]);
    this.#log({ level: "info", event: "stopped" });
  }

  #openStun(): Promise<StunResponder> | null {
    const { stunPort, stunAlternate, host } = this.#options;
    const port = stunPort ?? this.port;
    // A shared server that does not listen yet has no number to take.
    if (port === false || (stunPort === undefined && port === 0)) return null;
    const above = port === 0 ? 0 : port === 65_535 ? port - 1 : port + 1;
    const alternate = stunAlternate && { host: stunAlternate.host, port: stunAlternate.port ?? above };
    return StunResponder.open({ port, host, rate: this.#stunRate, alternate });
  }

  #makeDoor(): FrontDoor {
    const { limits, stunPort } = this.#options;
    return new FrontDoor({
      maxConnections: limits.connections + limits.stunConnections + SPARE_CONNECTIONS,
      deadlineMs: limits.loginTimeoutMs,
      admit: (socket) => this.#count(socket) <= limits.connectionsPerSource + SPARE_PER_SOURCE,
      gone: (socket) => this.#uncount(socket),
      http: (socket) => void this.#http.emit("connection", socket),
      stun: stunPort === false ? null : (socket) => this.#stunConnection(socket),
      error: this.#httpError,
    });
  }

  /** Its source has a rate of new connections, whatever they are for. */
  #stunConnection(socket: Socket): void {
    if (this.#sources.allow(socket.remoteAddress, performance.now())) this.#stunConnections.accept(socket);
    else socket.destroy();
  }

  readonly #httpError = (error: Error): void => {
    this.#log({ level: "warn", event: "error", reason: error.message });
  };

  /** @returns connections of this socket's source; a socket is counted once, and {@link #uncount} takes it back */
  #count(socket: Socket): number {
    const address = socket.remoteAddress;
    this.#counted.set(socket, address);
    return this.#sources.open(address, performance.now());
  }

  #uncount(socket: Socket): void {
    if (!this.#counted.has(socket)) return;
    this.#sources.close(this.#counted.get(socket));
    this.#counted.delete(socket);
  }

  readonly #upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const { path, allowedOrigins, server } = this.#options;
    // Those of the door have one already, and what a client's socket holds counts.
    if (server) socket.on("error", ignore);
    if (path !== undefined && request.url?.split("?", 1)[0] !== path) {
      // On a shared server another path is somebody else's upgrade.
      if (!server) refuseUpgrade(socket, 404, "no relay here");
      return;
    }
    const origin = request.headers.origin;
    if (allowedOrigins && origin !== undefined && !allowedOrigins.includes(origin)) {
      this.#log({ level: "info", event: "refused", reason: "page origin" });
      refuseUpgrade(socket, 403, "pages of this origin may not connect");
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (ws) => this.#accept(ws as ClientWebSocket, request.socket));
  };

  #accept(ws: ClientWebSocket, socket: Socket): void {
    this.#door?.release(socket);
    const crossed = this.#crossedLimit(socket);
    const client = new ClientConnection(this.#owner, ws, socket);
    this.#connections.add(client);
    if (crossed) client.close("connections", crossed);
    else if (this.#closing) client.close("shutdown", "the relay stops");
  }

  /** The limit that one connection more crosses, as a sentence; `null` when there is room. */
  #crossedLimit(socket: Socket): string | null {
    const { limits } = this.#options;
    const address = socket.remoteAddress;
    // Both are counted in any case, the refused ones as well.
    const isCounted = this.#counted.has(socket);
    if (!isCounted) socket.once("close", () => this.#uncount(socket));
    const ofSource = isCounted ? this.#sources.count(address) : this.#count(socket);
    const inTime = this.#sources.allow(address, performance.now());
    if (this.#connections.size >= limits.connections) return "the relay is full";
    if (ofSource > limits.connectionsPerSource) return "too many connections from this address";
    return inTime ? null : "too many new connections from this address";
  }

  #makeOwner(): ClientOwner {
    const { limits } = this.#options;
    return {
      limits,
      batches: new Batches(),
      acceptsAuthority: (authority, socket) => this.#authorities.accepts(authority, socket),
      loggedIn: (client) => this.#loggedIn(client),
      forward: (client, frame) => this.#forward(client, frame),
      room: (client, frame) =>
        frame.kind === "room-join" ? this.#rooms.join(client, frame.room) : this.#rooms.leave(client, frame.room),
      closed: (client, reason) => this.#clientClosed(client, reason),
      gone: (client) => this.#clientGone(client),
    };
  }

  #loggedIn(client: ClientConnection): void {
    const { maxPayloadBytes, idleMs } = this.#options.limits;
    this.#clients.get(client.key)?.close("replaced", "the same identity logged in again");
    this.#clients.set(client.key, client);
    client.sendWelcome(encodeWelcome({ maxPayloadBytes, idleMs, stunPort: this.stunPort }));
    this.#log({ level: "info", event: "login", peer: client.peerId.slice(0, 8), clients: this.#clients.size });
  }

  #forward(client: ClientConnection, frame: Buffer): void {
    const destination = this.#clients.get(frame.toString("latin1", 1, FORWARD_HEADER_BYTES));
    if (!destination) {
      client.sendControl(encodeUndelivered(frame.subarray(1, FORWARD_HEADER_BYTES), UNDELIVERED.NOT_HERE));
      return;
    }
    this.#options.onForward?.(client.peerId, destination.peerId, frame.subarray(FORWARD_HEADER_BYTES));
    // In place: the frame is ours alone, and the payload is never touched.
    frame.set(client.peerKey, 1);
    if (!destination.sendData(frame)) client.sendControl(encodeUndelivered(destination.peerKey, UNDELIVERED.QUEUE_FULL));
  }

  #clientClosed(client: ClientConnection, reason: RelayReason | null): void {
    this.#rooms.leaveAll(client);
    // A client that was replaced is no longer the one in the map.
    const wasIn = this.#clients.get(client.key) === client && this.#clients.delete(client.key);
    const peer = client.key ? encodePeerId(client.peerKey).slice(0, 8) : undefined;
    if (reason) this.#log({ level: "info", event: "refused", peer, reason, clients: this.#clients.size });
    else if (wasIn) this.#log({ level: "info", event: "left", peer, clients: this.#clients.size });
  }

  /** Counted until the socket is gone, not only until we have closed it: it holds a descriptor for that long. */
  #clientGone(client: ClientConnection): void {
    this.#connections.delete(client);
    if (this.#connections.size === 0) this.#whenAllGone();
  }

  #sweepNow(): void {
    const now = performance.now();
    for (const client of this.#clients.values()) {
      if (client.silenceMs(now) > this.#options.limits.idleMs) client.close("idle", "silent for too long: send a ping");
    }
    this.#sources.sweep(now);
  }

  #log(entry: RelayLogEntry): void {
    this.#options.log?.(entry);
  }
}

/** What fails is closed, and that is enough. */
function ignore(): void {}
