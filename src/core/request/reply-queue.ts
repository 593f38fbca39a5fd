// Replies on their way out: sent at once where the peer's queue has room, else in their order when it has.

import type { PeerId } from "../events.js";
import { LANE_BULK, LANE_INTERACTIVE, type Outlet } from "./outlet.js";
import { MAX_REQUESTS } from "./requests.js";

/** A larger reply takes the bulk lane, so that it delays no message: replies promise no order. */
const INTERACTIVE_REPLY_BYTES = 64 * 1024;
/** As many as a peer may wait for, and as many refusals of what it should not have sent. */
const MAX_WAITING_REPLIES = 2 * MAX_REQUESTS;

export class ReplyQueue {
  readonly #outlet: Outlet;
  readonly #peers = new Map<PeerId, Map<string, () => Uint8Array>>();

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
  }

  /** How many replies wait for room. */
  waitingFor(peerId: PeerId): number {
    return this.#peers.get(peerId)?.size ?? 0;
  }

  has(peerId: PeerId, id: string): boolean {
    return this.#peers.get(peerId)?.has(id) === true;
  }

  /**
   * Sends a reply, now or later. Who sends more requests than it may, and takes no replies, gets none of those beyond the bound.
   * @param id - of the request
   * @param encode - makes the envelope when there is room, so that what waits takes no more memory than what the handler gave
   */
  send(peerId: PeerId, id: string, encode: () => Uint8Array): void {
    const waiting = this.#peers.get(peerId);
    if (waiting) {
      if (waiting.size < MAX_WAITING_REPLIES) waiting.set(id, encode);
    } else if (this.#outlet.hasRoom(peerId)) {
      this.#emit(peerId, encode);
    } else {
      this.#peers.set(peerId, new Map([[id, encode]]));
    }
  }

  /** Nobody waits for this reply any longer. */
  cancel(peerId: PeerId, id: string): void {
    this.#remove(peerId, id);
  }

  /** The peer's queue has room again. */
  drain(peerId: PeerId): void {
    for (const [id, encode] of this.#peers.get(peerId) ?? []) {
      if (!this.#outlet.hasRoom(peerId)) return;
      this.#remove(peerId, id);
      this.#emit(peerId, encode);
    }
  }

  /** The conversation with this peer is over. */
  end(peerId: PeerId): void {
    this.#peers.delete(peerId);
  }

  #remove(peerId: PeerId, id: string): void {
    const waiting = this.#peers.get(peerId);
    if (waiting?.delete(id) && waiting.size === 0) this.#peers.delete(peerId);
  }

  #emit(peerId: PeerId, encode: () => Uint8Array): void {
    const envelope = encode();
    this.#outlet.send(peerId, envelope, envelope.length > INTERACTIVE_REPLY_BYTES ? LANE_BULK : LANE_INTERACTIVE);
  }
}
