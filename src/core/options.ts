// Every option with its unit, default and check, in one place.

import { encodeUtf8 } from "./bytes.js";
import { NetworkError } from "./errors.js";
import type { Transport } from "./path/transport.js";
import { normalizeRelayUrl } from "./relay/relay-address.js";
import type { SigningKey } from "./runtime.js";

/** How long things may take and how large they may get. Each has a default; give only what you want to change. */
export interface NetworkLimits {
  /** A whole `connectToPeer`, in ms. Default 10 000. */
  readonly connectTimeoutMs: number;
  /** One address of it, in ms. Default 6 000. */
  readonly dialTimeoutMs: number;
  /** From the open link to a proven session, in ms. Default 10 000. */
  readonly handshakeTimeoutMs: number;
  /** How long a session waits for a new link after its last one died, in ms. Default 60 000. */
  readonly resumeWindowMs: number;
  /** Longest that `stop` and `disconnectFromPeer` wait for queued messages to be acknowledged, in ms. Default 2 000. */
  readonly flushTimeoutMs: number;
  /** First delay of a reconnection, in ms; it doubles, with full jitter. Default 250. */
  readonly reconnectBaseMs: number;
  /** Largest delay of a reconnection, in ms. Default 15 000. */
  readonly reconnectMaxMs: number;
  /** Most sessions at the same time. Default 300 in Node, 100 in a browser. */
  readonly maxConnections: number;
  /** Inbound links that have not proven a key yet, in all. Default 64. */
  readonly maxUnproven: number;
  /** New inbound links per second and source address. Default 5, with a burst of 20. */
  readonly unprovenPerSecond: number;
  /** Bytes queued or unacknowledged per peer before `sendMessage` returns `false`. Default 4 MiB. */
  readonly sendQueueBytes: number;
  /** Bytes that a peer may send ahead of what was handed to the application. Default 4 MiB. */
  readonly receiveBufferBytes: number;
  /** Largest message, encoded, in bytes. Default and most: 16 MiB. */
  readonly maxMessageBytes: number;
  /** Size of each buffer that queued messages lie in, in bytes. Default 16 KiB. */
  readonly bufferBytes: number;
  /**
   * Most such buffers that are kept for later use, for all peers together; idle sessions hold none, and once all are idle the garbage
   * collector may have them. Default 256.
   */
  readonly spareBuffers: number;
}

/** What `new NetworkManager()` takes. Everything is optional. */
export interface NetworkManagerOptions {
  /** WebSocket URLs of relays, such as `["wss://relay.example"]`. Default: none; then only addresses can be dialled. */
  readonly relays?: readonly string[];
  /** A name for people, at most 64 bytes of UTF-8; proven peers see it. Default: empty. */
  readonly name?: string;
  /** Who we are: a 32-byte Ed25519 seed, or a key that signs. Default: a fresh key in each process. */
  readonly identity?: Uint8Array | SigningKey;
  /** Transports beside the built-in ones. */
  readonly transports?: readonly Transport[];
  /** Built-in transports to leave out, such as `["webrtc"]`. */
  readonly disableTransports?: readonly string[];
  /**
   * STUN and TURN servers for WebRTC, as `RTCPeerConnection` takes them. Default: none; two of `stunServers` and those of our relays are
   * used in any case, which is enough where one of both NATs is not symmetric. A TURN server helps where both are.
   */
  readonly iceServers?: readonly IceServer[];
  /**
   * STUN servers beside those of our relays, such as `["stun:stun.example:3478"]`. They tell us our public address; and in Node, when
   * there are two, or one with two addresses, how our NAT behaves. Default: none.
   */
  readonly stunServers?: readonly string[];
  /** A WebRTC implementation for Node, such as `@roamhq/wrtc`. Default: none; browsers have their own. */
  readonly wrtc?: unknown;
  /** Address to bind in Node. Default: all of them. */
  readonly host?: string;
  /**
   * Whether the router is asked to let others in at our ports, by PCP, NAT-PMP or UPnP. It is asked in the background after `start`, again
   * before the time is over and when the network changes, and told to forget it by `stop`. The outside address then joins tickets and
   * what peers are told. A router that knows no leases keeps what it opened when this process dies. Default `false`. Browsers ignore it.
   */
  readonly portMapping?: boolean;
  /** Whether a session on the relay moves to a direct path by itself. Default `true`. */
  readonly upgrade?: boolean;
  /**
   * Whether a new session may take the place of one that has been idle for 10 s at least, when `limits.maxConnections` is reached.
   * Default `false`: the new one is refused, and the dialler learns it.
   */
  readonly evictIdle?: boolean;
  /** Limits and time-outs to change. */
  readonly limits?: Partial<NetworkLimits>;
}

/** One STUN or TURN server, as in the W3C's `RTCIceServer`. */
export interface IceServer {
  readonly urls: string | readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

const MIB = 1024 * 1024;

const DEFAULT_LIMITS: NetworkLimits = {
  connectTimeoutMs: 10_000,
  dialTimeoutMs: 6_000,
  handshakeTimeoutMs: 10_000,
  resumeWindowMs: 60_000,
  flushTimeoutMs: 2_000,
  reconnectBaseMs: 250,
  reconnectMaxMs: 15_000,
  maxConnections: 300,
  maxUnproven: 64,
  unprovenPerSecond: 5,
  sendQueueBytes: 4 * MIB,
  receiveBufferBytes: 4 * MIB,
  maxMessageBytes: 16 * MIB,
  bufferBytes: 16 * 1024,
  spareBuffers: 256,
};

const LIMIT_RANGES: Record<keyof NetworkLimits, readonly [least: number, most: number]> = {
  connectTimeoutMs: [1, 600_000],
  dialTimeoutMs: [1, 600_000],
  handshakeTimeoutMs: [1, 600_000],
  resumeWindowMs: [0, 86_400_000],
  flushTimeoutMs: [0, 600_000],
  reconnectBaseMs: [1, 60_000],
  reconnectMaxMs: [1, 3_600_000],
  maxConnections: [1, 1_000_000],
  maxUnproven: [1, 100_000],
  unprovenPerSecond: [1, 100_000],
  sendQueueBytes: [64 * 1024, 1024 * MIB],
  receiveBufferBytes: [256 * 1024, 1024 * MIB],
  maxMessageBytes: [1024, 16 * MIB],
  bufferBytes: [1024, MIB],
  spareBuffers: [0, 1_000_000],
};

const OPTION_NAMES: ReadonlySet<string> = new Set([
  "relays",
  "name",
  "identity",
  "transports",
  "disableTransports",
  "iceServers",
  "stunServers",
  "wrtc",
  "host",
  "portMapping",
  "upgrade",
  "evictIdle",
  "limits",
]);

function invalid(detail: string): NetworkError {
  return new NetworkError("ERR_OPTION_INVALID", detail);
}

/**
 * Fills in the defaults.
 * @throws NetworkError `ERR_OPTION_INVALID` naming the limit that is unknown or out of range
 */
export function resolveLimits(given: Partial<NetworkLimits> = {}, runtimeDefaults: Partial<NetworkLimits> = {}): NetworkLimits {
  const limits: Record<keyof NetworkLimits, number> = { ...DEFAULT_LIMITS, ...runtimeDefaults };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const range = LIMIT_RANGES[name as keyof NetworkLimits];
    if (!Object.hasOwn(LIMIT_RANGES, name) || !range) throw invalid(`limits.${name} is not known`);
    if (!Number.isSafeInteger(value) || value < range[0] || value > range[1]) {
      throw invalid(`limits.${name} must be a whole number from ${range[0]} to ${range[1]}`);
    }
    limits[name as keyof NetworkLimits] = value;
  }
  return limits;
}

/**
 * Refuses what cannot be meant, before anything is opened.
 * @throws NetworkError `ERR_OPTION_INVALID` naming the option
 */
export function checkOptions(options: NetworkManagerOptions): void {
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.has(name)) throw invalid(`${name} is not known`);
  }
  const { name, host, portMapping, upgrade, evictIdle, limits, identity } = options;
  if (name !== undefined && (typeof name !== "string" || encodeUtf8(name).length > 64)) {
    throw invalid("name must be text of at most 64 bytes");
  }
  if (host !== undefined && typeof host !== "string") throw invalid("host must be an address to bind, as text");
  for (const [option, value] of Object.entries({ portMapping, upgrade, evictIdle })) {
    if (value !== undefined && typeof value !== "boolean") throw invalid(`${option} must be true or false`);
  }
  if (limits !== undefined && (typeof limits !== "object" || limits === null)) throw invalid("limits must be an object");
  if (identity instanceof Uint8Array && identity.length !== 32) throw invalid("identity must be a seed of 32 bytes");
  listOf("relays", options.relays).forEach(checkRelayUrl);
  listOf("stunServers", options.stunServers).forEach(checkStunServer);
  for (const kind of listOf("disableTransports", options.disableTransports)) {
    if (typeof kind !== "string") throw invalid('disableTransports must be a list of kinds, such as ["webrtc"]');
  }
  for (const transport of listOf("transports", options.transports)) {
    if (typeof transport?.kind !== "string" || !Array.isArray(transport.schemes) || typeof transport.rank !== "number") {
      throw invalid("each of transports needs kind, schemes and rank");
    }
  }
}

function listOf<T>(name: string, list: readonly T[] | undefined): readonly T[] {
  if (list !== undefined && !Array.isArray(list)) throw invalid(`${name} must be a list`);
  return list ?? [];
}

function checkStunServer(server: string): void {
  // RFC 7064 §3.1.
  if (typeof server !== "string" || !/^stun:([^:@/?#\s]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i.test(server)) {
    throw invalid('stunServers must be a list of URLs such as "stun:stun.example:3478"');
  }
}

// By the rule of the relay client, so that what is taken here does not fail in start().
function checkRelayUrl(url: string, index: number): void {
  try {
    if (typeof url !== "string") throw invalid("not text");
    normalizeRelayUrl(url);
  } catch (cause) {
    // The URL itself stays out: somebody may have put a password into it.
    throw new NetworkError("ERR_OPTION_INVALID", `relays[${index}] must be a URL such as wss://relay.example`, { cause });
  }
}
