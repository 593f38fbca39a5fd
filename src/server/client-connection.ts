// One client of the relay: its login, its limits, what it sends and the queue of what is sent to it.

import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { RawData, WebSocket } from "ws";
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
}

//  challenged ──valid LOGIN──▶ open ──▶ closing ──▶ closed
//      └── anything else, deadline ─────▲
type Phase = "challenged" | "open" | "closing" | "closed";

/** A WebSocket that is, or wants to be, a client. */
export class ClientConnection implements RoomMember {
  readonly rooms = new Set<string>();
  /** Resolves when the socket is gone. */
  readonly gone: Promise<void>;
  readonly #owner: ClientOwner;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #nonce = randomBytes(RELAY_NONCE_BYTES);
  readonly #frames: TokenBucket;
  readonly #bytes: TokenBucket;
  #phase: Phase = "challenged";
  #peerKey: Buffer = Buffer.alloc(0);
  #key = "";
  #pendingFrames = 0;
  #heardAt = performance.now();
  #reason: RelayReason | null = null;
  /** The login deadline first, then the end of a pause, then the end of the farewell: one at a time. */
  #timer: NodeJS.Timeout;

  constructor(owner: ClientOwner, ws: WebSocket, socket: Socket) {
    this.#owner = owner;
    this.#ws = ws;
    this.#socket = socket;
    const { limits } = owner;
    const now = performance.now();
    this.#frames = new TokenBucket(limits.framesPerSecond, limits.framesBurst, now);
    this.#bytes = new TokenBucket(limits.bytesPerSecond, limits.bytesBurst, now);
    this.#timer = setTimeout(() => this.close("login-timeout", "log in sooner"), limits.loginTimeoutMs);
    // Without this listener one bad header would end the process. ws has closed with a code (RFC 6455 §7.4.1) by itself.
    ws.on("error", (error: Error & { code?: string }) => {
      this.#reason = error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" ? "too-large" : "protocol";
    });
    ws.on("message", (data, isBinary) => this.#message(data, isBinary));
    // ws answers pings by itself unless told not to, and would queue the answers without bound.
    ws.on("ping", (data) => this.#webSocketPing(data));
    ws.on("pong", (data) => this.#spend(1, data.length));
    this.gone = new Promise((resolve) => ws.once("close", () => resolve()));
    ws.on("close", () => this.#closed());
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

  /** Frames and bytes that wait to be taken by the operating system. */
  get queuedFrames(): number {
    return this.#pendingFrames;
  }

  get queuedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  /** Silence, in ms; a paused client is not silent: it is we who do not listen. */
  silenceMs(now: number): number {
    return this.#ws.isPaused ? 0 : now - this.#heardAt;
  }

  /** Sends a frame unless the queue is full. @returns whether it was queued */
  sendData(frame: Buffer): boolean {
    const { limits } = this.#owner;
    const queuedBytes = this.#ws.bufferedAmount;
    if (this.#phase !== "open" || this.#pendingFrames >= limits.queueFrames || queuedBytes + frame.length > limits.queueBytes)
      return false;
    // A small frame that waits would keep alive the whole chunk that it was read with.
    this.#send(queuedBytes > 0 && frame.buffer.byteLength > 2 * frame.length ? Buffer.from(frame) : frame);
    return true;
  }

  sendControl(frame: Uint8Array): void {
    if (this.#phase !== "open") return;
    const { queueFrames, queueBytes } = this.#owner.limits;
    if (this.#pendingFrames >= CONTROL_SHARE * queueFrames || this.#ws.bufferedAmount >= CONTROL_SHARE * queueBytes) {
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

  #message(data: RawData, isBinary: boolean): void {
    if (this.#phase === "closing" || this.#phase === "closed") return;
    const frame = data as Buffer;
    this.#heardAt = performance.now();
    if (!isBinary) {
      this.close("protocol", "frames are binary");
      return;
    }
    if (this.#phase === "challenged") {
      this.#login(frame);
      return;
    }
    if (!this.#spend(1, frame.length)) return;
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
    this.#spend(Math.min(frames, this.#owner.limits.framesBurst), 0);
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
    this.#peerKey = Buffer.from(frame.peerId);
    this.#key = this.#peerKey.toString("latin1");
    this.#phase = "open";
    this.#owner.loggedIn(this);
  }

  #webSocketPing(data: Buffer): void {
    if (this.#phase !== "open" || !this.#spend(1, data.length)) return;
    if (this.#pendingFrames < this.#owner.limits.queueFrames) {
      this.#pendingFrames++;
      this.#ws.pong(data, false, this.#sent);
    }
  }

  /**
   * Counts against the rates. Over them the client's socket is not read until the debt is paid, so TCP slows it down; what
   * was read already is still worked on. A debt of more than a whole burst is no busy client, and is closed.
   * @returns whether the client may go on
   */
  #spend(frames: number, bytes: number): boolean {
    if (this.#phase !== "open") return false;
    const { limits } = this.#owner;
    const now = performance.now();
    const framesDebtMs = this.#frames.spend(frames, now);
    const bytesDebtMs = this.#bytes.spend(bytes, now);
    const waitMs = Math.max(framesDebtMs, bytesDebtMs);
    if (waitMs === 0) return true;
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
    this.#pendingFrames++;
    this.#ws.send(frame, this.#sent);
  }

  readonly #sent = (): void => {
    this.#pendingFrames--;
  };

  #closed(): void {
    clearTimeout(this.#timer);
    const told = this.#phase === "closing";
    this.#phase = "closed";
    if (!told) this.#owner.closed(this, this.#reason);
  }
}
