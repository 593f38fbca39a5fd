// What connectToPeer was given: an address, a PeerId or a ticket.

import { NetworkError } from "./errors.js";
import type { PeerId } from "./events.js";
import { isPeerId } from "./identity.js";
import { isTicket, parseTicket } from "./ticket.js";

export type Target =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "peer"; readonly peerId: PeerId; readonly addresses: readonly string[]; readonly relays: readonly string[] };

/**
 * @param scheme - of `host` and `port` in this build: `tcp` in Node, `ws` in browsers
 * @throws NetworkError `ERR_ADDRESS_INVALID`, `ERR_PORT_INVALID`, `ERR_TICKET_INVALID`
 */
export function parseTarget(target: string, port: number | undefined, scheme: string): Target {
  if (typeof target !== "string" || target === "") throw new NetworkError("ERR_ADDRESS_INVALID");
  if (port !== undefined) return { kind: "url", url: hostUrl(target, port, scheme) };
  if (isPeerId(target)) return { kind: "peer", peerId: target, addresses: [], relays: [] };
  if (isTicket(target)) return { kind: "peer", ...parseTicket(target) };
  if (/^[a-z][a-z0-9+.-]*:[^\s]+$/i.test(target) && !/^[^:/]+:\d+$/.test(target)) return { kind: "url", url: target };
  return parseHostPort(target, scheme);
}

function parseHostPort(target: string, scheme: string): Target {
  const hostPort = /^(\[[^\]]+\]|[^:\s]+):(\d+)$/.exec(target);
  if (hostPort) return { kind: "url", url: hostUrl(hostPort[1] as string, Number(hostPort[2]), scheme) };
  throw new NetworkError("ERR_ADDRESS_INVALID", `"${target.slice(0, 80)}"`);
}

function hostUrl(host: string, port: number, scheme: string): string {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new NetworkError("ERR_PORT_INVALID", String(port));
  const bare = /^\[.*\]$/.test(host) ? host.slice(1, -1) : host;
  const name = bare.includes(":") ? `[${bare}]` : bare;
  if (!/^[^\s/?#@[\]]+$|^\[[0-9a-f:.]+\]$/i.test(name)) throw new NetworkError("ERR_ADDRESS_INVALID", `"${host.slice(0, 80)}"`);
  return `${scheme}://${name}:${port}`;
}
