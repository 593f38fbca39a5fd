// Explanations as lines of text, for terminals and for whoever copies them into a report.

import type { NatDependence, NatSummary, NetworkReport, PathAttempt, PathReport, TransportReport } from "linknet";
import { attemptLabel, labelOrder, type Timeline, timelineOf } from "./explain-timeline.js";
import { codeSentence, codeText, durationText, oneLine } from "./explain-words.js";
import { pathLabel } from "./names.js";

/** Least and most columns that a timeline takes, and most of them for its labels. */
const MIN_WIDTH = 40;
const MAX_WIDTH = 120;
const MAX_LABEL = 34;

/** How a bar ends. */
const MARKS: Readonly<Record<PathAttempt["outcome"], string>> = { opened: "+", failed: "x", abandoned: "~", running: ">" };
const LEGEND = "= tried   + opened   x failed   ~ no longer needed   > still running   // nothing happened";

// ---- one path ------------------------------------------------------------------------------------------------------------

/**
 * Everything about one path.
 * @param name - of the other side, presentable already
 * @param width - columns of the terminal
 * @param steps - whether to tell each step of the attempts
 */
export function pathLines(report: PathReport, name: string, width: number, steps = false): string[] {
  return [
    headline(report, name),
    ...[codeSentence(report.why), nextText(report)].filter((line) => line !== ""),
    "",
    ...timelineLines(timelineOf(report), width),
    ...section("What was tried", attemptLines(report, steps)),
    ...section("What they name", addressLines(report)),
    ...section("What would help", report.hints.map(codeSentence)),
  ];
}

/** `Ada is reached over WebRTC, 12 ms there and back.` */
export function headline({ path, address, rttMs, status }: PathReport, name: string): string {
  if (path === null) return `${name} is not reached right now (${status}).`;
  const how = path === "relay" ? "through the relay" : `directly, over ${oneLine(pathLabel(path))}`;
  const where = address === null || path === "relay" ? "" : ` at ${oneLine(address)}`;
  return `${name} is reached ${how}${where}${rttMs === null ? "" : `, ${tripText(rttMs)} there and back`}.`;
}

/** What comes next, as sentences; empty where nothing is planned. */
export function nextText({ retryInMs, hopeless }: Pick<PathReport, "retryInMs" | "hopeless">): string {
  const kinds = hopeless.map((kind) => oneLine(pathLabel(kind))).join(", ");
  return [
    ...(retryInMs === null ? [] : [`The next try is due in ${durationText(retryInMs)}.`]),
    ...(kinds === "" ? [] : [`Not tried again before a network changes: ${kinds}.`]),
  ].join(" ");
}

/** What came of an attempt, in a few words: `failed after 20 ms: nothing listens at this address`. */
export function outcomeText({ outcome, startedMs, endedMs, message }: PathAttempt, nowMs: number): string {
  const took = durationText((endedMs ?? nowMs) - startedMs);
  if (outcome === "running") return `has been running for ${took}`;
  if (outcome === "opened") return `opened after ${took}`;
  if (outcome === "abandoned") return `was given up after ${took}, as nobody needed it any longer`;
  return `failed after ${took}${message === null ? "" : `: ${oneLine(message)}`}`;
}

function attemptLines({ attempts, nowMs }: PathReport, steps: boolean): string[] {
  return attempts.flatMap((attempt) => [
    `${durationText(attempt.startedMs)}: ${attemptLabel(attempt)}; it ${outcomeText(attempt, nowMs)}`,
    ...(steps ? attempt.steps.map(({ atMs, text }) => `  ${durationText(atMs)}: ${oneLine(text)}`) : []),
  ]);
}

const VERDICTS = { dialable: "", refused: " (refused)", foreign: " (nothing here dials it)" } as const;

function addressLines({ remote }: PathReport): string[] {
  if (!remote) return [];
  const addresses = remote.addresses.map((url, i) => `${oneLine(url)}${VERDICTS[remote.verdicts[i] ?? "dialable"]}`);
  const together = remote.negotiable.map((kind) => oneLine(pathLabel(kind))).join(", ");
  return [...addresses, ...(together === "" ? [] : [`links made together: ${together}`])];
}

// ---- the timeline --------------------------------------------------------------------------------------------------------

/** The timeline in ASCII: an axis, the paths that were in use, and the attempts as bars. */
export function timelineLines(timeline: Timeline, width: number): string[] {
  const { lanes, hidden, paths, ticks, folds } = timeline;
  const labels = lanes.map(({ label }) => cut(label, MAX_LABEL));
  const labelWidth = Math.max(4, ...labels.map((label) => label.length));
  const columns = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, width)) - labelWidth - 3;
  const row = (label: string, cells: readonly string[]): string => `${label.padEnd(labelWidth)}  ${cells.join("")}`.trimEnd();
  const columnOf = (at: number): number => Math.min(columns - 1, Math.floor(at * columns));

  const axis = blank(columns, "-");
  for (const { from, to } of folds) write(axis, Math.max(columnOf(from), columnOf((from + to) / 2) - 1), "//");
  for (const { at } of ticks) axis[columnOf(at)] = "|";
  const used = blank(columns, " ");
  for (const { from, to, label } of paths) {
    const [start, end] = [columnOf(from), Math.max(columnOf(from) + 1, columnOf(to))];
    for (let i = start; i < end; i++) used[i] = label === "" ? " " : ".";
    if (label.length <= end - start) write(used, start, label);
  }
  const bars = lanes.map((lane) => {
    const cells = blank(columns, " ");
    for (const { from, to, attempt } of lane.bars) {
      const [start, end] = [columnOf(from), columnOf(to)];
      for (let i = start; i < end; i++) cells[i] = "=";
      cells[end] = MARKS[attempt.outcome];
    }
    return cells;
  });
  return [
    row("", tickLine(ticks, columns)),
    row("", axis),
    row("path", used),
    ...bars.map((cells, i) => row(labels[i] as string, cells)),
    ...(hidden > 0 ? [`and ${hidden} older ones`] : []),
    ...(lanes.length > 0 ? [LEGEND] : []),
  ];
}

/** Labels over their ticks, those left out that would touch another one. */
function tickLine(ticks: Timeline["ticks"], columns: number): string[] {
  const cells = blank(columns, " ");
  for (const { at, text } of labelOrder(ticks)) {
    const start = Math.max(0, Math.min(columns - text.length, Math.floor(at * columns)));
    const around = cells.slice(Math.max(0, start - 1), start + text.length + 1);
    if (around.every((cell) => cell === " ")) write(cells, start, text);
  }
  return cells;
}

function blank(columns: number, fill: string): string[] {
  return new Array<string>(columns).fill(fill);
}

function write(cells: string[], start: number, text: string): void {
  for (let i = 0; i < text.length && start + i < cells.length; i++) cells[start + i] = text[i] as string;
}

// ---- this side -----------------------------------------------------------------------------------------------------------

/** Everything about this side. */
export function networkLines(report: NetworkReport): string[] {
  const { build, port, transports, addresses, relays, nat, portMapping, hints } = report;
  const here = transports.filter(({ missing }) => missing === null).map(transportText);
  const missing = transports.filter((transport) => transport.missing !== null);
  return [
    reachText(report),
    "",
    ...fact("Runtime", [`${build === "node" ? "Node" : "browser"}${port === null ? "" : `, port ${port}`}`]),
    ...fact("Links", [here.join(", ")]),
    ...fact(
      "Not here",
      missing.map(({ kind, missing: code }) => `${pathLabel(kind)}: ${codeText(code ?? "WHY_NOT_HERE")}`),
    ),
    ...fact("Addresses", addresses.length > 0 ? addresses : ["none: nobody can dial us"]),
    ...fact("Relays", relays.length > 0 ? relays.map(relayText) : ["none"]),
    ...fact("STUN", stunLines(report)),
    ...fact("NAT", nat === null ? [build === "browser" ? "not known: a browser does not tell" : "not known"] : natLines(nat)),
    ...(portMapping === null ? [] : fact("Port mapping", portMappingLines(portMapping))),
    ...section("What would help", hints.map(codeSentence)),
  ];
}

/** In one sentence: who can reach this side directly. */
export function reachText({ nat, portMapping }: Pick<NetworkReport, "nat" | "portMapping">): string {
  const [opened] = portMapping?.ports ?? [];
  if (opened) return `The gateway lets others in: they reach this peer at ${opened.externalAddress}:${opened.externalPort}.`;
  if (!nat) return "Which NAT is in between is not known, and so who can reach this peer directly.";
  if (nat.mapped === null) return "UDP does not get out of this network: direct paths are made by TCP, or there are none.";
  if (isLocal(nat.mapped)) return "Only a STUN server on this machine answered, and it cannot tell what is in between.";
  if (nat.open) return "There is no NAT: others can reach this peer directly, unless a firewall forbids it.";
  if (nat.mapping === "unknown") return "There is a NAT. A second STUN server would tell how it behaves.";
  if (nat.mapping === "endpoint-independent") return "This NAT is a good one: direct paths to most peers can be had.";
  return "This NAT is a hard one: direct paths can be had to peers behind a better one, or behind none.";
}

function transportText({ kind, can }: TransportReport): string {
  const words = { dial: "dials", listen: "listens", negotiate: "made together" } as const;
  return `${pathLabel(kind)} (${can.map((ability) => words[ability]).join(", ")})`;
}

function relayText({ url, connected, rttMs, message }: NetworkReport["relays"][number]): string {
  if (!connected) return `${url} is not connected${message === null ? "" : `: ${oneLine(message)}`}`;
  return `${url} is connected${rttMs === null ? "" : `, ${tripText(rttMs)} there and back`}`;
}

function stunLines({ stunServers, nat }: NetworkReport): string[] {
  if (!nat) return stunServers.length > 0 ? [...stunServers] : ["none"];
  return nat.servers.map(({ server, mapped, code }) => {
    const name = server.replace(/^stun:/, "");
    return mapped === null ? `${name} told nothing: ${codeText(code ?? "ERR_STUN_TIMEOUT")}` : `${name} sees us as ${mapped}`;
  });
}

const MAPPING: Readonly<Record<NatDependence, string>> = {
  "endpoint-independent": "one port for all destinations",
  "address-dependent": "another port for each address",
  "address-and-port-dependent": "another port for each address and port",
  unknown: "one STUN server alone cannot tell",
};
const FILTERING: Readonly<Record<NatDependence, string>> = {
  "endpoint-independent": "everybody may send to it",
  "address-dependent": "only addresses that we have sent to",
  "address-and-port-dependent": "only addresses and ports that we have sent to",
  unknown: "only a STUN server with two addresses can tell",
};
const ALLOCATION: Readonly<Record<NatSummary["allocation"], string>> = {
  preserving: "the local port is kept",
  sequential: "ports follow each other",
  random: "ports are random",
  unknown: "which ports it takes is not known",
};

/** The NAT in the words of RFC 4787, and what they mean. */
export function natLines({ open, mapping, filtering, allocation, mapped }: NatSummary): string[] {
  if (mapped === null) return ["not known, as no STUN server answered"];
  if (isLocal(mapped)) return [`not known: ${mapped} is how we are seen on this machine`];
  if (open) return [`none: others see us as ${mapped}, which is what we are`];
  return [
    `others see us as ${mapped}`,
    `mapping: ${mapping} (${MAPPING[mapping]})`,
    `allocation: ${allocation} (${ALLOCATION[allocation]})`,
    `filtering: ${filtering} (${FILTERING[filtering]})`,
  ];
}

/** Whether an endpoint is one of the loopback, which says nothing about the world outside. */
function isLocal(mapped: string): boolean {
  return /^(127\.|\[::1\])/.test(mapped);
}

function portMappingLines({ state, protocol, ports, problem }: NonNullable<NetworkReport["portMapping"]>): string[] {
  const by = protocol === null ? "" : ` by ${protocol.toUpperCase()}`;
  return [
    `${state}${by}`,
    ...ports.map((one) => `${one.protocol} ${one.internalPort} is open at ${one.externalAddress}:${one.externalPort}`),
    ...(problem === null ? [] : [oneLine(problem)]),
  ];
}

// ---- lines ---------------------------------------------------------------------------------------------------------------

const FACT_WIDTH = 14;

function fact(name: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => `${(i === 0 ? name : "").padEnd(FACT_WIDTH)}${line}`);
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0
    ? []
    : ["", title, ...lines.map((line) => `  ${line.startsWith(" ") ? " " : "-"} ${line.trimStart()}`)];
}

function tripText(rttMs: number): string {
  return rttMs < 9.95 ? `${rttMs.toFixed(1)} ms` : durationText(rttMs);
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
