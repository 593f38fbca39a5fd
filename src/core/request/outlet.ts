// The way from requests and replies to the session of their peer.

import type { Peer } from "../connect/peer-table.js";
import type { PeerId } from "../events.js";
import { LANE_BULK, LANE_INTERACTIVE, type Lane } from "../session/record.js";

export { LANE_BULK, LANE_INTERACTIVE, type Lane };

export class Outlet {
  readonly #sendQueueBytes: number;
  readonly #peerOf: (peerId: PeerId) => Peer | undefined;

  /**
   * @param sendQueueBytes - queued bytes from which on a peer has no room
   * @param peerOf - the peer with this id, `undefined` where there is no session
   */
  constructor(sendQueueBytes: number, peerOf: (peerId: PeerId) => Peer | undefined) {
    this.#sendQueueBytes = sendQueueBytes;
    this.#peerOf = peerOf;
  }

  /** Whether the application has been told of a session with this peer: only then will it also be told that it ended. */
  knows(peerId: PeerId): boolean {
    return this.#peerOf(peerId)?.told === true;
  }

  /** Whether the queue takes more. Once it did not, the event `drain` tells when it does. */
  hasRoom(peerId: PeerId): boolean {
    const peer = this.#peerOf(peerId);
    if (!peer || peer.session.queuedBytes < this.#sendQueueBytes) return true;
    peer.blocked = true;
    return false;
  }

  /**
   * Queues an envelope, whether there is room or not. Without a session it is dropped. The application hears of its fate by its request,
   * not by the events `delivered` and `failed`.
   */
  send(peerId: PeerId, envelope: Uint8Array, lane: Lane): void {
    const session = this.#peerOf(peerId)?.session;
    if (session && session.status !== "disconnected") session.sendMessage(envelope, lane);
  }
}
