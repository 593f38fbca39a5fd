// A relay's URL and its authority: the `host:port` that a login is bound to.

import { encodeUtf8 } from "../bytes.js";
import { NetworkError } from "../errors.js";
import { RELAY_AUTHORITY_BYTES } from "./relay-frame.js";

const DEFAULT_PORTS: Readonly<Record<string, number>> = { "ws:": 80, "http:": 80, "wss:": 443, "https:": 443 };

/** A host and a port, taken apart. IPv6 addresses have no brackets here. */
export interface Authority {
  readonly host: string;
  readonly port: number;
}

/**
 * The authority of a relay URL: `host:port` (RFC 3986 §3.2 without the user part) in lower case, the port always written
 * out, IPv6 in brackets. The scheme is left out, as TLS may end at a proxy.
 * @param url - `ws://`, `wss://`, `http://` or `https://`
 * @throws NetworkError `ERR_OPTION_INVALID` when it is none of these, or carries a user, a password or a fragment
 */
export function relayAuthority(url: string): string {
  const { hostname, port } = parseRelayUrl(url);
  const authority = `${hostname}:${port}`;
  if (encodeUtf8(authority).length > RELAY_AUTHORITY_BYTES) throw invalid(url, "its host name is too long");
  return authority;
}

/**
 * Checks the URL of a relay that a client will dial.
 * @returns the URL in its normal form
 * @throws NetworkError `ERR_OPTION_INVALID` when it is not a `ws://` or `wss://` URL
 */
export function normalizeRelayUrl(url: string): string {
  const { href, protocol } = parseRelayUrl(url);
  if (protocol !== "ws:" && protocol !== "wss:") throw invalid(url, "it must begin with ws:// or wss://");
  return href;
}

/** @returns host and port of what {@link relayAuthority} makes, or `null` for any other text */
export function splitAuthority(authority: string): Authority | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^[\]:/@?#\s]+)):([1-9][0-9]{0,4})$/.exec(authority);
  if (!match) return null;
  const port = Number(match[3]);
  return port > 65_535 ? null : { host: (match[1] ?? match[2]) as string, port };
}

function parseRelayUrl(url: string): { href: string; protocol: string; hostname: string; port: number } {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    // The runtime's error stays out: it holds the whole URL.
    throw invalid(url, "such as wss://relay.example");
  }
  const port = parsed.port === "" ? DEFAULT_PORTS[parsed.protocol] : Number(parsed.port);
  if (port === undefined || port === 0) throw invalid(url, "it must begin with ws:// or wss:// and name a port above 0 or none");
  // WebSocket URLs have no fragment, and credentials in them end up in logs.
  if (parsed.username || parsed.password || parsed.hash)
    throw invalid(url, "it must not carry a user, a password or a #fragment");
  return { href: parsed.href, protocol: parsed.protocol, hostname: parsed.hostname.toLowerCase(), port };
}

function invalid(url: string, why: string): NetworkError {
  // Whatever stands before an @ may be a password: it stays out of the message.
  const shown = String(url)
    .replace(/\/\/[^/]*@/, "//…@")
    .slice(0, 100);
  return new NetworkError("ERR_OPTION_INVALID", `${JSON.stringify(shown)} is not the URL of a relay: ${why}`);
}
