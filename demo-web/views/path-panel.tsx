// Why a path is what it is: the attempts on a time axis, what came of each, and what would help. It is asked for anew while it is open.

import type { PathAttempt, PathReport } from "linknet";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { nextText, outcomeText } from "../chat/explain-text.js";
import { type Lane, labelOrder, type Span, type Tick, type Timeline, timelineOf } from "../chat/explain-timeline.js";
import { codeSentence } from "../chat/explain-words.js";
import { pathClass } from "./member-list.js";

const REFRESH_MS = 1_000;

interface PathPanelProps {
  /** `null` when there is no session (any longer). */
  readonly explain: () => Promise<PathReport | null>;
}

/** Closed until somebody wants to know. */
export function PathPanel({ explain }: PathPanelProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const [report, setReport] = useState<PathReport | null>(null);
  useEffect(() => {
    if (!open) return;
    let closed = false;
    const look = async (): Promise<void> => {
      const next = await explain();
      if (!closed) setReport(next);
    };
    void look();
    const timer = setInterval(() => void look(), REFRESH_MS);
    return () => {
      closed = true;
      clearInterval(timer);
    };
  }, [open, explain]);
  return (
    <details class="why" data-testid="why-path" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Why this path?</summary>
      {open && (report ? <PathStory report={report} /> : <p class="dialog-text">There is no session right now.</p>)}
    </details>
  );
}

function PathStory({ report }: { report: PathReport }): JSX.Element {
  const timeline = timelineOf(report);
  return (
    <div class="story">
      <p data-testid="path-reason">
        {codeSentence(report.why)} {nextText(report)}
      </p>
      {report.hints.length > 0 && (
        <ul class="hints" aria-label="What would help">
          {report.hints.map((hint) => (
            <li key={hint}>{codeSentence(hint)}</li>
          ))}
        </ul>
      )}
      <div class="timeline">
        <Axis timeline={timeline} />
        <PathsLane timeline={timeline} />
        <ul class="lanes">
          {timeline.lanes.map((lane) => (
            <LaneRow key={lane.label} lane={lane} timeline={timeline} nowMs={report.nowMs} />
          ))}
        </ul>
        {timeline.lanes.length === 0 && <p class="lane-note">This side has tried no other path.</p>}
        {timeline.hidden > 0 && <p class="lane-note">and {timeline.hidden} older ones</p>}
      </div>
    </div>
  );
}

/** Room at the right end for the mark of a bar that ends now, in parts of the whole. */
const ROOM = 0.95;
/** Paths that are told in words; earlier ones are only drawn. */
const MAX_WORDS = 4;
/** Least distance of two labels, in parts of the axis. */
const LABEL_PART = 0.17;

function percent(at: number): string {
  return `${Math.round(at * ROOM * 1000) / 10}%`;
}

function Axis({ timeline }: { timeline: Timeline }): JSX.Element {
  return (
    <svg class="axis" width="100%" height="16" aria-hidden="true" focusable="false">
      {labelled(timeline.ticks).map(({ at, text }) => (
        <text key={at} x={percent(at)} y="11" text-anchor={at < 0.05 ? "start" : "middle"}>
          {text}
        </text>
      ))}
    </svg>
  );
}

/** The ticks that have room for a label. */
function labelled(ticks: readonly Tick[]): Tick[] {
  const chosen: Tick[] = [];
  for (const tick of labelOrder(ticks)) {
    if (chosen.every(({ at }) => Math.abs(at - tick.at) >= LABEL_PART)) chosen.push(tick);
  }
  return chosen;
}

/** Lines that go through all lanes: the ticks, and where time is left out. */
function Grid({ timeline }: { timeline: Timeline }): JSX.Element {
  return (
    <>
      {timeline.folds.map((fold) => (
        <rect key={fold.from} class="fold" x={percent(fold.from)} width={extent(fold)} y="0" height="100%" />
      ))}
      {timeline.ticks.map(({ at }) => (
        <line key={at} class="tick" x1={percent(at)} x2={percent(at)} y1="0" y2="100%" />
      ))}
    </>
  );
}

function extent({ from, to }: Span): string {
  return percent(to - from);
}

function PathsLane({ timeline }: { timeline: Timeline }): JSX.Element {
  const all = timeline.paths.map(({ label }) => label || "none");
  const words = all.length > MAX_WORDS ? ["…", ...all.slice(-MAX_WORDS)] : all;
  return (
    <div class="lane">
      <span class="lane-name">Path in use</span>
      <span class="lane-outcome">{words.join(" → ")}</span>
      <svg width="100%" height="14" aria-hidden="true" focusable="false">
        <Grid timeline={timeline} />
        {timeline.paths.map((span) =>
          span.kind === null ? null : (
            <rect
              key={span.from}
              class={`used ${pathClass(span.kind)}`}
              x={percent(span.from)}
              width={extent(span)}
              y="3"
              height="8"
            />
          ),
        )}
      </svg>
    </div>
  );
}

const MARKS: Readonly<Record<PathAttempt["outcome"], string>> = { opened: "✓", failed: "✕", abandoned: "–", running: "…" };

function LaneRow({ lane, timeline, nowMs }: { lane: Lane; timeline: Timeline; nowMs: number }): JSX.Element | null {
  const { bars, label } = lane;
  const last = bars.at(-1)?.attempt;
  if (!last) return null;
  const [outcome, ...reason] = outcomeText(last, nowMs).split(": ");
  return (
    <li class="lane" data-testid="lane" data-outcome={last.outcome}>
      <span class="lane-name">{label}</span>
      <span class="lane-outcome">
        {outcome}
        {bars.length > 1 && `, ${bars.length} tries`}
      </span>
      <svg width="100%" height="14" aria-hidden="true" focusable="false">
        <Grid timeline={timeline} />
        {bars.map(({ from, to, attempt }) => (
          <g key={attempt.startedMs} class={`bar ${attempt.outcome}`}>
            <rect x={percent(from)} width={extent({ from, to })} y="3" height="8" rx="2" />
            <text x={percent(to)} y="11" dx="3">
              {MARKS[attempt.outcome]}
            </text>
          </g>
        ))}
      </svg>
      {reason.length > 0 && <span class="lane-note">{reason.join(": ")}</span>}
    </li>
  );
}
