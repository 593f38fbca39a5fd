// A round sign for a person: the first letter, in a colour that follows from the PeerId.

import type { JSX } from "preact";

/** The sign; faded for somebody who is not connected. */
export function Avatar({ id, name, faded = false }: { id: string; name: string; faded?: boolean }): JSX.Element {
  const letter = [...name.replace(/[^\p{L}\p{N}\p{Extended_Pictographic}]/gu, "")][0] ?? "·";
  return (
    <span class={`avatar hue-${hueOf(id)}${faded ? " faded" : ""}`} aria-hidden="true">
      {letter.toLocaleUpperCase()}
    </span>
  );
}

/** One of twelve hues. Only to tell people apart at a glance: whoever wants the same colour can have it. */
export function hueOf(peerId: string): number {
  let sum = 0;
  for (const letter of peerId) sum = (sum * 31 + letter.charCodeAt(0)) % 9973;
  return sum % 12;
}
