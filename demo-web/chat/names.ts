// Names and texts from other people, made harmless before they are shown or used as file names.

/** Longest name shown, in code points. */
export const MAX_NAME_LENGTH = 32;

// Controls (C0, C1), zero-width and directional marks, line and paragraph separators, the byte order mark, lone surrogates,
// and tag characters: nothing that a person types into a name, and all that can fake another one.
const UNSEEN = /[\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\p{Cs}]/gu;
// Joiners stay in message texts, where emoji and several scripts need them.
const UNSAFE_ON_TERMINAL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\p{Cs}]/gu;
const MANY_MARKS = /(\p{M}{3})\p{M}+/gu;

/** The first characters of a PeerId, enough to tell the members of one room apart by eye; no proof of anything. */
export function shortId(peerId: string): string {
  return peerId.slice(0, 6);
}

/**
 * A peer's claimed name, ready to be shown: one line, no control or direction characters, at most
 * {@link MAX_NAME_LENGTH} code points. Without a usable name: `peer` and the short id.
 */
export function displayName(name: string, peerId: string): string {
  // Cut first, so that the work does not grow with what somebody sends.
  const clean = name.slice(0, 512).replace(/\s+/gu, " ").replace(UNSEEN, "").replace(MANY_MARKS, "$1").trim();
  if (clean === "") return `peer ${shortId(peerId)}`;
  const points = [...clean];
  return points.length > MAX_NAME_LENGTH
    ? `${points
        .slice(0, MAX_NAME_LENGTH - 1)
        .join("")
        .trimEnd()}…`
    : clean;
}

/** Our own name, cut so that it fits the 64 bytes of UTF-8 that the SDK takes. */
export function ownName(name: string): string {
  const points = [...name.slice(0, 512).replace(/\s+/gu, " ").replace(UNSEEN, "").trim()].slice(0, MAX_NAME_LENGTH);
  const encoder = new TextEncoder();
  while (encoder.encode(points.join("")).length > 64) points.pop();
  return points.join("").trim();
}

/** Text from outside for a terminal: no escape sequences and no direction tricks; line breaks and tabs stay. */
export function terminalText(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(UNSAFE_ON_TERMINAL, "");
}

/**
 * A file name without a path, control characters, characters that some system forbids, or a name that Windows reserves.
 * At most 120 code points and 200 bytes of UTF-8, its extension kept where it is short. Never empty: `file` where nothing is left.
 */
export function safeFileName(name: string): string {
  const last = name.slice(-1024).split(/[/\\]/).pop() ?? "";
  let clean = last
    .replace(/\s+/gu, " ")
    .replace(UNSEEN, "")
    .replace(/[<>:"|?*%`$]/g, "_")
    .replace(MANY_MARKS, "$1");
  // A leading dot hides a file, a trailing dot or space is dropped by Windows and so would change the name.
  clean = clean.replace(/^[.\s~-]+/u, "").replace(/[.\s]+$/u, "");
  if (clean === "") return "file";
  if (/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(clean)) clean = `_${clean}`;
  return cutFileName(clean);
}

function cutFileName(name: string): string {
  const encoder = new TextEncoder();
  const dot = name.lastIndexOf(".");
  const extension = dot > 0 && name.length - dot <= 12 ? name.slice(dot) : "";
  const stem = [...name.slice(0, name.length - extension.length)].slice(0, 120 - extension.length);
  while (stem.length > 1 && encoder.encode(stem.join("") + extension).length > 200) stem.pop();
  return stem.join("").trimEnd() + extension;
}

/** `1.4 MB` and the like: decimal units, as file managers show them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

const PATH_LABELS: Readonly<Record<string, string>> = {
  relay: "Relay",
  webrtc: "WebRTC",
  websocket: "WebSocket",
  tcp: "TCP",
  udp: "UDP",
};

/** How people call a kind of link; `no path` for `null`. A custom transport goes by its own name. */
export function pathLabel(path: string | null): string {
  if (path === null) return "no path";
  return Object.hasOwn(PATH_LABELS, path) ? (PATH_LABELS[path] as string) : displayName(path, "");
}

/** A sentence for a reason that came as a code. */
export function cancelText(reason: string): string {
  const texts: Readonly<Record<string, string>> = {
    cancelled: "cancelled",
    "too-large": "the file is larger than 100 MiB",
    busy: "too many files at once",
    "no-room": "the other side has no room for it",
    unreadable: "the file could not be read",
    protocol: "its pieces did not fit together",
    stalled: "nothing came for two minutes",
    left: "the connection ended",
    refused: "the other side takes no files",
  };
  return Object.hasOwn(texts, reason) ? (texts[reason] as string) : "it did not work";
}
