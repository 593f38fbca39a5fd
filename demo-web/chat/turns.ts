// Turns: a few at once for each peer, the others in the order they came.

import type { PeerId } from "linknet";

/** Lets so many run at once for each peer; the others wait in the order they came. */
export class Turns {
  readonly #atOnce: number;
  readonly #peers = new Map<PeerId, { running: number; readonly waiting: (() => void)[] }>();

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** @returns how to end the turn, once */
  async take(peerId: PeerId): Promise<() => void> {
    const peer = this.#peers.get(peerId) ?? { running: 0, waiting: [] };
    this.#peers.set(peerId, peer);
    if (peer.running < this.#atOnce) peer.running += 1;
    else await new Promise<void>((resolve) => peer.waiting.push(resolve));
    return () => {
      // The turn is handed over, so the count stays as it is.
      const next = peer.waiting.shift();
      if (next) return next();
      peer.running -= 1;
      if (peer.running === 0) this.#peers.delete(peerId);
    };
  }
}
