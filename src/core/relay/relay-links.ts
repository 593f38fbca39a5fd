// The links that share one relay connection: many, to many peers. The relay sees none of this, only payloads.

import { equalBytes, toHex } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { Clock, Random, Timer } from "../runtime.js";
import { beginForward, UNDELIVERED } from "./relay-frame.js";
import { type LinkTable, RelayLink } from "./relay-link.js";

/** Bytes before the frame in a FORWARD payload: what it is, and which link. */
export const RELAY_LINK_HEADER_BYTES = 5;
/** Largest frame of a relay link, in bytes: the largest Noise message (Noise §3). */
export const RELAY_LINK_FRAME_BYTES = 65_535;

/** Inbound links that nobody attached to yet, in all. */
const MAX_UNATTACHED = 64;
/** Inbound links of one claimed peer. */
const MAX_PER_PEER = 8;
/** `send` answers `false` above the first and tells `drain` below the second; above the third the link is given up. */
const HIGH_WATER_BYTES = 256 * 1024;
const LOW_WATER_BYTES = 128 * 1024;
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
/** How often a full socket is looked at, in ms: a browser's WebSocket tells nobody when it has drained. */
const DRAIN_POLL_MS = 20;
/** Closed inbound links that are remembered, so that frames under way to them do not open new ones. */
const MAX_TOMBSTONES = 256;

const OP = { FROM_INITIATOR: 1, FROM_RESPONDER: 2, CLOSE_BY_INITIATOR: 3, CLOSE_BY_RESPONDER: 4 } as const;

/** What the links need of the connection that carries them. */
export interface RelayCarrier {
  /** Sends one relay frame; the bytes belong to the carrier from here on. */
  send(frame: Uint8Array): void;
  /** Bytes that wait in the socket. */
  readonly bufferedBytes: number;
}

/** The links of one relay connection. They end with it. */
export class RelayLinks implements LinkTable {
  readonly #carrier: RelayCarrier;
  readonly #clock: Clock;
  readonly #maxFrameBytes: number;
  readonly #onLink: (link: RelayLink) => void;
  // Ours by link id. Theirs by link id too, several where peers chose the same: no text form is computed per frame.
  readonly #outbound = new Map<number, RelayLink>();
  readonly #inbound = new Map<number, RelayLink[]>();
  readonly #tombstones = new Set<string>();
  readonly #waiting = new Set<RelayLink>();
  #nextId: number;
  #poll: Timer | null = null;
  #ended = false;

  /**
   * @param maxPayloadBytes - largest FORWARD payload, as the relay told
   * @param onLink - called with each inbound link, before its first frame
   */
  constructor(carrier: RelayCarrier, clock: Clock, random: Random, maxPayloadBytes: number, onLink: (link: RelayLink) => void) {
    this.#carrier = carrier;
    this.#clock = clock;
    this.#maxFrameBytes = Math.min(RELAY_LINK_FRAME_BYTES, maxPayloadBytes - RELAY_LINK_HEADER_BYTES);
    this.#onLink = onLink;
    // A random start: after a reconnection, frames that were under way to the old links meet no new one.
    this.#nextId = new DataView(random.bytes(4).buffer).getUint32(0);
  }

  /** Live links, in both directions. */
  get size(): number {
    let inbound = 0;
    for (const links of this.#inbound.values()) inbound += links.length;
    return this.#outbound.size + inbound;
  }

  /** Opens a link. Nothing is sent before its first frame. */
  dial(peerKey: Uint8Array): RelayLink {
    while (this.#outbound.has(this.#nextId)) this.#nextId = (this.#nextId + 1) >>> 0;
    const link = new RelayLink(this, peerKey, this.#nextId, true, this.#maxFrameBytes);
    this.#nextId = (this.#nextId + 1) >>> 0;
    this.#outbound.set(link.linkId, link);
    return link;
  }

  /** Takes one FORWARD that the relay delivered. Payloads that make no sense are ignored: anybody may send them. */
  receive(peerKey: Uint8Array, payload: Uint8Array): void {
    if (payload.length < RELAY_LINK_HEADER_BYTES) return;
    const op = payload[0];
    const linkId = new DataView(payload.buffer, payload.byteOffset).getUint32(1);
    const fromResponder = op === OP.FROM_RESPONDER || op === OP.CLOSE_BY_RESPONDER;
    const link = fromResponder ? this.#findOutbound(peerKey, linkId) : this.#findInbound(peerKey, linkId);
    if (op === OP.CLOSE_BY_INITIATOR || op === OP.CLOSE_BY_RESPONDER) {
      if (!link) return;
      this.closeLink(link, false);
      link.end(null);
    } else if (op === OP.FROM_RESPONDER) {
      link?.receive(payload.subarray(RELAY_LINK_HEADER_BYTES));
    } else if (op === OP.FROM_INITIATOR) {
      (link ?? this.#accept(peerKey, linkId))?.receive(payload.subarray(RELAY_LINK_HEADER_BYTES));
    }
  }

  /** The relay dropped a frame to this peer. Links keep order or die, and nobody can tell whose frame it was: all of them end. */
  undelivered(peerKey: Uint8Array, reason: number): void {
    const error =
      reason === UNDELIVERED.QUEUE_FULL
        ? new NetworkError("ERR_RELAY_LIMIT", "the peer's queue at the relay is full")
        : new NetworkError("ERR_PEER_UNREACHABLE");
    for (const link of this.#all()) {
      if (!equalBytes(link.peerKey, peerKey)) continue;
      this.closeLink(link, false);
      link.end(error);
    }
  }

  /**
   * The connection ended, or is about to, and every link with it.
   * @param tellPeers - whether the other ends are told, as the connection still carries frames
   */
  end(error: NetworkError, tellPeers: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#poll?.cancel();
    const links = this.#all();
    if (tellPeers) for (const link of links) this.#sendClose(link);
    this.#outbound.clear();
    this.#inbound.clear();
    this.#waiting.clear();
    for (const link of links) link.end(error);
  }

  sendFrame(link: RelayLink, frame: Uint8Array): boolean {
    if (this.#ended) return false;
    const buffered = this.#carrier.bufferedBytes;
    if (buffered > MAX_BUFFERED_BYTES) {
      this.closeLink(link, true);
      link.end(new NetworkError("ERR_LIMIT_QUEUE", "the relay takes frames slower than they are sent"));
      return false;
    }
    this.#sendOp(link, link.initiator ? OP.FROM_INITIATOR : OP.FROM_RESPONDER, frame);
    if (this.#carrier.bufferedBytes <= HIGH_WATER_BYTES) return true;
    this.#waiting.add(link);
    this.#poll ??= this.#clock.after(DRAIN_POLL_MS, this.#checkDrain);
    return false;
  }

  closeLink(link: RelayLink, tellPeer: boolean): void {
    if (this.#remove(link) && tellPeer) this.#sendClose(link);
  }

  #sendClose(link: RelayLink): void {
    this.#sendOp(link, link.initiator ? OP.CLOSE_BY_INITIATOR : OP.CLOSE_BY_RESPONDER, null);
  }

  #sendOp(link: RelayLink, op: number, body: Uint8Array | null): void {
    const { frame, payload } = beginForward(link.peerKey, RELAY_LINK_HEADER_BYTES + (body?.length ?? 0));
    payload[0] = op;
    new DataView(payload.buffer, payload.byteOffset).setUint32(1, link.linkId);
    if (body) payload.set(body, RELAY_LINK_HEADER_BYTES);
    this.#carrier.send(frame);
  }

  readonly #checkDrain = (): void => {
    this.#poll = null;
    if (this.#ended || this.#waiting.size === 0) return;
    if (this.#carrier.bufferedBytes > LOW_WATER_BYTES) {
      this.#poll = this.#clock.after(DRAIN_POLL_MS, this.#checkDrain);
      return;
    }
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const link of waiting) link.resume();
  };

  #accept(peerKey: Uint8Array, linkId: number): RelayLink | null {
    if (this.#tombstones.has(tombstoneKey(peerKey, linkId))) return null;
    const link = new RelayLink(this, peerKey, linkId, false, this.#maxFrameBytes);
    if (!this.#hasRoomFor(peerKey)) {
      this.#sendClose(link);
      return null;
    }
    const sameId = this.#inbound.get(linkId);
    if (sameId) sameId.push(link);
    else this.#inbound.set(linkId, [link]);
    this.#onLink(link);
    return link;
  }

  #hasRoomFor(peerKey: Uint8Array): boolean {
    let unattached = 0;
    let ofPeer = 0;
    for (const links of this.#inbound.values()) {
      for (const link of links) {
        if (!link.attached) unattached++;
        if (equalBytes(link.peerKey, peerKey)) ofPeer++;
      }
    }
    return unattached < MAX_UNATTACHED && ofPeer < MAX_PER_PEER;
  }

  #findOutbound(peerKey: Uint8Array, linkId: number): RelayLink | undefined {
    const link = this.#outbound.get(linkId);
    return link && equalBytes(link.peerKey, peerKey) ? link : undefined;
  }

  #findInbound(peerKey: Uint8Array, linkId: number): RelayLink | undefined {
    return this.#inbound.get(linkId)?.find((link) => equalBytes(link.peerKey, peerKey));
  }

  /** @returns whether the link was in the table */
  #remove(link: RelayLink): boolean {
    this.#waiting.delete(link);
    if (link.initiator) return this.#outbound.get(link.linkId) === link && this.#outbound.delete(link.linkId);
    const links = this.#inbound.get(link.linkId);
    const at = links?.indexOf(link) ?? -1;
    if (!links || at < 0) return false;
    links.splice(at, 1);
    if (links.length === 0) this.#inbound.delete(link.linkId);
    this.#tombstones.add(tombstoneKey(link.peerKey, link.linkId));
    // A Set iterates in the order of insertion: the first one is the oldest.
    for (const oldest of this.#tombstones) {
      if (this.#tombstones.size <= MAX_TOMBSTONES) break;
      this.#tombstones.delete(oldest);
    }
    return true;
  }

  #all(): RelayLink[] {
    return [...this.#outbound.values(), ...[...this.#inbound.values()].flat()];
  }
}

function tombstoneKey(peerKey: Uint8Array, linkId: number): string {
  return `${linkId}/${toHex(peerKey)}`;
}
