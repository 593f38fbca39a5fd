// The ways to a peer: by address, by relay, by what worked before. Each ends in a connected session or an error.

import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import type { LinkKind } from "../path/link.js";
import type { RelayClient } from "../relay/relay-client.js";
import type { Clock } from "../runtime.js";
import type { ChannelOpener, EndWatch } from "./channel-opener.js";
import type { Dialer, DialledLink } from "./dialer.js";
import type { PeerTable } from "./peer-table.js";
import { type Attempt, race } from "./race.js";
import { RELAY_RANK, type RelaySet } from "./relay-set.js";

export class Ways {
  readonly #dialer: Dialer;
  readonly #opener: ChannelOpener;
  readonly #relays: RelaySet;
  readonly #peers: PeerTable;
  readonly #clock: Clock;

  constructor(dialer: Dialer, opener: ChannelOpener, relays: RelaySet, peers: PeerTable, clock: Clock) {
    this.#dialer = dialer;
    this.#opener = opener;
    this.#relays = relays;
    this.#peers = peers;
    this.#clock = clock;
  }

  /** Whoever listens at `url`, or nobody but `expected`. */
  byUrl(url: string, expected: PeerId | null): Attempt<PeerId> {
    return async (signal) => {
      const peerId = await this.#open(await this.#dialer.dial(url, signal), expected, signal);
      const peer = this.#peers.get(peerId);
      if (peer && !peer.dialled.includes(url)) peer.dialled = [...peer.dialled, url];
      return peerId;
    };
  }

  /** A peer that we know by name, and perhaps by addresses. The relay comes first: it answers at once or not at all. */
  toPeer(peerId: PeerId, addresses: readonly string[], signal: AbortSignal): Promise<PeerId> {
    if (this.#peers.get(peerId)?.session.status === "connected") return Promise.resolve(peerId);
    const direct = addresses.filter((url) => this.#dialer.rankOf(url) !== null).map((url) => this.byUrl(url, peerId));
    const ways = [...this.#relayed(peerId), ...direct];
    if (ways.length > 0) return race(ways, this.#clock, signal);
    return Promise.reject(addresses.length > 0 ? new NetworkError("ERR_ADDRESS_UNSUPPORTED", undefined, { peerId }) : noRelays());
  }

  /** A peer whose session has lost its links. What led there before comes first; the relay does not wait for the end of it. */
  again(peerId: PeerId, signal: AbortSignal): Promise<PeerId> {
    const peer = this.#peers.get(peerId);
    const urls = new Set([...(peer?.dialled ?? []), ...(peer?.upgrader.candidates ?? [])]);
    // Written down, so that `explain()` can tell how a session tries to come back.
    const noted = (kind: LinkKind, url: string, attempt: Attempt<PeerId>): Attempt<PeerId> =>
      peer?.upgrader.history.noted(kind, url, attempt) ?? attempt;
    const [first, ...others] = [...urls].map((url) => noted(this.#dialer.kindOf(url) ?? "", url, this.byUrl(url, peerId)));
    const relayed = this.#relays.clients.map((client) => noted("relay", client.url, this.#byRelayAgain(client, peerId)));
    return race([...(first ? [first] : []), ...relayed, ...others], this.#clock, signal);
  }

  #relayed(peerId: PeerId): Attempt<PeerId>[] {
    return this.#relays.clients.map((client) => this.#byRelay(client, peerId));
  }

  #byRelay(client: RelayClient, peerId: PeerId): Attempt<PeerId> {
    return async (signal) => {
      await client.whenConnected(signal);
      return this.#open({ link: client.dial(peerId), rank: RELAY_RANK }, peerId, signal);
    };
  }

  // A relay that went away under an attempt takes part again as soon as it is back, and not only once all other ways have failed.
  #byRelayAgain(client: RelayClient, peerId: PeerId): Attempt<PeerId> {
    const attempt = this.#byRelay(client, peerId);
    return async (signal) => {
      for (;;) {
        try {
          return await attempt(signal);
        } catch (error) {
          if (signal.aborted || client.connected || !isLostRelay(error)) throw error;
        }
      }
    };
  }

  // A link that is proven and ends before its session could use it has failed: nobody waits for what it will not bring.
  async #open({ link, rank }: DialledLink, expected: PeerId | null, signal: AbortSignal): Promise<PeerId> {
    const over = new AbortController();
    const stop = (): void => over.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    const watch: EndWatch = {
      // A turn later: a session that ends closes its links first, and then says why, which is worth more.
      ended: (error) => this.#clock.defer(() => over.abort(error ?? new NetworkError("ERR_CLOSED_ABORTED"))),
    };
    try {
      const peerId = await this.#opener.connect(link, rank, true, expected, signal, watch);
      return await this.#peers.connected(peerId, over.signal);
    } finally {
      // The link keeps the watch, and must not keep all this.
      watch.ended = null;
      signal.removeEventListener("abort", stop);
    }
  }
}

function isLostRelay(error: unknown): boolean {
  return error instanceof NetworkError && error.code === "ERR_RELAY_UNAVAILABLE";
}

/** There is nobody to ask for a PeerId. */
export function noRelays(): NetworkError {
  return new NetworkError("ERR_RELAY_UNAVAILABLE", "none is configured: give `relays` in the options, or dial an address");
}
