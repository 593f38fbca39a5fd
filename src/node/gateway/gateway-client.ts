// What there is to ask of a gateway, in whatever protocol it speaks.

import { isDialable } from "../../core/path/dialable.js";
import { parseIPv4 } from "../../core/path/ip-address.js";
import type { PortMappingStatus } from "../../core/path/port-mapping.js";

/** A port to be let in at. */
export interface PortRequest {
  readonly protocol: "tcp" | "udp";
  readonly internalPort: number;
  /** What we would like; the gateway may choose another. */
  readonly externalPort: number;
}

/** What the gateway did. */
export interface PortGrant {
  readonly externalAddress: string;
  readonly externalPort: number;
  /** How long it holds, in seconds; 0 for as long as the gateway runs. */
  readonly lifetimeSeconds: number;
}

/** A gateway that answered, and how it is spoken to. It holds nothing open. */
export interface GatewayClient {
  readonly protocol: NonNullable<PortMappingStatus["protocol"]>;
  readonly gateway: string;
  /** Our own address on its side. */
  readonly localAddress: string;
  /** Opens a port, or renews it. @throws GatewayError; the signal's reason */
  map(request: PortRequest, signal: AbortSignal): Promise<PortGrant>;
  /** Closes it again. @throws as `map` */
  unmap(request: PortRequest, signal: AbortSignal): Promise<void>;
}

/** Where a gateway is, and how to ask it. Ports are told by tests alone. */
export interface GatewayTarget {
  readonly gateway: string;
  /** Our own address to ask from; `undefined` for whatever leads there. */
  readonly from: string | undefined;
  /** Where PCP and NAT-PMP are spoken. Default 5351. */
  readonly pmpPort?: number;
  /** Where UPnP devices are searched. Default 1900. */
  readonly ssdpPort?: number;
}

/** How long a mapping is asked for, in seconds: RFC 6886 §3.3 recommends two hours. */
export const LIFETIME_SECONDS = 7_200;

/** Why a gateway opened no port. It goes no further than `PortMappingStatus.problem`, so it has no code. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
}

/** Any error as a {@link GatewayError}. */
export function gatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError(error instanceof Error ? error.message : String(error), { cause: error });
}

/**
 * Why an address that a gateway calls its outside one is of no use; `null` for one that others may reach. A gateway may lie, or stand
 * behind another NAT itself.
 */
export function externalAddressProblem(address: string): string | null {
  const bytes = parseIPv4(address);
  if (!bytes || !isDialable(`tcp://${address}:443`, { allowLoopback: false }))
    return "the gateway names no usable outside address";
  return isPrivateIPv4(bytes) ? `the gateway is behind another NAT itself: its outside address is ${address}` : null;
}

/** RFC 1918 §3, and RFC 6598 §7 for the NATs of providers. */
function isPrivateIPv4([a, b]: readonly number[]): boolean {
  if (a === 10 || (a === 192 && b === 168)) return true;
  return (a === 172 && ((b as number) & 0xf0) === 16) || (a === 100 && ((b as number) & 0xc0) === 64);
}
