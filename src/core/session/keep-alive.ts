// When to ping a silent link and when to take it for dead: rules over time, without timers or sockets.

import type { LinkKind } from "../path/link.js";
import type { Millis } from "../runtime.js";

export interface KeepAlivePolicy {
  /** Silence before a ping. */
  readonly idleMs: Millis;
  /** How long the answer may take before the link is dead. */
  readonly answerMs: Millis;
}

/** UDP mappings may be forgotten after 30 s, and a lost UDP path tells nobody: ask often. TCP and relays tell most deaths themselves. */
export function keepAlivePolicy(kind: LinkKind): KeepAlivePolicy {
  return kind === "udp" || kind === "webrtc" ? { idleMs: 5_000, answerMs: 10_000 } : { idleMs: 15_000, answerMs: 5_000 };
}

export type KeepAliveAction =
  | { readonly kind: "wait"; readonly ms: Millis }
  | { readonly kind: "ping" }
  | { readonly kind: "dead" };

/**
 * What to do at `now`.
 * @param lastHeard - when anything authentic last arrived
 * @param pingedAt - when the ping that has no answer yet was sent; `null` when there is none
 */
export function keepAliveAction(
  policy: KeepAlivePolicy,
  now: Millis,
  lastHeard: Millis,
  pingedAt: Millis | null,
): KeepAliveAction {
  if (pingedAt !== null && pingedAt >= lastHeard) {
    const left = pingedAt + policy.answerMs - now;
    return left <= 0 ? { kind: "dead" } : { kind: "wait", ms: left };
  }
  const left = lastHeard + policy.idleMs - now;
  return left <= 0 ? { kind: "ping" } : { kind: "wait", ms: left };
}

/** Smoothed round-trip time by RFC 6298 §2: SRTT ← 7/8 SRTT + 1/8 R. */
export function smoothRtt(smoothed: Millis | null, sample: Millis): Millis {
  return smoothed === null ? sample : smoothed + (sample - smoothed) / 8;
}
