// When to ping a silent link and when to take it for dead: rules over time, without timers or sockets.

import type { LinkKind } from "../path/link.js";
import type { Millis } from "../runtime.js";

export interface KeepAlivePolicy {
  /** Silence before a ping. */
  readonly idleMs: Millis;
  /** How long the answer may take at most before the link is dead. */
  readonly answerMs: Millis;
}

const LOSSY: KeepAlivePolicy = { idleMs: 5_000, answerMs: 10_000 };
const RELIABLE: KeepAlivePolicy = { idleMs: 10_000, answerMs: 5_000 };

/**
 * A dead link is found within 15 s of silence, whatever its kind. UDP mappings may be forgotten after 30 s, and a lost UDP path
 * tells nobody: there we ask more often.
 */
export function keepAlivePolicy(kind: LinkKind): KeepAlivePolicy {
  return kind === "udp" || kind === "webrtc" ? LOSSY : RELIABLE;
}

/** Least time for an answer: a busy process or a full queue on the way is not a dead link. */
const LEAST_ANSWER_MS: Millis = 3_000;
/** Round trips that an answer may take: enough for a queue on the way that has grown tenfold. */
const ANSWER_ROUND_TRIPS = 10;

/** How long an answer may take on a link whose round trip is known: shorter where it is short, never longer than the policy says. */
export function answerTimeout(policy: KeepAlivePolicy, rttMs: Millis | null): Millis {
  if (rttMs === null) return policy.answerMs;
  return Math.min(policy.answerMs, Math.max(LEAST_ANSWER_MS, ANSWER_ROUND_TRIPS * rttMs));
}

export type KeepAliveAction =
  | { readonly kind: "wait"; readonly ms: Millis }
  | { readonly kind: "ping" }
  | { readonly kind: "dead" };

/**
 * What to do at `now`.
 * @param lastHeard - when anything authentic last arrived
 * @param pingedAt - when the ping that has no answer yet was sent; `null` when there is none
 * @param rttMs - smoothed round-trip time; `null` until it was measured
 */
export function keepAliveAction(
  policy: KeepAlivePolicy,
  now: Millis,
  lastHeard: Millis,
  pingedAt: Millis | null,
  rttMs: Millis | null,
): KeepAliveAction {
  if (pingedAt !== null && pingedAt >= lastHeard) {
    const left = pingedAt + answerTimeout(policy, rttMs) - now;
    return left <= 0 ? { kind: "dead" } : { kind: "wait", ms: left };
  }
  const left = lastHeard + policy.idleMs - now;
  return left <= 0 ? { kind: "ping" } : { kind: "wait", ms: left };
}

/** Smoothed round-trip time by RFC 6298 §2: SRTT ← 7/8 SRTT + 1/8 R. */
export function smoothRtt(smoothed: Millis | null, sample: Millis): Millis {
  return smoothed === null ? sample : smoothed + (sample - smoothed) / 8;
}
