// What createRelay takes, with defaults and checks.

import type { Server } from "node:http";
import { isIP } from "node:net";
import { NetworkError } from "../core/errors.js";
import type { PeerId } from "../core/events.js";
import { type RelayLimits, resolveRelayLimits } from "./relay-limits.js";

/** One line of the relay's log. No content, no full address, no full PeerId. */
export interface RelayLogEntry {
  readonly level: "info" | "warn";
  readonly event: "listening" | "login" | "left" | "refused" | "stopped" | "error";
  /** First characters of the client's PeerId. */
  readonly peer?: string;
  /** Why a client was refused or closed, or what failed. */
  readonly reason?: string;
  /** Clients that are logged in, after this. */
  readonly clients?: number;
}

/** What {@link createRelay} takes. Everything is optional. */
export interface RelayOptions {
  /** TCP port of HTTP and WebSocket; 0 for any. Default 8787. Ignored with `server`. */
  readonly port?: number;
  /** Address to bind, TCP and UDP. Default: all of them. */
  readonly host?: string;
  /** URLs that clients dial, such as `["wss://relay.example"]`: needed behind a proxy or under a DNS name. Default: none. */
  readonly publicUrls?: readonly string[];
  /**
   * Whether clients may dial this machine's own names and addresses as well. Default: `true` without `publicUrls`, else
   * `false`, as private addresses and `localhost` are not unique in the world.
   */
  readonly acceptLocalNames?: boolean;
  /**
   * UDP port of the STUN responder; 0 for any, `false` for no STUN. Default: the same number as the TCP port. STUN over TCP is
   * answered on the relay's own TCP port, unless it is `false` or `server` is given.
   */
  readonly stunPort?: number | false;
  /**
   * A second address of this machine for STUN, so that clients learn how their NAT filters (RFC 5780). It takes `host` as the
   * first address, both numeric, both as clients see them, of one family, and each gets both ports. Default: none.
   */
  readonly stunAlternate?: {
    readonly host: string;
    /** The second UDP port, 0 for any. Default: the one above `stunPort`. */
    readonly port?: number;
  };
  /** Limits to change. */
  readonly limits?: Partial<RelayLimits>;
  /** Origins of web pages that may connect, such as `["https://app.example"]`. Default: every origin; the login is the gate. */
  readonly allowedOrigins?: readonly string[];
  /** An HTTP server to share, listening already; the relay takes its upgrades and leaves its requests and its closing to you. */
  readonly server?: Server;
  /** With a shared server: the path of the upgrades that are the relay's, such as `/relay`. Default: every path. */
  readonly path?: string;
  /** Told of clients that come, go or are refused. Default: nothing is logged. */
  readonly log?: (entry: RelayLogEntry) => void;
  /** For tests: told of each frame that is handed on. The payload is a view: copy what you keep. */
  readonly onForward?: (sender: PeerId, destination: PeerId, payload: Uint8Array) => void;
}

/** Options with everything filled in. */
export interface ResolvedRelayOptions extends RelayOptions {
  readonly port: number;
  readonly publicUrls: readonly string[];
  readonly acceptLocalNames: boolean;
  readonly limits: RelayLimits;
}

/** @throws NetworkError `ERR_PORT_INVALID`, `ERR_OPTION_INVALID` */
export function resolveRelayOptions(options: RelayOptions): ResolvedRelayOptions {
  const { port = 8787, publicUrls = [], stunPort } = options;
  checkPort("port", port);
  if (stunPort !== undefined && stunPort !== false) checkPort("stunPort", stunPort);
  if (options.path !== undefined && !options.path.startsWith("/")) {
    throw new NetworkError("ERR_OPTION_INVALID", "path must begin with a slash, such as /relay");
  }
  if (options.stunAlternate) checkAlternate(options.stunAlternate, options);
  const acceptLocalNames = options.acceptLocalNames ?? publicUrls.length === 0;
  return { ...options, port, publicUrls, acceptLocalNames, limits: resolveRelayLimits(options.limits) };
}

function checkAlternate(
  { host: second, port = 0 }: { host: string; port?: number },
  { host = "", stunPort }: RelayOptions,
): void {
  checkPort("stunAlternate.port", port);
  // Both are told to clients, and answers leave from them, so "all addresses" is not enough.
  const [first, other] = [isIP(host), isIP(second)];
  const isAny = /^(0\.0\.0\.0|[0:]+)$/.test(host) || /^(0\.0\.0\.0|[0:]+)$/.test(second);
  if (first === 0 || first !== other || host === second || isAny || stunPort === false) {
    throw new NetworkError(
      "ERR_OPTION_INVALID",
      "stunAlternate.host and host must be two addresses of this machine, both IPv4 or both IPv6, with STUN on",
    );
  }
}

function checkPort(name: string, port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new NetworkError("ERR_PORT_INVALID", `${name} is ${port}`);
}
