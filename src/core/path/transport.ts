// A transport makes links of one kind. The SDK's own ones and an application's follow the same two interfaces.

import type { NetworkError } from "../errors.js";
import type { NatSummary } from "../explain/report.js";
import type { Link, LinkKind } from "./link.js";
import type { Mappable } from "./port-mapping.js";

/** What a transport is given to dial. */
export interface DialContext {
  /** Aborted when the caller gave up or the deadline passed: the dial then rejects and leaves nothing open. */
  readonly signal: AbortSignal;
}

/** What a transport is given to listen. */
export interface ListenContext {
  /** The port that `start` was called with; 0 for any. Transports without ports ignore it. */
  readonly port: number;
  /** The address to bind, such as `0.0.0.0`; `undefined` for all. */
  readonly host: string | undefined;
  /** Called with each link that came in. The link is unproven and belongs to the caller from here on. */
  onLink(link: Link): void;
  /** Called when the listener itself fails later on. */
  onError(error: unknown): void;
}

/** Something that accepts links. */
export interface Listener {
  /** The bound port; `null` for a transport without ports. */
  readonly port: number | null;
  /**
   * URLs that others may dial, such as `tcp://10.0.0.7:8080`; they go into tickets and, inside a session, to the other side.
   */
  addresses(): readonly string[];
  /** What a gateway is asked to let in at `port`, when the options ask for port mapping. Missing: nothing. */
  readonly mappable?: Mappable;
  /** Stops accepting and resolves when nothing is left open. Links that were handed over stay with their owners. */
  close(): Promise<void>;
}

/**
 * A way to reach peers. Give your own in `NetworkManagerOptions.transports`; `docs/custom-transport.md` writes one.
 *
 * A transport moves frames and proves nothing: every link, whoever made it, goes through the same handshake.
 */
export interface Transport {
  /** What `PeerInfo.path` shows for its links. */
  readonly kind: LinkKind;
  /** URL schemes that `dial` takes, without the colon, such as `["tcp"]`. */
  readonly schemes: readonly string[];
  /** Lower is better: a session moves to the link with the lowest. Built in: tcp 20, udp 25, websocket 30, webrtc 40, relay 90. */
  readonly rank: number;
  /**
   * Opens a link to `url`.
   * @throws NetworkError `ERR_DIAL_…`; any other error is reported as `ERR_DIAL_FAILED` with it as the cause
   */
  dial?(url: string, context: DialContext): Promise<Link>;
  /** Starts to accept links; called by `start`. */
  listen?(context: ListenContext): Promise<Listener>;
  /** Makes links by exchanging signals inside a session that exists already, as WebRTC does. */
  negotiate?(context: NegotiateContext): Negotiation;
  /** Why it can do nothing here, as where a package is missing. `explain()` tells it. */
  readonly problem?: NetworkError | null;
  /**
   * Finds out how the NAT in front of us behaves, for `explain()`; `null` when no STUN server could be asked.
   * @param stunServers - as `stun:host:port`
   * @param signal - aborted when nobody waits any longer
   */
  examine?(stunServers: readonly string[], signal: AbortSignal): Promise<NatSummary | null>;
}

/** A conversation about one link, carried by the session that it will improve. */
export interface NegotiateContext {
  /** Whether this side makes the offer. Exactly one side does. */
  readonly initiator: boolean;
  /** Aborted when the link is no longer wanted, or after 15 s: `link` then rejects, and nothing is left open. */
  readonly signal: AbortSignal;
  /** Sends a signal to the other side: any value that JSON can hold, at most 60 KiB as JSON. */
  sendSignal(signal: unknown): void;
  /** STUN servers that are known now, as `stun:host:port`: those of the options, and those of our relays. */
  readonly stunServers: readonly string[];
  /**
   * Whether we are willing to send to an address that the other side named, such as `udp://192.0.2.1:8080`. What is refused:
   * names, our own addresses, ports and address ranges that no honest peer has.
   */
  mayContact(url: string): boolean;
  /** Writes down a step for `explain()`: a few words for people, without secrets. At most 64 of an attempt are kept. */
  note(step: string): void;
}

/** What a transport gives back for a {@link NegotiateContext}. */
export interface Negotiation {
  /** Resolves with the link once it is open. */
  readonly link: Promise<Link>;
  /** A signal came from the other side. It is not trusted: whatever is malformed must reject `link`, not throw. */
  receiveSignal(signal: unknown): void;
}
