// Addresses of this machine that others may dial.

import { networkInterfaces } from "node:os";

/** Most addresses that are told to others; a host with many containers has dozens. */
const MAX_ADDRESSES = 16;

/** As much of an interface's address as the choice needs. */
export interface InterfaceAddress {
  readonly address: string;
  readonly family: string | number;
  readonly internal: boolean;
}

/**
 * Orders addresses for others to try: IPv4, then IPv6, then the IPv4 loopback.
 *
 * Link-local ones (RFC 3927, RFC 4291 §2.5.6) are left out, as they mean nothing without an interface. The loopback comes last and
 * always: two processes of one host meet there when a firewall guards the others, and a page served over https may open
 * `ws://127.0.0.1` but no other `ws://`. Elsewhere, dialling it costs one refused connection.
 */
export function chooseAddresses(all: readonly InterfaceAddress[]): string[] {
  const isIpv4 = (one: InterfaceAddress): boolean => one.family === "IPv4" || one.family === 4;
  const outside = all.filter((one) => !one.internal && !/^(169\.254\.|fe[89ab])/i.test(one.address));
  const ordered = [...outside.filter(isIpv4), ...outside.filter((one) => !isIpv4(one))].map((one) => one.address);
  const loopback = all.filter((one) => one.internal && isIpv4(one)).slice(0, 1);
  return [...new Set([...ordered.slice(0, MAX_ADDRESSES - 1), ...loopback.map((one) => one.address)])];
}

/** How long an answer of the system is believed, in ms: each session asks as it opens, and the system takes a while to answer. */
const KEPT_MS = 250;
let kept: { readonly addresses: readonly string[]; readonly at: number } | null = null;

/** {@link chooseAddresses} of the interfaces as they are now, or were a quarter of a second ago. Empty when the system does not tell. */
export function localAddresses(): readonly string[] {
  const now = performance.now();
  if (!kept || now - kept.at > KEPT_MS) kept = { addresses: readAddresses(), at: now };
  return kept.addresses;
}

function readAddresses(): readonly string[] {
  try {
    return chooseAddresses(Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []));
  } catch {
    return [];
  }
}
