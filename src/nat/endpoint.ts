// Endpoints as text and as STUN's bytes: one spelling for each address, so that two of them can be compared.

import { NetworkError } from "../core/errors.js";
import { mappedIPv4, parseIPv4, parseIPv6 } from "../core/path/ip-address.js";
import type { Endpoint } from "./datagram-port.js";
import type { StunEndpoint } from "./stun-message.js";

/**
 * The one spelling of a numeric address: IPv4 dotted, IPv6 as RFC 5952 §4 wants it, IPv4 out of its IPv6 clothes.
 * @param host - without brackets and zone
 * @returns `null` for what is no address, names among it
 */
export function canonicalHost(host: string): string | null {
  if (!host.includes(":")) return parseIPv4(host)?.join(".") ?? null;
  const groups = parseIPv6(host);
  return groups && (mappedIPv4(groups)?.join(".") ?? formatIPv6(groups));
}

/**
 * An endpoint with its address in the one spelling.
 * @throws NetworkError `ERR_ADDRESS_INVALID` when the address is none, `ERR_PORT_INVALID` when nobody can be reached at the port
 */
export function canonicalEndpoint({ host, port }: Endpoint): Endpoint {
  const canonical = canonicalHost(host);
  if (canonical === null) throw new NetworkError("ERR_ADDRESS_INVALID", "expected a numeric address");
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new NetworkError("ERR_PORT_INVALID", `cannot ask port ${port}`);
  return { host: canonical, port };
}

/** Whether two endpoints in the one spelling are the same. */
export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.host === b.host;
}

/** What a STUN attribute holds, as text in the one spelling. */
export function fromStunEndpoint({ address, port }: StunEndpoint): Endpoint {
  if (address.length === 4) return { host: address.join("."), port };
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((address[i] as number) << 8) | (address[i + 1] as number));
  return { host: mappedIPv4(groups)?.join(".") ?? formatIPv6(groups), port };
}

/** The bytes for a STUN attribute; `null` when the address is none. A zone is no part of it. */
export function toStunEndpoint({ host, port }: Endpoint): StunEndpoint | null {
  const plain = canonicalHost(host.split("%")[0] as string);
  if (plain === null) return null;
  const bytes = parseIPv4(plain) ?? (parseIPv6(plain) ?? []).flatMap((group) => [group >> 8, group & 255]);
  return { address: Uint8Array.from(bytes), port };
}

/** Lower case, no leading zeros, and the first longest run of two zero groups or more as "::" (RFC 5952 §4). */
function formatIPv6(groups: readonly number[]): string {
  let [start, length] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  return start < 0 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}
