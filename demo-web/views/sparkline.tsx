// The last minute of a round-trip time as a line. Its words are beside it, so screen readers skip it.

import type { JSX } from "preact";
import { MAX_SAMPLES } from "../state/chat-state.js";

const WIDTH = 56;
const HEIGHT = 20;

/** The line; see {@link sparkline}. */
export function Sparkline({ samples }: { samples: readonly (number | null)[] }): JSX.Element {
  const { line, last } = sparkline(samples);
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true" focusable="false">
      <path class="base" d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
      {line !== "" && <path class="line" d={line} />}
      {last && <circle class="last" cx={last.x} cy={last.y} r="1.8" />}
    </svg>
  );
}

/**
 * The path of the line: newest at the right, a gap where there was no path, the scale from 0 to the largest sample.
 * @returns `last` is where the newest sample is, `null` if there is none right now
 */
export function sparkline(samples: readonly (number | null)[]): { line: string; last: { x: number; y: number } | null } {
  const known = samples.filter((sample): sample is number => sample !== null);
  // At least 4 ms, so that the noise of a local network does not look like a mountain range.
  const top = Math.max(4, ...known) * 1.1;
  const step = (WIDTH - 4) / (MAX_SAMPLES - 1);
  const start = WIDTH - 2 - (samples.length - 1) * step;
  let line = "";
  let last: { x: number; y: number } | null = null;
  for (const [index, sample] of samples.entries()) {
    if (sample !== null) {
      const x = round(start + index * step);
      const y = round(HEIGHT - 2 - (Math.max(0, sample) / top) * (HEIGHT - 4));
      line += `${last ? "L" : "M"}${x} ${y}`;
      last = { x, y };
    } else last = null;
  }
  return { line, last };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
