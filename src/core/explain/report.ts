// What `explain()` gives back: plain data, for people and for programs, without anything secret in it. Codes are those of FINDINGS.

import type { PathAttempt, PathChange } from "../connect/path-history.js";
import type { ErrorCode } from "../errors.js";
import type { ConnectionStatus, PeerId } from "../events.js";
import type { LinkKind } from "../path/link.js";
import type { PortMappingStatus } from "../path/port-mapping.js";
import type { Millis } from "../runtime.js";
import type { FindingCode } from "./findings.js";

/** What a NAT makes depend on the destination (RFC 4787 §4.1, §5); `unknown` where too little was seen to say. */
export type NatDependence = "endpoint-independent" | "address-dependent" | "address-and-port-dependent" | "unknown";

/** How the NAT in front of us behaves towards UDP, in the words of RFC 4787. */
export interface NatSummary {
  /** Whether no NAT is there: we are seen as what we are. A firewall may filter all the same. */
  readonly open: boolean;
  /** What a mapped port depends on. */
  readonly mapping: NatDependence;
  /** Who may send to a mapped port. Only a server with two addresses can tell. */
  readonly filtering: NatDependence;
  /** Which port a new mapping gets: the local one, one near the last, or any. */
  readonly allocation: "preserving" | "sequential" | "random" | "unknown";
  /** As which we are seen, as `host:port`; `null` when no server answered. */
  readonly mapped: string | null;
  readonly localPort: number;
  /** The servers that were asked: as which each saw us, or why it told nothing. */
  readonly servers: readonly { readonly server: string; readonly mapped: string | null; readonly code: ErrorCode | null }[];
  readonly tookMs: Millis;
}

/** One kind of link, and whether it can be had here. */
export interface TransportReport {
  readonly kind: LinkKind;
  /** What it can do now: `dial` addresses, `listen` for others, `negotiate` a link inside a session. */
  readonly can: readonly ("dial" | "listen" | "negotiate")[];
  /** Why it is not there: a code of `FINDINGS` or of `ERROR_CODES`; `null` where it is. */
  readonly missing: FindingCode | ErrorCode | null;
}

/** One relay. */
export interface RelayReport {
  readonly url: string;
  readonly connected: boolean;
  /** The last round trip that was measured: at the login, then with each keep-alive ping; `null` while not connected. */
  readonly rttMs: Millis | null;
  /** Why it is not connected: the last failure, and in words. */
  readonly code: ErrorCode | null;
  readonly message: string | null;
}

/** What `explain()` tells of this side. */
export interface NetworkReport {
  readonly peerId: PeerId;
  readonly build: "node" | "browser";
  /** The bound port; `null` where there is none. */
  readonly port: number | null;
  readonly transports: readonly TransportReport[];
  /** URLs that we name to others. */
  readonly addresses: readonly string[];
  /** What came of asking the gateway to let others in; `null` where nobody asked. */
  readonly portMapping: PortMappingStatus | null;
  readonly relays: readonly RelayReport[];
  readonly stunServers: readonly string[];
  /** `null` in a browser, which does not tell, and where no STUN server could be asked. */
  readonly nat: NatSummary | null;
  /** What would improve it. */
  readonly hints: readonly FindingCode[];
}

/** What one side of a session names to the other. */
export interface SideReport {
  /** URLs that it listens at. */
  readonly addresses: readonly string[];
  /** URL schemes that it can dial. */
  readonly schemes: readonly string[];
  /** Kinds of links that it can make together with the other side, such as `webrtc`. */
  readonly negotiable: readonly LinkKind[];
}

/** What we make of an address that the other side names: `foreign` where no transport of ours dials it. */
export type AddressVerdict = "dialable" | "refused" | "foreign";

/** What `explain(peerId)` tells of one session. Times are in ms since it began. */
export interface PathReport {
  readonly peerId: PeerId;
  readonly status: ConnectionStatus;
  /** How old the session is. */
  readonly nowMs: Millis;
  /** The kind of the link in use; `null` while there is none. */
  readonly path: LinkKind | null;
  /** Where it leads; `null` over the relay. */
  readonly address: string | null;
  /** Smoothed round trip; `null` until it was measured. */
  readonly rttMs: Millis | null;
  /** Why this is the path. */
  readonly why: FindingCode;
  /** What we name to the other side. */
  readonly local: SideReport;
  /** What the other side has named; `null` before it has. `verdicts` are those of its addresses, in their order. */
  readonly remote: (SideReport & { readonly verdicts: readonly AddressVerdict[] }) | null;
  /** The newest 32 attempts, oldest first, each with at most 64 steps. */
  readonly attempts: readonly PathAttempt[];
  /** The newest 32 changes, oldest first. */
  readonly changes: readonly PathChange[];
  /** When other ways are tried again, in ms from now; `null` where nothing is planned. */
  readonly retryInMs: Millis | null;
  /** Kinds of links that these two networks do not allow; not tried again before one of them changes. */
  readonly hopeless: readonly LinkKind[];
  /** What would improve it; empty on a direct path. */
  readonly hints: readonly FindingCode[];
}
