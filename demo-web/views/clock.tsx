// A time of day, in the reader's own manner.

import type { JSX } from "preact";

const SHORT = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const LONG = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** The time of day, with the date in its title. */
export function Clock({ timeMs }: { timeMs: number }): JSX.Element {
  const time = new Date(timeMs);
  return (
    <time dateTime={time.toISOString()} title={LONG.format(time)}>
      {SHORT.format(time)}
    </time>
  );
}
