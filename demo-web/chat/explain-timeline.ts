// The timeline of a path: which attempts ran when, on an axis that leaves out the time in which nothing happened. Terminal and page
// draw the same one.

import type { PathAttempt, PathReport } from "linknet";
import { durationText, oneLine } from "./explain-words.js";
import { pathLabel } from "./names.js";

/** A stretch of the axis. Positions are from 0, the left end, to 1. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** One attempt, as a bar. */
export interface Bar extends Span {
  readonly attempt: PathAttempt;
}

/** Attempts of one kind, to one target. */
export interface Lane {
  readonly kind: string;
  /** Such as `TCP to 192.0.2.2:8080`. */
  readonly label: string;
  readonly bars: readonly Bar[];
}

/** A path that was in use; `label` is empty where there was none. */
export interface PathSpan extends Span {
  readonly kind: string | null;
  readonly label: string;
}

/** Where a time stands on the axis. */
export interface Tick {
  readonly at: number;
  readonly text: string;
}

export interface Timeline {
  readonly lanes: readonly Lane[];
  /** Lanes that are left out; the newest are shown. */
  readonly hidden: number;
  readonly paths: readonly PathSpan[];
  readonly ticks: readonly Tick[];
  /** Where time is left out. */
  readonly folds: readonly Span[];
}

/** Most lanes that are shown. */
const MAX_LANES = 10;
/** Nothing happened for this long, in ms: left out. */
const FOLD_MS = 1_000;
/** Parts of the axis: one fold, all folds together, and the least for a moment that has no length. */
const FOLD_PART = 0.06;
const FOLDS_PART = 0.4;
const LEAST_PART = 0.1;
/** About so many ticks on the whole axis. */
const TICKS = 5;

/** Lays a report out. */
export function timelineOf(report: PathReport): Timeline {
  const { attempts, changes, nowMs } = report;
  const axis = axisOf([
    ...attempts.map(({ startedMs, endedMs }): Stretch => [startedMs, endedMs ?? nowMs]),
    ...changes.map(({ atMs }): Stretch => [atMs, atMs]),
    [0, 0],
    [nowMs, nowMs],
  ]);
  const lanes = lanesOf(attempts, nowMs, axis.place);
  const newest = [...lanes].sort((a, b) => startOf(b) - startOf(a)).slice(0, MAX_LANES);
  const paths = changes.map(({ path, atMs }, i): PathSpan => {
    const until = changes[i + 1]?.atMs ?? nowMs;
    const label = path === null ? "" : oneLine(pathLabel(path));
    return { kind: path, label, from: axis.place(atMs), to: axis.place(until) };
  });
  return {
    lanes: lanes.filter((lane) => newest.includes(lane)),
    hidden: lanes.length - newest.length,
    paths,
    ticks: axis.ticks,
    folds: axis.folds,
  };
}

/** When the newest attempt of a lane began. */
function startOf({ bars }: Lane): number {
  return bars.at(-1)?.attempt.startedMs ?? 0;
}

function lanesOf(attempts: readonly PathAttempt[], nowMs: number, place: (timeMs: number) => number): Lane[] {
  const byLabel = new Map<string, { kind: string; bars: Bar[] }>();
  for (const attempt of attempts) {
    const label = attemptLabel(attempt);
    const lane = byLabel.get(label) ?? { kind: attempt.kind, bars: [] };
    byLabel.set(label, lane);
    lane.bars.push({ attempt, from: place(attempt.startedMs), to: place(attempt.endedMs ?? nowMs) });
  }
  return [...byLabel].map(([label, { kind, bars }]) => ({ kind, label, bars }));
}

/** What was tried, in a few words: `TCP to 192.0.2.2:8080`; `UDP, begun by us` where both sides make a link together. */
export function attemptLabel({ kind, way, target }: Pick<PathAttempt, "kind" | "way" | "target">): string {
  const name = oneLine(pathLabel(kind));
  if (way !== "dial") return `${name}, begun by ${way === "offer" ? "us" : "them"}`;
  return target === null ? name : `${name} to ${oneLine(target).replace(/^[a-z0-9.+-]+:\/\/|\/$/gi, "")}`;
}

interface Piece extends Span {
  readonly fromMs: number;
  readonly toMs: number;
}

type Stretch = readonly [fromMs: number, toMs: number];

/** Times to positions: to scale where something happened, and the time in between folded. */
function axisOf(stretches: readonly Stretch[]): Pick<Timeline, "ticks" | "folds"> & { place: (timeMs: number) => number } {
  const busy = merge(stretches);
  const lengths = busy.map(([from, to]) => to - from);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const weights = lengths.map((length) => Math.max(length, total * LEAST_PART, 1));
  const allWeights = weights.reduce((sum, weight) => sum + weight, 0);
  const gaps = busy.length - 1;
  const fold = gaps === 0 ? 0 : Math.min(FOLD_PART, FOLDS_PART / gaps);
  const room = 1 - fold * gaps;

  let at = 0;
  const pieces = busy.map(([fromMs, toMs], i): Piece => {
    const from = at;
    const to = from + ((weights[i] as number) / allWeights) * room;
    at = to + fold;
    return { fromMs, toMs, from, to };
  });
  const place = (timeMs: number): number => {
    const piece = pieces.filter(({ fromMs }) => fromMs <= timeMs).at(-1) ?? pieces[0];
    if (!piece) return 0;
    const length = piece.toMs - piece.fromMs;
    // A moment is where its piece begins, but now is where the axis ends.
    if (length === 0) return piece === pieces.at(-1) ? piece.to : piece.from;
    const part = Math.min(1, (timeMs - piece.fromMs) / length);
    return piece.from + part * (piece.to - piece.from);
  };
  const folds = pieces.slice(1).map((piece, i) => ({ from: (pieces[i] as { to: number }).to, to: piece.from }));
  const ticks = pieces.flatMap((piece, i) => ticksOf(piece, i === pieces.length - 1));
  return { place, folds, ticks };
}

/** Ticks that a drawing may label, the most important first: "now", then from the left, and none that says the same again. */
export function labelOrder(ticks: readonly Tick[]): Tick[] {
  const ordered = [...ticks.slice(-1), ...ticks.slice(0, -1)];
  return ordered.filter(({ text }, i) => ordered.findIndex((tick) => tick.text === text) === i);
}

/** Ticks where something began to happen, at round times in a long piece, and at the end. */
function ticksOf({ fromMs, toMs, from, to }: Piece, isLast: boolean): Tick[] {
  const step = roundStep((toMs - fromMs) / (TICKS * (to - from)));
  const inside: Tick[] = [];
  for (let time = (Math.floor(fromMs / step) + 1) * step; time < toMs; time += step) {
    inside.push({ at: from + ((time - fromMs) / (toMs - fromMs)) * (to - from), text: durationText(time) });
  }
  const first: Tick = { at: from, text: durationText(fromMs) };
  if (!isLast) return [first, ...inside];
  const now: Tick = { at: to, text: "now" };
  return toMs === fromMs ? [now] : [first, ...inside, now];
}

/** The next round span above `ms`: 1, 2 or 5 times a power of ten. */
function roundStep(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, ms)));
  return ([1, 2, 5].find((factor) => factor * power >= ms) ?? 10) * power;
}

/** Stretches in their order, those that touch or nearly do as one. */
function merge(stretches: readonly Stretch[]): Stretch[] {
  const merged: [number, number][] = [];
  for (const [from, to] of [...stretches].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && from - last[1] < FOLD_MS) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}
