// Which kind of link led to a peer directly: after a while without a session, it is tried first again.

import type { PeerId } from "../events.js";
import type { LinkKind } from "../path/link.js";

/** Peers that are remembered; the one that was reached longest ago is forgotten for a new one. */
const MAX_PEERS = 1_000;

export class WhatWorked {
  readonly #kinds = new Map<PeerId, LinkKind>();

  set(peerId: PeerId, kind: LinkKind): void {
    this.#kinds.delete(peerId);
    this.#kinds.set(peerId, kind);
    if (this.#kinds.size > MAX_PEERS) for (const oldest of [...this.#kinds.keys()].slice(0, 1)) this.#kinds.delete(oldest);
  }

  get(peerId: PeerId): LinkKind | undefined {
    return this.#kinds.get(peerId);
  }
}
