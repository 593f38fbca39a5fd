// Candidates: addresses at which a peer may be reached by UDP, and which of two is tried first.

import type { Endpoint } from "./datagram-port.js";

/** Where a candidate comes from (RFC 8445 §5.1.1): an interface, a STUN server, a probe of the other side. */
export type CandidateType = "host" | "server-reflexive" | "peer-reflexive";

/** Most candidates that one side names, of all types; more are ignored. */
export const MAX_CANDIDATES = 16;

/** RFC 8445 §5.1.2.2 recommends these. */
const TYPE_PREFERENCE: Record<CandidateType, number> = { host: 126, "peer-reflexive": 110, "server-reflexive": 100 };

/** IPv6 before IPv4, as between two of one type it has no NAT on its way (RFC 8421 §4). */
const LOCAL_PREFERENCE = { ipv6: 65_535, ipv4: 65_534 };

/**
 * The priority of a candidate, larger is better (RFC 8445 §5.1.2.1), with the one component that we have.
 * @returns 1 to 2^31-1
 */
export function candidatePriority(type: CandidateType, endpoint: Endpoint): number {
  const local = endpoint.host.includes(":") ? LOCAL_PREFERENCE.ipv6 : LOCAL_PREFERENCE.ipv4;
  return 2 ** 24 * TYPE_PREFERENCE[type] + 2 ** 8 * local + (256 - 1);
}

/**
 * Reads endpoints that the other side named, as texts such as `192.0.2.1:8080`.
 * @param value - anything
 * @param mayContact - whether we are willing to send there; asked with `udp://…`
 * @returns those that are well-formed and allowed, one of each address, at most {@link MAX_CANDIDATES}
 */
export function readEndpoints(value: unknown, mayContact: (url: string) => boolean): Endpoint[] {
  if (!Array.isArray(value)) return [];
  const found = new Map<string, Endpoint>();
  for (const text of value.slice(0, MAX_CANDIDATES)) {
    const endpoint = readEndpoint(text, mayContact);
    // One port of each address: a side has one socket, and no single machine shall be made to bear sixteen times the probes.
    if (endpoint && !found.has(endpoint.host)) found.set(endpoint.host, endpoint);
  }
  return [...found.values()];
}

/** One endpoint, as {@link readEndpoints} reads it; `null` when it is malformed or not allowed. */
export function readEndpoint(value: unknown, mayContact: (url: string) => boolean): Endpoint | null {
  if (typeof value !== "string" || value.length > 64) return null;
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(value);
  if (!match || !mayContact(`udp://${value}`)) return null;
  return { host: (match[1] ?? match[2]) as string, port: Number(match[3]) };
}
