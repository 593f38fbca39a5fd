// Which addresses named by somebody else we are willing to dial: a rule over text, used for every candidate.

import { mappedIPv4, parseIPv4, parseIPv6 } from "./ip-address.js";

/** Ports that no peer listens on and that an attacker would like us to knock at. */
const FORBIDDEN_PORTS: ReadonlySet<number> = new Set([
  0, 7, 9, 19, 22, 23, 25, 53, 69, 111, 123, 137, 139, 161, 389, 445, 1900, 11211,
]);

export interface DialPolicy {
  /** Whether addresses of this very machine may be dialled: only when the other side is on it too, as far as we can know. */
  readonly allowLoopback: boolean;
}

/**
 * Whether a candidate may be dialled. Host names are refused: resolving one tells a third party, and it may lead anywhere.
 * @param url - such as `tcp://192.0.2.1:8080` or `ws://[2001:db8::1]:8080`
 */
export function isDialable(url: string, policy: DialPolicy): boolean {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(\[[0-9a-f:.]+\]|[0-9.]+):(\d{1,5})\/?$/i.exec(url);
  if (!match) return false;
  const port = Number(match[2]);
  if (port > 65_535 || FORBIDDEN_PORTS.has(port)) return false;
  const host = match[1] as string;
  return host.startsWith("[") ? isDialableV6(parseIPv6(host.slice(1, -1)), policy) : isDialableV4(parseIPv4(host), policy);
}

function isDialableV4(bytes: readonly number[] | null, policy: DialPolicy): boolean {
  if (!bytes) return false;
  const [a, b] = bytes as [number, number, number, number];
  if (a === 127) return policy.allowLoopback;
  // 0/8 this network, 169.254/16 link-local, 224/4 multicast, 240/4 reserved and the broadcast address (RFC 6890 §2.2.2).
  return a !== 0 && a < 224 && !(a === 169 && b === 254);
}

function isDialableV6(groups: readonly number[] | null, policy: DialPolicy): boolean {
  if (!groups) return false;
  // IPv4 in IPv6 clothes follows the rules for IPv4.
  const mapped = mappedIPv4(groups);
  if (mapped) return isDialableV4(mapped, policy);
  if (groups.join() === "0,0,0,0,0,0,0,1") return policy.allowLoopback;
  // The rest of ::/96 is unspecified or long deprecated (RFC 4291 §2.5.5.1).
  if (groups.slice(0, 6).every((group) => group === 0)) return false;
  const first = groups[0] as number;
  // fe80::/10 link-local, ff00::/8 multicast (RFC 4291 §2.4).
  return (first & 0xffc0) !== 0xfe80 && first >> 8 !== 0xff;
}
