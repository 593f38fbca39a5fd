// Addresses as the transports dial them: `scheme://host:port`, taken apart and put together in one place.

import { NetworkError } from "../errors.js";
import { unmapAddress } from "./ip-address.js";

/** What a dial URL says. */
export interface DialTarget {
  /** Without the colon, in lower case. */
  readonly scheme: string;
  /** A name or a numeric address; IPv6 without brackets. */
  readonly host: string;
  /** 1 to 65535; `null` where the URL names none. */
  readonly port: number | null;
}

const DIAL_URL = /^([a-z][a-z0-9+.-]*):\/\/(?:\[([0-9a-f:.]+(?:%[a-z0-9._-]+)?)\]|([a-z0-9._-]+))(?::(\d{1,10}))?(?:[/?].*)?$/i;

/** Longest URL that is looked at, in characters; a DNS name has at most 253. */
const MAX_URL_CHARACTERS = 2048;

/**
 * Takes `scheme://host:port` apart. What follows the port is left to the transport.
 * @throws NetworkError `ERR_ADDRESS_INVALID` when it is no such URL, `ERR_PORT_INVALID` when the port is 0 or above 65535
 */
export function parseDialUrl(url: string): DialTarget {
  const parts = url.length > MAX_URL_CHARACTERS ? null : DIAL_URL.exec(url);
  const host = parts?.[2] ?? parts?.[3];
  if (!parts?.[1] || !host) throw new NetworkError("ERR_ADDRESS_INVALID", "expected scheme://host:port");
  const port = parts[4] === undefined ? null : Number(parts[4]);
  // Port 0 means "any" to a listener and nothing to a dialler.
  if (port !== null && (port < 1 || port > 65_535)) throw new NetworkError("ERR_PORT_INVALID", `cannot dial port ${port}`);
  return { scheme: parts[1].toLowerCase(), host, port };
}

/** `host:port`, with brackets around an IPv6 address (RFC 3986 §3.2.2). */
export function formatEndpoint(host: string, port: number): string {
  const plain = unmapAddress(host);
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}
