// The limits of a relay: one table with default, bounds and meaning, from which checks, types and help texts are made.

import { NetworkError } from "../core/errors.js";
import { RELAY_PAYLOAD_BYTES, RELAY_ROOM_ID_BYTES } from "../core/relay/relay-frame.js";

interface LimitEntry {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What it limits, with its unit, for people. */
  readonly text: string;
}

const MIB = 1024 * 1024;

/** Every limit. A client that crosses one is slowed, told, or closed with a code; each entry says what. */
export const RELAY_LIMITS = {
  /** Largest FORWARD payload in bytes; a larger frame closes the connection (WebSocket code 1009). */
  maxPayloadBytes: {
    default: RELAY_PAYLOAD_BYTES,
    min: RELAY_PAYLOAD_BYTES,
    max: 16 * MIB,
    text: "largest payload of a frame, in bytes",
  },
  /** Frames that wait for one client; more are dropped and their senders told. */
  queueFrames: { default: 512, min: 1, max: 1_000_000, text: "frames that wait for one client" },
  /** Bytes that wait for one client; beyond them frames are dropped and their senders told. */
  queueBytes: { default: 4 * MIB, min: 64 * 1024, max: 1024 * MIB, text: "bytes that wait for one client" },
  /** Silence of a client, or of a STUN connection over TCP, before it is closed, in ms; a ping is a sign of life. */
  idleMs: { default: 60_000, min: 100, max: 86_400_000, text: "silence before a client is closed, in ms" },
  /** For the HTTP headers, and again from the upgrade to a valid login, in ms, however the bytes trickle in. */
  loginTimeoutMs: { default: 10_000, min: 50, max: 600_000, text: "time for HTTP headers, and for the login, in ms" },
  /** Connections at the same time; a further one is closed with a code. */
  connections: { default: 10_000, min: 1, max: 10_000_000, text: "connections at the same time" },
  /** Connections at the same time from one IPv4 address or IPv6 /64 network. */
  connectionsPerSource: {
    default: 256,
    min: 1,
    max: 10_000_000,
    text: "connections at the same time from one IPv4 address or IPv6 /64",
  },
  /** New connections per second from one IPv4 address or IPv6 /64 network, with as many at once. */
  newConnectionsPerSource: {
    default: 100,
    min: 1,
    max: 1_000_000,
    text: "new connections per second from one IPv4 address or IPv6 /64",
  },
  /** Frames per second from one client; over it the client is read more slowly. */
  framesPerSecond: { default: 2_000, min: 1, max: 10_000_000, text: "frames per second from one client" },
  /** Frames that one client may send at once. */
  framesBurst: { default: 4_000, min: 1, max: 10_000_000, text: "frames from one client at once" },
  /** Bytes per second from one client; over it the client is read more slowly. */
  bytesPerSecond: { default: 32 * MIB, min: 1024, max: 102_400 * MIB, text: "bytes per second from one client" },
  /** Bytes that one client may send at once. */
  bytesBurst: { default: 64 * MIB, min: 64 * 1024, max: 102_400 * MIB, text: "bytes from one client at once" },
  /** Rooms of one client; a further join is refused. */
  roomsPerClient: { default: 64, min: 0, max: 100_000, text: "rooms of one client" },
  /** Members of one room; a further join is refused. The list is one frame, and clients take 128 KiB. */
  membersPerRoom: { default: 1_000, min: 1, max: 4_000, text: "members of one room" },
  /** Longest room id in bytes; a longer one is refused. */
  roomIdBytes: { default: RELAY_ROOM_ID_BYTES, min: 32, max: RELAY_ROOM_ID_BYTES, text: "longest room id, in bytes" },
  /** STUN connections over TCP at the same time; the oldest is closed for a further one. They do not count as `connections`. */
  stunConnections: { default: 1_000, min: 1, max: 1_000_000, text: "STUN connections over TCP at the same time" },
  /** STUN requests per second from one IPv4 address or IPv6 /64 network, with twice as many at once; more are not answered, and over TCP closed. */
  stunPerSource: { default: 50, min: 1, max: 1_000_000, text: "STUN requests per second from one IPv4 address or IPv6 /64" },
} as const satisfies Record<string, LimitEntry>;

/** The limits of a relay as numbers; see {@link RELAY_LIMITS} for units and defaults. */
export type RelayLimits = { readonly [Name in keyof typeof RELAY_LIMITS]: number };

/**
 * Fills in defaults and checks what was given.
 * @throws NetworkError `ERR_OPTION_INVALID` that names the limit and its bounds
 */
export function resolveRelayLimits(given: Partial<RelayLimits> = {}): RelayLimits {
  const limits: Record<string, number> = {};
  for (const [name, entry] of Object.entries(RELAY_LIMITS)) {
    const value = given[name as keyof RelayLimits] ?? entry.default;
    if (!Number.isInteger(value) || value < entry.min || value > entry.max) {
      throw new NetworkError(
        "ERR_OPTION_INVALID",
        `limits.${name} (${entry.text}) must be a whole number from ${entry.min} to ${entry.max}`,
      );
    }
    limits[name] = value;
  }
  for (const name of Object.keys(given)) {
    if (!(name in RELAY_LIMITS)) throw new NetworkError("ERR_OPTION_INVALID", `limits.${name} does not exist`);
  }
  return limits as RelayLimits;
}
