// One connection to a relay, from the open socket to its end: login, keep-alive, and frames in and out.

import { NetworkError, toNetworkError } from "../errors.js";
import type { RelaySocket, Runtime, SigningKey, Timer } from "../runtime.js";
import {
  decodeServerFrame,
  encodeLogin,
  encodePing,
  encodePong,
  RELAY_TOKEN_BYTES,
  RELAY_VERSION,
  type RelayServerFrame,
  type RelayWelcome,
} from "./relay-frame.js";
import type { RelayCarrier } from "./relay-links.js";
import { loginMessage } from "./relay-login.js";
import { type RelayEnd, relayEnd, relayEndOfClose } from "./relay-reason.js";

/** From the first packet to WELCOME, in ms. */
export const RELAY_LOGIN_TIMEOUT_MS = 10_000;
/** Silence in either direction before a ping, in ms. */
export const RELAY_PING_IDLE_MS = 15_000;
/** Silence after a ping that makes the connection dead, in ms. */
export const RELAY_PONG_TIMEOUT_MS = 5_000;
/** The same where there is a reason to doubt, as when the network has changed, in ms. */
export const RELAY_PROBE_TIMEOUT_MS = 2_500;

/** Frames that may arrive before the runtime has handed over the socket: a relay sends one. */
const MAX_EARLY_FRAMES = 4;

/** What a connection needs. */
export interface RelayConnectionOptions {
  readonly url: string;
  /** `host:port` of the URL; the login is bound to it. */
  readonly authority: string;
  readonly runtime: Runtime;
  readonly signingKey: SigningKey;
}

/** What the owner of a connection is told. Nothing comes after `closed`. */
export interface RelayConnectionHandlers {
  /** The relay let us in. */
  welcome(welcome: RelayWelcome): void;
  /** A frame after the login; byte fields are views that the handler must not keep. */
  frame(frame: RelayServerFrame): void;
  /** The connection ended, or was never made. Called once, and not after `close`. */
  closed(end: RelayEnd): void;
}

//  opening ──socket──▶ login ──WELCOME──▶ open
//     └── deadline, refusal, broken socket, close() ──┴──▶ closed
type Phase = "opening" | "login" | "open" | "closed";

/** Dials at once, logs in by itself, and ends for good when anything goes wrong: who wants another try makes a new one. */
export class RelayConnection implements RelayCarrier {
  readonly #options: RelayConnectionOptions;
  readonly #handlers: RelayConnectionHandlers;
  readonly #abort = new AbortController();
  #phase: Phase = "opening";
  #socket: RelaySocket | null = null;
  #early: Uint8Array[] = [];
  #challenged = false;
  #timer: Timer;
  #heardAt: number;
  #sentAt: number;
  #pingedAt: number | null = null;
  #patienceMs = RELAY_PONG_TIMEOUT_MS;
  /** When the last question was sent that the relay answers at once: the login, or a ping. */
  #askedAt = 0;
  /** How long the answer took, in ms; `null` before the first. */
  rttMs: number | null = null;

  constructor(options: RelayConnectionOptions, handlers: RelayConnectionHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    const { clock } = options.runtime;
    this.#heardAt = clock.now();
    this.#sentAt = this.#heardAt;
    this.#timer = clock.after(RELAY_LOGIN_TIMEOUT_MS, () => this.#unavailable("the relay did not answer in time"));
    void this.#open();
  }

  get bufferedBytes(): number {
    return this.#socket?.bufferedBytes ?? 0;
  }

  /** Sends one frame; after the end it does nothing. */
  send(frame: Uint8Array): void {
    if (this.#phase === "closed" || !this.#socket) return;
    this.#sentAt = this.#options.runtime.clock.now();
    try {
      this.#socket.send(frame);
    } catch (error) {
      this.#end({ error: toNetworkError(error, "ERR_RELAY_UNAVAILABLE"), final: false });
    }
  }

  /** Asks the relay for a sign of life now, as the network may have changed under us. */
  probe(): void {
    if (this.#phase !== "open") return;
    if (this.#pingedAt === null) {
      this.#ping(RELAY_PROBE_TIMEOUT_MS);
      return;
    }
    // It has been asked: whoever probes again and again does not put the verdict off.
    const asked = this.#options.runtime.clock.now() - this.#pingedAt;
    this.#patienceMs = Math.min(this.#patienceMs, asked + RELAY_PROBE_TIMEOUT_MS);
    this.#watch();
  }

  /** Ends the connection without telling `closed`. */
  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#timer.cancel();
    this.#early = [];
    this.#abort.abort(new NetworkError("ERR_CLOSED"));
    this.#socket?.close();
  }

  async #open(): Promise<void> {
    const { runtime, url } = this.#options;
    // The owner is still in our constructor: nothing is told before it has returned.
    await null;
    if (this.#abort.signal.aborted) return;
    try {
      const handlers = {
        frame: (frame: Uint8Array) => this.#receive(frame),
        closed: (code: number, reason: string) => this.#end(relayEndOfClose(code, reason)),
      };
      const socket = await runtime.openRelaySocket(url, handlers, this.#abort.signal);
      if (this.#abort.signal.aborted) {
        socket.close();
        return;
      }
      this.#socket = socket;
      this.#phase = "login";
    } catch (error) {
      this.#end({ error: toNetworkError(error, "ERR_RELAY_UNAVAILABLE"), final: false });
      return;
    }
    const early = this.#early;
    this.#early = [];
    for (const frame of early) this.#receive(frame);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#phase === "closed") return;
    if (this.#phase === "opening") {
      // The CHALLENGE can overtake the promise of the socket.
      if (this.#early.length < MAX_EARLY_FRAMES) this.#early.push(bytes);
      else this.#protocolError("frames before the login");
      return;
    }
    this.#heardAt = this.#options.runtime.clock.now();
    this.#pingedAt = null;
    let frame: RelayServerFrame;
    try {
      frame = decodeServerFrame(bytes);
    } catch (error) {
      this.#protocolError(error instanceof Error ? error.message : "a malformed frame");
      return;
    }
    if (frame.kind === "error") this.#end(relayEnd(frame.reason, frame.sentence));
    else if (frame.kind === "ping") this.send(encodePong(frame.token));
    else if (frame.kind === "pong") this.rttMs = this.#heardAt - this.#askedAt;
    else if (this.#phase === "login") this.#receiveBeforeWelcome(frame);
    else if (frame.kind === "challenge" || frame.kind === "welcome") this.#protocolError("a second login");
    else this.#handlers.frame(frame);
  }

  #receiveBeforeWelcome(frame: RelayServerFrame): void {
    if (frame.kind === "challenge" && !this.#challenged) {
      this.#challenged = true;
      if (frame.version !== RELAY_VERSION) this.#protocolError(`version ${frame.version} there, ${RELAY_VERSION} here`);
      else void this.#login(frame.nonce.slice());
    } else if (frame.kind === "welcome" && this.#challenged) {
      this.#phase = "open";
      this.rttMs = this.#heardAt - this.#askedAt;
      this.#watch();
      this.#handlers.welcome(frame);
    } else {
      this.#protocolError(`${frame.kind} during the login`);
    }
  }

  async #login(nonce: Uint8Array): Promise<void> {
    const { authority, signingKey } = this.#options;
    try {
      const signature = await signingKey.sign(loginMessage(nonce, authority, signingKey.publicKey));
      this.#askedAt = this.#options.runtime.clock.now();
      this.send(encodeLogin(signingKey.publicKey, signature, authority));
    } catch (error) {
      // A key that does not sign will not sign the next challenge either.
      this.#end({ error: toNetworkError(error, "ERR_CRYPTO_KEY"), final: true });
    }
  }

  /** One timer for both: the next ping, and the answer to the last one. */
  #watch(): void {
    if (this.#phase !== "open") return;
    const now = this.#options.runtime.clock.now();
    if (this.#pingedAt !== null) {
      const left = this.#pingedAt + this.#patienceMs - now;
      if (left <= 0) this.#unavailable("the relay fell silent");
      else this.#watchIn(left);
      return;
    }
    // Both directions count: the relay, too, closes what is silent for too long.
    const left = Math.min(this.#heardAt, this.#sentAt) + RELAY_PING_IDLE_MS - now;
    if (left > 0) this.#watchIn(left);
    else this.#ping();
  }

  #ping(patienceMs = RELAY_PONG_TIMEOUT_MS): void {
    const { clock, random } = this.#options.runtime;
    this.#pingedAt = clock.now();
    this.#patienceMs = patienceMs;
    this.#askedAt = this.#pingedAt;
    this.send(encodePing(random.bytes(RELAY_TOKEN_BYTES)));
    this.#watchIn(patienceMs);
  }

  #watchIn(delayMs: number): void {
    if (this.#phase !== "open") return;
    this.#timer.cancel();
    this.#timer = this.#options.runtime.clock.after(delayMs, () => this.#watch());
  }

  #protocolError(detail: string): void {
    this.#end({ error: new NetworkError("ERR_RELAY_PROTOCOL", detail), final: true });
  }

  #unavailable(detail: string): void {
    this.#end({ error: new NetworkError("ERR_RELAY_UNAVAILABLE", detail), final: false });
  }

  #end(end: RelayEnd): void {
    if (this.#phase === "closed") return;
    this.close();
    this.#handlers.closed(end);
  }
}
