// One client of the relay: its login, its limits, what it sends and the queue of what is sent to it.

import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { type RawData, WebSocket } from "ws";
import { EMPTY_BYTES } from "../core/bytes.js";
import { toNetworkError } from "../core/errors.js";
import type { PeerId } from "../core/events.js";
import { encodePeerId } from "../core/identity.js";
import {
  decodeClientFrame,
  encodeChallenge,
  encodePong,
  encodeRelayError,
  FORWARD_HEADER_BYTES,
  RELAY_KIND,
  RELAY_NONCE_BYTES,
  type RelayClientFrame,
} from "../core/relay/relay-frame.js";
import { loginMessage } from "../core/relay/relay-login.js";
import { type RelayReason, relayCloseCode } from "../core/relay/relay-reason.js";
import { nodeCrypto } from "../node/node-crypto.js";
import { type Batches, OPCODE, Outbox } from "./outbox.js";
import type { RelayLimits } from "./relay-limits.js";
import type { RoomMember } from "./rooms.js";
import { TokenBucket } from "./token-bucket.js";

/** Its `verify` refuses keys of small order, for which anybody can sign. */
const crypto = nodeCrypto();

/** How long a refused client has to read why, in ms, before its socket is destroyed. */
const FAREWELL_MS = 1_000;
/** Control frames may use the queue up to this multiple of its bounds: data is dropped first. */
const CONTROL_SHARE = 2;
/** Longest close reason, in bytes: a control frame carries 125, two of them the code (RFC 6455 §5.5). */
const CLOSE_REASON_BYTES = 123;

/** What a client connection asks of the relay. */
export interface ClientOwner {
  readonly limits: RelayLimits;
  readonly batches: Batches;
  /** Whether `authority` is one of ours, seen from this connection. */
  acceptsAuthority(authority: string, socket: Socket): boolean;
  /** The client has proven its key. */
  loggedIn(client: ClientConnection): void;
  /** A FORWARD, whole, with the destination in it. */
  forward(client: ClientConnection, frame: Buffer): void;
  /** @returns how many frames the relay sent for it */
  room(client: ClientConnection, frame: RelayClientFrame & { readonly kind: "room-join" | "room-leave" }): number;
  /** The connection is over; called once. `reason` is ours, `null` where the client left. */
  closed(client: ClientConnection, reason: RelayReason | null): void;
  /** The socket is gone; called once, after `closed`. */
  gone(client: ClientConnection): void;
}

/** A WebSocket that knows its client, so that all of them share their listeners. */
export class ClientWebSocket extends WebSocket {
  client: ClientConnection | null = null;
}

//  challenged ──valid LOGIN──▶ open ──▶ closing ──▶ closed
//      └── anything else, deadline ─────▲
type Phase = "challenged" | "open" | "closing" | "closed";

/** A WebSocket that is, or wants to be, a client. There are thousands, most of them idle: what is not needed is not kept. */
export class ClientConnection implements RoomMember {
  readonly #owner: ClientOwner;
  readonly #ws: ClientWebSocket;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #frames: TokenBucket;
  readonly #bytes: TokenBucket;
  #phase: Phase = "challenged";
  /** Kept until the login. */
  #nonce: Uint8Array = randomBytes(RELAY_NONCE_BYTES);
  #peerKey: Uint8Array = EMPTY_BYTES;
  #key = "";
  #rooms: Set<string> | null = null;
  #heardAt: number;
  #reason: RelayReason | null = null;
  /** The login deadline first, then the end of a pause, then the end of the farewell: one at a time. */
  #timer: NodeJS.Timeout | undefined;

  constructor(owner: ClientOwner, ws: ClientWebSocket, socket: Socket) {
    this.#owner = owner;
    this.#ws = ws;
    this.#socket = socket;
    this.#outbox = new Outbox(ws, socket, owner.batches);
    const { limits } = owner;
    const now = performance.now();
    this.#heardAt = now;
    this.#frames = new TokenBucket(limits.framesPerSecond, limits.framesBurst, now);
    this.#bytes = new TokenBucket(limits.bytesPerSecond, limits.bytesBurst, now);
    this.#timer = setTimeout(() => this.close("login-timeout", "log in sooner"), limits.loginTimeoutMs);
    ws.client = this;
    // Without a listener for "error" one bad header would end the process.
    ws.on("message", onMessage).on("ping", onPing).on("pong", onPong).on("error", onError).on("close", onClose);
    this.#send(encodeChallenge(this.#nonce));
  }

  /** Binary PeerId; empty before the login. */
  get peerKey(): Uint8Array {
    return this.#peerKey;
  }

  /** The same as a string of 32 characters, for Maps. */
  get key(): string {
    return this.#key;
  }

  get peerId(): PeerId {
    return encodePeerId(this.#peerKey);
  }

  get rooms(): Set<string> {
    this.#rooms ??= new Set();
    return this.#rooms;
  }

  /** Silence, in ms; a paused client is not silent: it is we who do not listen. */
  silenceMs(now: number): number {
    return this.#ws.isPaused ? 0 : now - this.#heardAt;
  }

  /** Sends a frame unless the queue is full. @returns whether it was queued */
  sendData(frame: Uint8Array): boolean {
    const { queueFrames, queueBytes } = this.#owner.limits;
    if (this.#phase !== "open" || !this.#outbox.hasRoom(frame.length, queueFrames, queueBytes)) return false;
    this.#send(frame);
    return true;
  }

  sendControl(frame: Uint8Array): void {
    if (this.#phase !== "open") return;
    const { queueFrames, queueBytes } = this.#owner.limits;
    if (!this.#outbox.hasRoom(0, CONTROL_SHARE * queueFrames, CONTROL_SHARE * queueBytes)) {
      // Not now: the caller may be half way through a list that closing would change.
      setImmediate(() => this.close("rate", "read what is sent to you"));
      return;
    }
    this.#send(frame);
  }

  sendWelcome(frame: Uint8Array): void {
    this.#send(frame);
  }

  /** Tells the client why, and closes. */
  close(reason: RelayReason, sentence: string): void {
    if (this.#phase === "closing" || this.#phase === "closed") return;
    this.#phase = "closing";
    this.#reason = reason;
    this.#send(encodeRelayError(reason, sentence));
    this.#outbox.flush();
    this.#ws.close(relayCloseCode(reason), Buffer.from(sentence).subarray(0, CLOSE_REASON_BYTES).toString());
    this.#ws.resume();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ws.terminate(), FAREWELL_MS);
    this.#owner.closed(this, reason);
  }

  /** Cuts the connection at once. */
  destroy(): void {
    this.#ws.terminate();
  }

  /** A message came. */
  receive(frame: Buffer, isBinary: boolean): void {
    if (this.#phase === "closing" || this.#phase === "closed") return;
    const now = performance.now();
    this.#heardAt = now;
    if (!isBinary) {
      this.close("protocol", "frames are binary");
      return;
    }
    if (this.#phase === "challenged") {
      this.#login(frame);
      return;
    }
    if (!this.#spend(1, frame.length, now)) return;
    if (frame[0] === RELAY_KIND.FORWARD && frame.length >= FORWARD_HEADER_BYTES) this.#owner.forward(this, frame);
    else this.#command(frame);
  }

  #command(bytes: Buffer): void {
    const frame = this.#decode(bytes);
    if (!frame) return;
    if (frame.kind === "ping") this.sendControl(encodePong(frame.token));
    else if (frame.kind === "room-join" || frame.kind === "room-leave") this.#chargeRoom(this.#owner.room(this, frame));
    else if (frame.kind !== "pong") this.close("protocol", "one login is enough");
  }

  /** One join makes a frame for each member: the output is what counts. No single join is more than a burst. */
  #chargeRoom(frames: number): void {
    this.#spend(Math.min(frames, this.#owner.limits.framesBurst), 0, performance.now());
  }

  #decode(bytes: Buffer): RelayClientFrame | null {
    try {
      return decodeClientFrame(bytes);
    } catch (error) {
      this.close("protocol", toNetworkError(error, "ERR_FRAME_MALFORMED").message);
      return null;
    }
  }

  #login(bytes: Buffer): void {
    if (bytes[0] !== RELAY_KIND.LOGIN) {
      this.close("protocol", "log in first");
      return;
    }
    const frame = this.#decode(bytes);
    if (frame?.kind !== "login") return;
    // The name first: it costs nothing to compare.
    if (!this.#owner.acceptsAuthority(frame.authority, this.#socket)) {
      this.close("origin", "this relay does not know itself by the address that was dialled; its operator can set publicUrls");
      return;
    }
    const message = loginMessage(this.#nonce, frame.authority, frame.peerId);
    if (!crypto.verify(frame.peerId, message, frame.signature)) {
      this.close("login", "the signature does not answer the challenge");
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#nonce = EMPTY_BYTES;
    // A copy of its own: a view would keep alive the chunk that it was read with.
    this.#peerKey = new Uint8Array(frame.peerId);
    this.#key = bytes.toString("latin1", 1, 1 + frame.peerId.length);
    this.#phase = "open";
    this.#owner.loggedIn(this);
  }

  /** A ping of WebSocket came. `ws` would answer by itself, and queue the answers without bound. */
  receivePing(data: Buffer): void {
    if (!this.#spend(1, data.length, performance.now())) return;
    const { queueFrames, queueBytes } = this.#owner.limits;
    if (this.#outbox.hasRoom(data.length, queueFrames, queueBytes)) this.#outbox.add(OPCODE.PONG, data);
  }

  /** A pong of WebSocket came. */
  receivePong(data: Buffer): void {
    this.#spend(1, data.length, performance.now());
  }

  /** What came is not WebSocket, or too large. `ws` has closed with a code (RFC 6455 §7.4.1) by itself. */
  receiveFault(code: string | undefined): void {
    this.#reason = code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" ? "too-large" : "protocol";
  }

  /** The WebSocket is closed, and its socket gone. */
  receiveClose(): void {
    clearTimeout(this.#timer);
    const told = this.#phase === "closing";
    this.#phase = "closed";
    if (!told) this.#owner.closed(this, this.#reason);
    this.#owner.gone(this);
  }

  /**
   * Counts against the rates. Over them the client's socket is not read until the debt is paid, so TCP slows it down; what
   * was read already is still worked on. A debt of more than a whole burst is no busy client, and is closed.
   * @returns whether the client may go on
   */
  #spend(frames: number, bytes: number, now: number): boolean {
    if (this.#phase !== "open") return false;
    const framesDebtMs = this.#frames.spend(frames, now);
    const bytesDebtMs = this.#bytes.spend(bytes, now);
    const waitMs = Math.max(framesDebtMs, bytesDebtMs);
    if (waitMs === 0) return true;
    const { limits } = this.#owner;
    if (
      framesDebtMs * limits.framesPerSecond > 1000 * limits.framesBurst ||
      bytesDebtMs * limits.bytesPerSecond > 1000 * limits.bytesBurst
    ) {
      this.close("rate", "send fewer frames");
      return false;
    }
    if (!this.#ws.isPaused) this.#pause(waitMs);
    return true;
  }

  #pause(waitMs: number): void {
    this.#ws.pause();
    this.#timer = setTimeout(() => {
      const now = performance.now();
      const leftMs = Math.max(this.#frames.spend(0, now), this.#bytes.spend(0, now));
      if (leftMs > 0) {
        this.#pause(leftMs);
        return;
      }
      this.#heardAt = now;
      this.#ws.resume();
    }, Math.ceil(waitMs));
  }

  #send(frame: Uint8Array): void {
    this.#outbox.add(OPCODE.BINARY, frame);
  }
}

// One of each for all clients.

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  (this as ClientWebSocket).client?.receive(data as Buffer, isBinary);
}

function onPing(this: WebSocket, data: Buffer): void {
  (this as ClientWebSocket).client?.receivePing(data);
}

function onPong(this: WebSocket, data: Buffer): void {
  (this as ClientWebSocket).client?.receivePong(data);
}

function onError(this: WebSocket, error: Error & { code?: string }): void {
  (this as ClientWebSocket).client?.receiveFault(error.code);
}

function onClose(this: WebSocket): void {
  (this as ClientWebSocket).client?.receiveClose();
}
