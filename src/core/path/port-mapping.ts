// Ports that a gateway was asked to let others in at: what the engine holds of it, whoever does the asking.

import type { Listener } from "./transport.js";

/** A port and how it is used. */
export interface Mappable {
  readonly protocol: "tcp" | "udp";
  /** Schemes of the URLs that lead there, such as `["tcp", "ws"]`; empty where no URL does. */
  readonly schemes: readonly string[];
}

/** One port that the gateway lets others in at. */
export interface MappedPort {
  readonly protocol: "tcp" | "udp";
  readonly internalPort: number;
  /** Where others reach it. */
  readonly externalAddress: string;
  readonly externalPort: number;
}

/** What has come of asking. A snapshot. */
export interface PortMappingStatus {
  /** `mapped` as soon as one port is; `failed` is tried again, after a minute at first. */
  readonly state: "asking" | "mapped" | "failed" | "closed";
  /** What the gateway understood: PCP (RFC 6887), NAT-PMP (RFC 6886) or UPnP IGD; `null` while nothing is mapped. */
  readonly protocol: "pcp" | "nat-pmp" | "upnp" | null;
  /** Address of the gateway; `null` while nothing is mapped. */
  readonly gateway: string | null;
  readonly ports: readonly MappedPort[];
  /** Why nothing was mapped, or not everything, as a sentence. */
  readonly problem: string | null;
}

/** Asking, renewing and taking back, from `start` to `stop`. */
export interface PortMapping {
  readonly status: PortMappingStatus;
  /** URLs that lead in from outside, such as `tcp://192.0.2.1:8080`. */
  addresses(): readonly string[];
  /** Takes everything back. It resolves within a second, whatever the gateway does, and never rejects. */
  close(): Promise<void>;
}

/** What the asking is about. */
export interface PortMappingContext {
  /** What was opened; those that are {@link Listener.mappable} count. */
  readonly listeners: readonly Listener[];
  /** The address that was bound; `undefined` for all. */
  readonly host: string | undefined;
  /** Called when `addresses` gives something else. */
  onChange(): void;
}

/** Our own address on the LAN first, then the mapped ones: lists that are cut short keep both, and neighbours meet on the LAN. */
export function withMapped(addresses: readonly string[], mapped: readonly string[]): readonly string[] {
  return [...addresses.slice(0, 1), ...mapped, ...addresses.slice(1)];
}
