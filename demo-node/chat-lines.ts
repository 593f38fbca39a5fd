// How things look in the terminal. Everything from outside is cleaned here, in one place.

import type { PathReport, PeerInfo } from "linknet";
import { pathLines } from "../demo-web/chat/explain-text.js";
import { displayName, pathLabel, shortId, terminalText } from "../demo-web/chat/names.js";
import { styleName, styleText } from "./style-text.js";

/** What `/help` prints. */
export const COMMANDS_HELP = [
  "/peers               who is here, and how they are reached",
  "/send FILE           send a file to everybody here",
  "/explain [NAME]      why somebody is reached as they are, and what would improve it",
  "/fingerprint [NAME]  digits to compare, so that nobody is in between",
  "/ticket              a ticket for somebody to connect to you by, with its QR code",
  "/help                this list",
  "/quit                leave (Ctrl-C does as well)",
].join("\n");

/** A time of day: hours and minutes. */
export function clockText(timeMs: number): string {
  const time = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** One message. Further lines are indented, so that no text can look like a line of somebody else. */
export function messageLine(name: string, peerId: string, text: string, timeMs: number): string {
  const [first = "", ...rest] = terminalText(text).split("\n");
  const head = `${styleText("dim", clockText(timeMs))} ${styleName(displayName(name, peerId), peerId)} ${first}`;
  return [head, ...rest.map((line) => `      ${styleText("dim", "│")} ${line}`)].join("\n");
}

/** Something that happened. */
export function eventLine(text: string): string {
  return styleText("dim", `      * ${terminalText(text)}`);
}

/** Something that went wrong. */
export function errorLine(text: string): string {
  return styleText("red", `      ! ${terminalText(text)}`);
}

/** `4.2 ms`, or a dash. */
export function rttText(rttMs: number | null): string {
  if (rttMs === null) return "-";
  return `${rttMs < 10 ? rttMs.toFixed(1) : Math.round(rttMs)} ms`;
}

/** The table of `/peers`. */
export function peersTable(peers: readonly PeerInfo[]): string {
  if (peers.length === 0) return eventLine("Nobody else is here yet.");
  const rows = peers.map((peer) => [
    displayName(peer.name, peer.id),
    shortId(peer.id),
    peer.path === null ? "-" : pathLabel(peer.path),
    rttText(peer.rttMs),
    peer.status,
    `${peer.messagesIn} in, ${peer.messagesOut} out`,
  ]);
  const table = [["name", "id", "path", "round trip", "status", "messages"], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => [...(row[column] ?? "")].length))) ?? [];
  const lines = table.map((row) =>
    row.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - [...cell].length)).join("  "),
  );
  return lines.map((line, index) => `      ${index === 0 ? styleText("bold", line.trimEnd()) : line.trimEnd()}`).join("\n");
}

/** What `/explain` prints about one path. @param columns - of the terminal */
export function pathText(report: PathReport, name: string, columns: number): string {
  const [first = "", ...rest] = pathLines(report, name, columns - INDENT.length);
  return [styleText("bold", first), ...rest].map((line) => `${INDENT}${line}`.trimEnd()).join("\n");
}

const INDENT = "      ";

/** The peers that somebody may mean by what they typed: by name, by the beginning of a name, or by the beginning of an id. */
export function findPeers(peers: readonly PeerInfo[], typed: string): readonly PeerInfo[] {
  const wanted = typed.trim().toLowerCase();
  if (wanted === "") return peers;
  const nameOf = (peer: PeerInfo): string => displayName(peer.name, peer.id).toLowerCase();
  const exact = peers.filter((peer) => nameOf(peer) === wanted);
  return exact.length > 0 ? exact : peers.filter((peer) => nameOf(peer).startsWith(wanted) || peer.id.startsWith(wanted));
}
