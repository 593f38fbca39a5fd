// One link to one peer over a relay. The table of links that share the relay connection is in relay-links.ts.

import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { encodePeerId } from "../identity.js";
import { LinkBase, type LinkHandlers } from "../path/link.js";

/** Unacknowledged bytes that a session may keep on a relay link: they wait in memory that belongs to the relay. */
export const RELAY_IN_FLIGHT_BYTES = 512 * 1024;

/** What a link asks of its table; the table belongs to the relay connection. */
export interface LinkTable {
  sendFrame(link: RelayLink, frame: Uint8Array): boolean;
  closeLink(link: RelayLink, tellPeer: boolean): void;
}

/** A link to one peer over a relay. */
export class RelayLink extends LinkBase {
  readonly kind = "relay";
  readonly maxFrameBytes: number;
  override readonly inFlightBytes = RELAY_IN_FLIGHT_BYTES;
  /** Who the relay says is at the other end: a claim, until the handshake has proven it. */
  readonly claimedPeerId: PeerId;
  /** The same, in binary. */
  readonly peerKey: Uint8Array;
  /** Chosen by the initiator; unique among the links that it opened. */
  readonly linkId: number;
  /** Whether this side opened the link. */
  readonly initiator: boolean;
  readonly #table: LinkTable;
  #attached = false;

  /** For {@link RelayLinks}, which makes them. */
  constructor(table: LinkTable, peerKey: Uint8Array, linkId: number, initiator: boolean, maxFrameBytes: number) {
    super(null);
    this.#table = table;
    this.peerKey = peerKey.slice();
    this.claimedPeerId = encodePeerId(peerKey);
    this.linkId = linkId;
    this.initiator = initiator;
    this.maxFrameBytes = maxFrameBytes;
  }

  get attached(): boolean {
    return this.#attached;
  }

  override attach(handlers: LinkHandlers): void {
    this.#attached = true;
    super.attach(handlers);
  }

  /** @throws NetworkError `ERR_FRAME_TOO_LARGE` when the frame is over `maxFrameBytes` */
  send(frame: Uint8Array): boolean {
    if (frame.length > this.maxFrameBytes) throw new NetworkError("ERR_FRAME_TOO_LARGE", `${frame.length} bytes`);
    return !this.ended && this.#table.sendFrame(this, frame);
  }

  close(): void {
    // The table first: LinkBase closes a link that it has just finished, and the other side must still be told.
    this.#table.closeLink(this, true);
    this.finish(null);
  }

  /** For {@link RelayLinks}: a frame came. */
  receive(frame: Uint8Array): void {
    this.deliver(frame);
  }

  /** For {@link RelayLinks}: the socket has room again. */
  resume(): void {
    this.drained();
  }

  /** For {@link RelayLinks}: the link is over. */
  end(error: NetworkError | null): void {
    this.finish(error);
  }
}
