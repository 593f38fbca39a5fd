// A relay in memory, over virtual time: it believes everybody's PeerId and forwards. What it lacks is tested at the real one.

import { NetworkError } from "../../src/core/errors.js";
import {
  decodeClientFrame,
  encodeChallenge,
  encodeForward,
  encodePong,
  encodeUndelivered,
  encodeWelcome,
  RELAY_NONCE_BYTES,
  UNDELIVERED,
} from "../../src/core/relay/relay-frame.js";
import type { Clock, Millis, RelaySocket, RelaySocketHandlers } from "../../src/core/runtime.js";

const WELCOME = { maxPayloadBytes: 65_536, idleMs: 60_000, stunPort: 0 };

interface Client {
  /** Frames reach it only while this is set. */
  readonly handlers: RelaySocketHandlers;
  readonly owner: string;
  /** Of its PeerId; empty before it has logged in. */
  key: string;
  silent: boolean;
}

const keyOf = (peerId: Uint8Array): string => peerId.join();

export class SimRelay {
  readonly #clock: Clock;
  readonly #delayMs: Millis;
  readonly #clients = new Set<Client>();

  /** @param delayMs - one way */
  constructor(clock: Clock, delayMs: Millis) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** Opens a socket for the node of this name. */
  async open(handlers: RelaySocketHandlers, owner: string): Promise<RelaySocket> {
    await new Promise<void>((resolve) => this.#clock.after(2 * this.#delayMs, resolve));
    const client: Client = { handlers, owner, key: "", silent: false };
    this.#clients.add(client);
    this.#toClient(client, encodeChallenge(new Uint8Array(RELAY_NONCE_BYTES)));
    return {
      send: (frame) => this.#after(client, () => this.#receive(client, frame.slice())),
      close: () => void this.#clients.delete(client),
      bufferedBytes: 0,
    };
  }

  /** Nothing passes on the sockets that this node has now, either way, and nobody is told: as when its address is gone. */
  silence(owner: string): void {
    for (const client of this.#clients) if (client.owner === owner) client.silent = true;
  }

  #receive(client: Client, bytes: Uint8Array): void {
    const frame = decodeClientFrame(bytes);
    if (frame.kind === "login") {
      // The newest takes the id.
      for (const other of this.#clients) if (other.key === keyOf(frame.peerId)) this.#clients.delete(other);
      client.key = keyOf(frame.peerId);
      this.#toClient(client, encodeWelcome(WELCOME));
    } else if (frame.kind === "ping") {
      this.#toClient(client, encodePong(frame.token));
    } else if (frame.kind === "forward") {
      const from = Uint8Array.from(client.key.split(","), Number);
      const target = [...this.#clients].find(({ key }) => key === keyOf(frame.peerId));
      if (target) this.#toClient(target, encodeForward(from, frame.payload));
      else this.#toClient(client, encodeUndelivered(frame.peerId, UNDELIVERED.NOT_HERE));
    } else if (frame.kind !== "pong") {
      throw new NetworkError("ERR_FRAME_MALFORMED", `this relay knows no ${frame.kind}`);
    }
  }

  #toClient(client: Client, frame: Uint8Array): void {
    this.#after(client, () => client.handlers.frame(frame));
  }

  #after(client: Client, event: () => void): void {
    this.#clock.after(this.#delayMs, () => {
      if (!client.silent && this.#clients.has(client)) event();
    });
  }
}
