// A message's text: shown as it is, with http and https addresses as links. Never anything else, and never HTML.

import type { JSX } from "preact";

/** A piece of a message. */
export type TextPart = { readonly text: string; readonly href: string | null };

/** The text with its links. */
export function RichText({ text }: { text: string }): JSX.Element {
  return (
    <>
      {splitLinks(text).map((part, index) => {
        if (part.href === null) return part.text;
        return (
          <a key={index} href={part.href} target="_blank" rel="noopener noreferrer nofollow" dir="ltr">
            {part.text}
          </a>
        );
      })}
    </>
  );
}

/** Finds the addresses in a text. What a link shows is where it leads: an address in foreign letters is shown in its ASCII form. */
export function splitLinks(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let rest = 0;
  for (const found of text.matchAll(/\bhttps?:\/\/[^\s<>"'`\p{Cc}\u200b-\u200f\u2028-\u202e\u2066-\u2069]{1,2000}/giu)) {
    // The dot at the end of a sentence and a bracket around an address are not part of it.
    const written = trimAddress(found[0]);
    const url = webUrl(written);
    if (url === null) continue;
    if (found.index > rest) parts.push({ text: text.slice(rest, found.index), href: null });
    parts.push({ text: /^[\x21-\x7e]+$/.test(written) ? written : url.href, href: url.href });
    rest = found.index + written.length;
  }
  if (rest < text.length) parts.push({ text: text.slice(rest), href: null });
  return parts;
}

function trimAddress(address: string): string {
  const trimmed = address.replace(/[.,;:!?…]+$/u, "");
  return trimmed.endsWith(")") && !trimmed.includes("(") ? trimmed.slice(0, -1) : trimmed;
}

/** A web address without a user part, which is mostly there to look like another host; `null` for anything else. */
function webUrl(text: string): URL | null {
  try {
    const url = new URL(text);
    const web = url.protocol === "https:" || url.protocol === "http:";
    return web && url.username === "" && url.password === "" ? url : null;
  } catch {
    return null;
  }
}
