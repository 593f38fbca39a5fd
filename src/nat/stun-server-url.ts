// STUN servers as the options name them: `stun:host[:port]` (RFC 7064).

import { NetworkError } from "../core/errors.js";
import { parseIPv4 } from "../core/path/ip-address.js";
import { canonicalHost } from "./endpoint.js";

/** Port of STUN on UDP and TCP (RFC 8489 §18.6). */
export const STUN_DEFAULT_PORT = 3478;

/** A DNS name has at most 253 characters; the rest is scheme, brackets and port. */
const MAX_URL_CHARACTERS = 300;
const MAX_NAME_CHARACTERS = 253;

const STUN_URL = /^([a-z][a-z0-9+.-]*):(?:\[([^[\]]*)\]|([^[\]:]*))(?::(.*))?$/i;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** A STUN server by name or address. */
export interface StunServer {
  /** A name in lower case, which somebody has to resolve, or a numeric address in its one spelling, without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Takes `stun:host[:port]` apart.
 * @throws NetworkError `ERR_OPTION_INVALID` when it is not a `stun:` URL, as with `stuns:` and `turn:`; `ERR_ADDRESS_INVALID` when
 * its host or port cannot be one
 * @see RFC 7064 §3.1
 */
export function parseStunUrl(url: string): StunServer {
  const parts = typeof url === "string" && url.length <= MAX_URL_CHARACTERS ? STUN_URL.exec(url) : null;
  if (parts?.[1]?.toLowerCase() !== "stun") throw new NetworkError("ERR_OPTION_INVALID", "expected stun:host or stun:host:port");
  const [, , literal, name, digits] = parts;
  const host = literal === undefined ? parseName((name ?? "").toLowerCase()) : parseLiteral(literal);
  if (host === null) throw new NetworkError("ERR_ADDRESS_INVALID", "the host of a stun: URL is a name, or a numeric address");
  return { host, port: digits === undefined ? STUN_DEFAULT_PORT : parsePort(digits) };
}

/** Brackets are for IPv6 alone (RFC 3986 §3.2.2). */
function parseLiteral(literal: string): string | null {
  return literal.includes(":") ? canonicalHost(literal) : null;
}

function parseName(name: string): string | null {
  const labels = name.replace(/\.$/, "").split(".");
  if (name.length > MAX_NAME_CHARACTERS || !labels.every((label) => LABEL.test(label))) return null;
  // Resolvers read a last label of digits as an address, in old forms too: 0x7f.1, 127.1, 2130706433 (RFC 1123 §2.1).
  const last = labels[labels.length - 1] as string;
  return /^(\d+|0x[0-9a-f]*)$/.test(last) && !parseIPv4(name) ? null : name;
}

function parsePort(digits: string): number {
  const port = Number(digits);
  if (!/^\d{1,5}$/.test(digits) || port < 1 || port > 65_535)
    throw new NetworkError("ERR_ADDRESS_INVALID", "a port is 1 to 65535");
  return port;
}
