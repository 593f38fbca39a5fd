// Small words that explanations are made of: spans of time, codes as sentences, and text from outside in one line.

import { ERROR_CODES, type ErrorCode, FINDINGS, type FindingCode } from "linknet";
import { terminalText } from "./names.js";

/** Longest text from outside that is shown in one line. */
const MAX_LINE = 200;

/** Text from outside in one line: no control or direction characters, and not endless. */
export function oneLine(text: string): string {
  const clean = terminalText(text.slice(0, 2 * MAX_LINE))
    .replace(/\s+/gu, " ")
    .trim();
  return clean.length > MAX_LINE ? `${clean.slice(0, MAX_LINE - 1)}…` : clean;
}

/** `12 ms`, `1.5 s`, `40 s`, `3 min 5 s`, `2 h 4 min`. */
export function durationText(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A code of a finding or of an error as words. */
export function codeText(code: FindingCode | ErrorCode): string {
  return code in FINDINGS ? FINDINGS[code as FindingCode] : ERROR_CODES[code as ErrorCode].text;
}

/** The same as a sentence of its own. */
export function codeSentence(code: FindingCode | ErrorCode): string {
  const text = codeText(code);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
