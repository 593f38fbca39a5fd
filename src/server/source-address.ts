// Who a packet or connection comes from, for limits: IPv4 by address, IPv6 by /64 network, as one user has a whole /64.

import { isIPv4, isIPv6 } from "node:net";

/** An IPv4 address that a dual-stack socket shows as `::ffff:1.2.3.4` (RFC 4291 §2.5.5.2), as IPv4; others as they are. */
export function unmapAddress(address: string): string {
  const match = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address);
  return match?.[1] && isIPv4(match[1]) ? match[1] : address;
}

/** Whether an address is this machine's loopback (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
export function isLoopback(address: string): boolean {
  const plain = unmapAddress(address);
  return plain === "::1" || (isIPv4(plain) && plain.startsWith("127."));
}

/** The key that limits count by. Anything that is no address counts as one source. */
export function sourceKey(address: string | undefined): string {
  const plain = unmapAddress(address ?? "");
  if (isIPv4(plain)) return plain;
  if (!isIPv6(plain)) return "unknown";
  // The zone of a link-local address comes last and is not part of the network.
  const groups = expandIPv6(plain.split("%")[0] as string);
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/** The eight groups of an IPv6 address, in hexadecimal without leading zeros. */
function expandIPv6(address: string): string[] {
  const [head = "", tail] = address.split("::");
  const before = head ? head.split(":") : [];
  const after = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array<string>(zeros).fill("0"), ...after].map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""));
}
