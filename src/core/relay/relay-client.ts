// The client of one relay: keeps a connection for as long as it is wanted, and carries links and rooms over it.

import { backoffDelay } from "../backoff.js";
import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { decodePeerId, encodePeerId } from "../identity.js";
import type { Runtime, SigningKey, Timer } from "../runtime.js";
import { normalizeRelayUrl, relayAuthority } from "./relay-address.js";
import { RelayConnection } from "./relay-connection.js";
import type { RelayServerFrame, RelayWelcome } from "./relay-frame.js";
import type { RelayLink } from "./relay-link.js";
import { RELAY_LINK_HEADER_BYTES, RelayLinks } from "./relay-links.js";
import type { RelayEnd } from "./relay-reason.js";
import { RelayRooms } from "./relay-rooms.js";

/** First and largest delay of a reconnection, in ms; it doubles in between, with full jitter. */
export const RELAY_RECONNECT_BASE_MS = 250;
export const RELAY_RECONNECT_MAX_MS = 16_000;
/** A connection that lasted this long, in ms, was a good one: the next delay starts from the base again. */
const STABLE_MS = 5_000;
/** Every link takes frames of 16 KiB, so a relay that carries less is of no use. */
const LEAST_PAYLOAD_BYTES = 16 * 1024 + RELAY_LINK_HEADER_BYTES;

/** What the owner of a client is told. */
export interface RelayClientHandlers {
  /** A peer opened a link to us. It is unproven; attach to it in this call. */
  link(link: RelayLink): void;
  /** The client is in the relay, or is not (any longer, or could not get in); each change once. */
  status(connected: boolean, error: NetworkError | null): void;
  /** Somebody joined or left a room that we are in, as the relay tells. */
  member(room: string, peerId: PeerId, event: "join" | "leave"): void;
}

/** What {@link RelayClient} takes. */
export interface RelayClientOptions {
  /** `ws://` or `wss://`. */
  readonly url: string;
  readonly runtime: Runtime;
  /** Our identity: it signs the relay's challenge. */
  readonly signingKey: SigningKey;
  readonly handlers: RelayClientHandlers;
  /** Default {@link RELAY_RECONNECT_BASE_MS}. */
  readonly reconnectBaseMs?: number;
  /** Default {@link RELAY_RECONNECT_MAX_MS}. */
  readonly reconnectMaxMs?: number;
}

//  idle ──start──▶ connecting ──WELCOME──▶ online          stopped: by stop(), for good
//                      ▲  │ lost, refused      │ lost         refused: the relay said no, for good
//                      │  ▼                    │
//                     waiting ◀────────────────┘
type ClientState =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting"; readonly connection: RelayConnection }
  | { readonly kind: "online"; readonly connection: RelayConnection; readonly links: RelayLinks; readonly since: number }
  | { readonly kind: "waiting"; readonly timer: Timer }
  | { readonly kind: "refused"; readonly error: NetworkError }
  | { readonly kind: "stopped" };

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/** A lasting connection to one relay. */
export class RelayClient {
  /** The URL in its normal form. */
  readonly url: string;
  /** Why we are not connected: the last failure; `null` where there was none, and while connected. */
  problem: NetworkError | null = null;
  readonly #authority: string;
  readonly #options: RelayClientOptions;
  readonly #rooms: RelayRooms;
  readonly #waiters = new Set<Waiter>();
  #state: ClientState = { kind: "idle" };
  #attempt = 0;
  #told: boolean | null = null;
  #stopListening: (() => void) | null = null;
  #welcome: RelayWelcome | null = null;

  /** @throws NetworkError `ERR_OPTION_INVALID` when the URL is not one of a relay */
  constructor(options: RelayClientOptions) {
    this.#options = options;
    this.url = normalizeRelayUrl(options.url);
    this.#authority = relayAuthority(options.url);
    const self = encodePeerId(options.signingKey.publicKey);
    const { handlers, runtime } = options;
    this.#rooms = new RelayRooms(runtime.crypto.hash("SHA256"), self, (room, peerId, event) =>
      handlers.member(room, peerId, event),
    );
  }

  get connected(): boolean {
    return this.#state.kind === "online";
  }

  /** The last round trip that was measured, in ms; `null` while not connected. */
  get rttMs(): number | null {
    return this.#state.kind === "online" ? this.#state.connection.rttMs : null;
  }

  /** What the relay told at the last login; `null` before the first. */
  get welcome(): RelayWelcome | null {
    return this.#welcome;
  }

  /** Connects, and keeps connecting until `stop` or a refusal that is final. A second call does nothing. */
  start(): void {
    if (this.#state.kind !== "idle") return;
    this.#stopListening = this.#options.runtime.onNetworkChange(() => this.#networkChanged());
    this.#connect();
  }

  /**
   * Resolves when the client is in the relay; at once when it is already. While the relay cannot be reached it goes on waiting.
   * @throws NetworkError a refusal that is final (`ERR_RELAY_REPLACED`, `ERR_RELAY_ORIGIN`, `ERR_RELAY_PROTOCOL`,
   *   `ERR_RELAY_REFUSED`), or `ERR_CLOSED` after `stop`; `signal.reason` when the signal aborts
   */
  whenConnected(signal?: AbortSignal): Promise<void> {
    const state = this.#state;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (state.kind === "online") return Promise.resolve();
    if (state.kind === "refused") return Promise.reject(state.error);
    if (state.kind === "stopped") return Promise.reject(new NetworkError("ERR_CLOSED"));
    return new Promise((resolve, reject) => {
      const done = (): void => {
        signal?.removeEventListener("abort", onAbort);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        resolve: () => {
          done();
          resolve();
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      const onAbort = (): void => waiter.reject(signal?.reason);
      signal?.addEventListener("abort", onAbort);
      this.#waiters.add(waiter);
    });
  }

  /** Asks the relay for a sign of life, as there is a reason to doubt it. */
  probe(): void {
    if (this.#state.kind === "online") this.#state.connection.probe();
  }

  /** Leaves the relay for good: links end with `ERR_RELAY_UNAVAILABLE`, who waits is rejected with `ERR_CLOSED`. */
  stop(): void {
    const state = this.#state;
    if (state.kind === "stopped") return;
    this.#leave({ kind: "stopped" }, new NetworkError("ERR_CLOSED"));
    if (state.kind === "waiting") state.timer.cancel();
    if (state.kind === "connecting") state.connection.close();
    if (state.kind === "online") {
      // The links first: their farewells still go out.
      state.links.end(new NetworkError("ERR_RELAY_UNAVAILABLE", "we left the relay"), true);
      state.connection.close();
      this.#tell(false, null);
    }
  }

  /**
   * Opens a link to a peer. Whether the peer is there shows later: the link ends with `ERR_PEER_UNREACHABLE` when it is not.
   * @throws NetworkError `ERR_RELAY_UNAVAILABLE` while not connected, `ERR_PEER_ID_INVALID`
   */
  dial(peerId: PeerId): RelayLink {
    const key = decodePeerId(peerId);
    if (this.#state.kind !== "online") throw new NetworkError("ERR_RELAY_UNAVAILABLE", undefined, { peerId });
    return this.#state.links.dial(key);
  }

  /**
   * Joins a room and stays in it: after a reconnection it is joined again, and `member` tells what changed meanwhile.
   * @returns the other members; waits for the relay where there is no connection yet
   * @throws NetworkError `ERR_ROOM_INVALID`, `ERR_ROOM_LIMIT`; the refusal, or `ERR_CLOSED`, when the client ends before
   */
  async join(room: string): Promise<PeerId[]> {
    if (this.#state.kind === "refused") throw this.#state.error;
    if (this.#state.kind === "stopped") throw new NetworkError("ERR_CLOSED");
    return this.#rooms.join(room, this.#sender());
  }

  /** Leaves a room; nothing happens when we are not in it. @throws NetworkError `ERR_ROOM_INVALID` */
  leave(room: string): void {
    this.#rooms.leave(room, this.#sender());
  }

  #sender(): ((frame: Uint8Array) => void) | null {
    const state = this.#state;
    return state.kind === "online" ? (frame) => state.connection.send(frame) : null;
  }

  #connect(): void {
    const { runtime, signingKey } = this.#options;
    const connection: RelayConnection = new RelayConnection(
      { url: this.url, authority: this.#authority, runtime, signingKey },
      {
        welcome: (welcome) => this.#online(connection, welcome),
        frame: (frame) => this.#receive(frame),
        closed: (end) => this.#lost(end),
      },
    );
    this.#state = { kind: "connecting", connection };
  }

  #online(connection: RelayConnection, welcome: RelayWelcome): void {
    const { runtime, handlers } = this.#options;
    if (welcome.maxPayloadBytes < LEAST_PAYLOAD_BYTES) {
      connection.close();
      this.#lost({ error: new NetworkError("ERR_RELAY_PROTOCOL", "its frames are too small"), final: true });
      return;
    }
    const { clock, random } = runtime;
    const links = new RelayLinks(connection, clock, random, welcome.maxPayloadBytes, (link) => handlers.link(link));
    this.#welcome = welcome;
    this.problem = null;
    this.#state = { kind: "online", connection, links, since: clock.now() };
    this.#rooms.joinAgain((frame) => connection.send(frame));
    this.#tell(true, null);
    for (const waiter of [...this.#waiters]) waiter.resolve();
  }

  #receive(frame: RelayServerFrame): void {
    if (this.#state.kind !== "online") return;
    if (frame.kind === "forward") this.#state.links.receive(frame.peerId, frame.payload);
    else if (frame.kind === "undelivered") this.#state.links.undelivered(frame.peerId, frame.reason);
    else this.#rooms.receive(frame);
  }

  #lost(end: RelayEnd): void {
    const state = this.#state;
    const { clock, random } = this.#options.runtime;
    if (state.kind === "stopped" || state.kind === "refused") return;
    this.problem = end.error;
    if (state.kind === "online" && clock.now() - state.since >= STABLE_MS) this.#attempt = 0;
    if (end.final) {
      this.#leave({ kind: "refused", error: end.error }, end.error);
    } else {
      const baseMs = this.#options.reconnectBaseMs ?? RELAY_RECONNECT_BASE_MS;
      const delayMs = backoffDelay(this.#attempt++, baseMs, this.#options.reconnectMaxMs ?? RELAY_RECONNECT_MAX_MS, random);
      this.#state = { kind: "waiting", timer: clock.after(delayMs, () => this.#connect()) };
    }
    if (state.kind === "online") state.links.end(asUnavailable(end.error), false);
    // A refusal is told even where "not connected" is no news: it is the reason why that will not change.
    if (end.final) this.#told = null;
    this.#tell(false, end.error);
  }

  /** Enters a state without return. */
  #leave(state: ClientState, error: NetworkError): void {
    this.#state = state;
    this.#stopListening?.();
    this.#stopListening = null;
    for (const waiter of [...this.#waiters]) waiter.reject(error);
    this.#rooms.failAll(error);
  }

  #networkChanged(): void {
    this.probe();
    if (this.#state.kind !== "waiting") return;
    this.#state.timer.cancel();
    this.#attempt = 0;
    this.#connect();
  }

  #tell(connected: boolean, error: NetworkError | null): void {
    if (this.#told === connected) return;
    this.#told = connected;
    this.#options.handlers.status(connected, error);
  }
}

/** Links end with one code whatever took the relay away; the cause says what it was. */
function asUnavailable(error: NetworkError): NetworkError {
  if (error.code === "ERR_RELAY_UNAVAILABLE") return error;
  return new NetworkError("ERR_RELAY_UNAVAILABLE", error.message, { cause: error });
}
