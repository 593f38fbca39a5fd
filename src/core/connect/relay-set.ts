// All relays of one manager, as one: where a peer is looked for, who dials us, which rooms we are in.

import type { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { isLoopback } from "../path/ip-address.js";
import { RelayClient } from "../relay/relay-client.js";
import type { RelayLink } from "../relay/relay-link.js";
import type { Runtime, SigningKey } from "../runtime.js";

/** Rank of links over a relay: anything direct is better. */
export const RELAY_RANK = 90;

/** Most relays at the same time; tickets of others can add to our own up to here. */
const MAX_RELAYS = 8;

export interface RelaySetHandlers {
  link(link: RelayLink): void;
  status(url: string, connected: boolean, error: NetworkError | null): void;
  member(room: string, peerId: PeerId, event: "join" | "leave", url: string): void;
}

export class RelaySet {
  readonly #runtime: Runtime;
  readonly #signingKey: SigningKey;
  readonly #handlers: RelaySetHandlers;
  readonly #clients = new Map<string, RelayClient>();
  #onFailure: ((url: string) => void) | null = null;

  constructor(runtime: Runtime, signingKey: SigningKey, handlers: RelaySetHandlers) {
    this.#runtime = runtime;
    this.#signingKey = signingKey;
    this.#handlers = handlers;
  }

  get clients(): readonly RelayClient[] {
    return [...this.#clients.values()];
  }

  get urls(): readonly string[] {
    return [...this.#clients.keys()];
  }

  /** Whether all are on this machine, and so are the peers that meet there; without any, "dial 127.0.0.1" is somebody else's wish. */
  get isLocal(): boolean {
    return this.urls.length > 0 && this.urls.every(isLoopbackUrl);
  }

  /** The STUN servers of the relays that we are logged in at, as `stun:host:port`. */
  get stunServers(): readonly string[] {
    return this.clients.flatMap(({ url, welcome }) => {
      const host = new URL(url).hostname;
      return welcome && welcome.stunPort > 0 ? [`stun:${host}:${welcome.stunPort}`] : [];
    });
  }

  /** The client of this relay; a new one is started. `null` when there are too many already. @throws NetworkError `ERR_OPTION_INVALID` */
  add(url: string): RelayClient | null {
    const client: RelayClient = new RelayClient({
      url,
      runtime: this.#runtime,
      signingKey: this.#signingKey,
      handlers: {
        link: (link) => this.#handlers.link(link),
        status: (connected, error) => {
          if (!connected) this.#onFailure?.(client.url);
          this.#handlers.status(client.url, connected, error);
        },
        member: (room, peerId, event) => this.#handlers.member(room, peerId, event, client.url),
      },
    });
    const known = this.#clients.get(client.url);
    if (known) return known;
    if (this.#clients.size >= MAX_RELAYS) return null;
    this.#clients.set(client.url, client);
    client.start();
    return client;
  }

  /**
   * Starts these relays and waits until one is joined, or all have failed once, or the signal aborts: an unreachable relay delays a
   * start and does not prevent it. Its clients go on trying.
   */
  async join(urls: readonly string[], signal: AbortSignal): Promise<void> {
    const clients = urls.map((url) => this.add(url)).filter((client) => client !== null);
    if (clients.length === 0) return;
    const stop = new AbortController();
    const allFailed = new Promise<void>((resolve) => {
      const failed = new Set<string>();
      this.#onFailure = (url) => {
        failed.add(url);
        if (clients.every((client) => failed.has(client.url))) resolve();
      };
    });
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const joined = Promise.any(clients.map((client) => client.whenConnected(stop.signal))).catch(() => undefined);
    await Promise.race([joined, allFailed, aborted]);
    this.#onFailure = null;
    stop.abort();
  }

  /** Asks all for a sign of life: where another path died in silence, they may have died with it. */
  probe(): void {
    for (const client of this.#clients.values()) client.probe();
  }

  stop(): void {
    for (const client of this.#clients.values()) client.stop();
    this.#clients.clear();
  }
}

function isLoopbackUrl(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  return host === "localhost" || isLoopback(host);
}
