// Why a relay closes a connection: one table for the ERROR frame, the WebSocket close code and the client's NetworkError.

import { type ErrorCode, NetworkError } from "../errors.js";

interface ReasonEntry {
  /** Code in the ERROR frame, one byte. The WebSocket close code is 4000 more: RFC 6455 §7.4.2 leaves 4000–4999 to applications. */
  readonly code: number;
  /** What the client's application is told. */
  readonly error: ErrorCode;
  /** Whether a new attempt would meet the same end, so that the client does not make one by itself. */
  readonly final: boolean;
}

/** Every reason. Codes are on the wire: they are never renumbered, only added. */
export const RELAY_REASONS = {
  /** A frame that does not follow the protocol, a text frame, or a frame before the login. */
  protocol: { code: 1, error: "ERR_RELAY_PROTOCOL", final: true },
  /** The signature does not answer our challenge. */
  login: { code: 2, error: "ERR_RELAY_REFUSED", final: true },
  /** The client dialled a name that this relay does not know as its own. */
  origin: { code: 3, error: "ERR_RELAY_ORIGIN", final: true },
  /** The same identity logged in again; the newest proof takes the id. */
  replaced: { code: 4, error: "ERR_RELAY_REPLACED", final: true },
  /** No login before the deadline. */
  "login-timeout": { code: 5, error: "ERR_RELAY_LIMIT", final: false },
  /** Silence for too long. */
  idle: { code: 6, error: "ERR_RELAY_LIMIT", final: false },
  /** A frame over the bound that WELCOME named. */
  "too-large": { code: 7, error: "ERR_RELAY_LIMIT", final: false },
  /** Frames or bytes far over the rate, or answers that the client does not read. */
  rate: { code: 8, error: "ERR_RELAY_LIMIT", final: false },
  /** Too many connections, in all or from one address. */
  connections: { code: 9, error: "ERR_RELAY_LIMIT", final: false },
  /** The relay stops or restarts. */
  shutdown: { code: 10, error: "ERR_RELAY_UNAVAILABLE", final: false },
  /** The operator does not let this identity in. */
  denied: { code: 11, error: "ERR_RELAY_REFUSED", final: true },
} as const satisfies Record<string, ReasonEntry>;

/** The name of one entry of {@link RELAY_REASONS}. */
export type RelayReason = keyof typeof RELAY_REASONS;

/** How a connection to a relay ended: the error to tell, and whether a new attempt makes sense. */
export interface RelayEnd {
  readonly error: NetworkError;
  readonly final: boolean;
}

/** @returns the reason with this code; a code that we do not know counts as `rate`: try again, later */
export function relayReasonOfCode(code: number): RelayReason {
  for (const [name, entry] of Object.entries(RELAY_REASONS)) if (entry.code === code) return name as RelayReason;
  return "rate";
}

/** The WebSocket close code of a reason. */
export function relayCloseCode(reason: RelayReason): number {
  return 4000 + RELAY_REASONS[reason].code;
}

/** What a client tells its application when a relay closed for `reason`. */
export function relayEnd(reason: RelayReason, sentence: string): RelayEnd {
  const entry = RELAY_REASONS[reason];
  return { error: new NetworkError(entry.error, readable(sentence)), final: entry.final };
}

/**
 * What a client makes of a WebSocket close that no ERROR frame explained.
 * @param code - close code (RFC 6455 §7.4); 4001–4255 are ours, anything else is a connection that broke
 */
export function relayEndOfClose(code: number, reason: string): RelayEnd {
  // 1009 "message too big" comes from the WebSocket library itself, before a frame of ours could.
  if (code === 1009) return relayEnd("too-large", reason);
  if (code > 4000 && code < 4256) return relayEnd(relayReasonOfCode(code - 4000), reason);
  const detail = reason
    ? `the relay connection closed with code ${code}: ${reason}`
    : `the relay connection closed with code ${code}`;
  return { error: new NetworkError("ERR_RELAY_UNAVAILABLE", readable(detail)), final: false };
}

/** A sentence from outside, fit for a log: one line, no control or bidirectional characters, of limited length. */
function readable(sentence: string): string {
  return sentence.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ").slice(0, 200);
}
