// What the greeting peer says. It answers few, exact words, and none of its own sentences is among them: two greeters do not
// talk to each other for ever.

import { pathLabel } from "../demo-web/chat/names.js";

/** Most answers to one peer in {@link ANSWER_WINDOW_MS}. */
const MAX_ANSWERS = 5;
const ANSWER_WINDOW_MS = 10_000;
/** Peers whose answers are counted. */
const MAX_COUNTED = 1_000;

/** How somebody reaches us right now. */
export interface Reach {
  readonly path: string | null;
  readonly rttMs: number | null;
}

/** What newcomers hear. */
export function greeting(name: string): string {
  return `Hello ${name}! I am a Node process, and what we say is encrypted from you to me. Ask me "/path?" to see how you reach me.`;
}

/** The answer to what somebody said; `null` for no answer. */
export function answerTo(text: string, name: string, reach: Reach): string | null {
  const word = text.trim().toLowerCase();
  if (/^(hello|hi|hey|good (morning|evening)|hello greeter)[.!]?$/.test(word)) return `Nice to meet you, ${name}.`;
  if (/^\/?path\??$/.test(word)) return describeReach(name, reach);
  if (/^(\/?help|\?)$/.test(word)) return 'I answer "hello", "/path?" and "/time?".';
  if (/^\/?time\??$/.test(word)) return `My clock says ${new Date().toISOString().slice(11, 19)} UTC.`;
  return null;
}

function describeReach(name: string, { path, rttMs }: Reach): string {
  if (path === null) return `${name}, there is no path between us right now.`;
  const trip = rttMs === null ? "" : `, ${rttMs < 10 ? rttMs.toFixed(1) : Math.round(rttMs)} ms there and back`;
  return path === "relay"
    ? `${name}, you reach me through the relay${trip}.`
    : `${name}, you reach me directly, over ${pathLabel(path)}${trip}.`;
}

/** Greets each peer once, and answers nobody faster than they can read. */
export class GreeterManners {
  readonly #greeted = new Set<string>();
  readonly #answered = new Map<string, number[]>();

  /** Whether this peer is new. */
  isNew(peerId: string): boolean {
    if (this.#greeted.has(peerId)) return false;
    if (this.#greeted.size >= MAX_COUNTED) this.#greeted.clear();
    this.#greeted.add(peerId);
    return true;
  }

  /** Whether this peer may have another answer at this time, in ms. */
  mayAnswer(peerId: string, nowMs: number): boolean {
    const recent = (this.#answered.get(peerId) ?? []).filter((timeMs) => nowMs - timeMs < ANSWER_WINDOW_MS);
    if (recent.length >= MAX_ANSWERS) return false;
    if (this.#answered.size >= MAX_COUNTED) this.#answered.clear();
    this.#answered.set(peerId, [...recent, nowMs]);
    return true;
  }
}
