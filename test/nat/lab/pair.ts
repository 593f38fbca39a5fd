// Two peers in a laboratory of their own: connects them, lets messages flow while the path changes, and tells what came of it.

import { fileURLToPath } from "node:url";
import type { Expectation } from "./expectations.js";
import { Lab } from "./lab.js";
import type { Modules } from "./modules.js";
import type { Program } from "./program.js";
import type { HostName, LabOptions } from "./topology.js";

const AGENT = fileURLToPath(new URL("./agent.mjs", import.meta.url));
const RELAY = fileURLToPath(new URL("./relay.mjs", import.meta.url));

/** The relay's port, TCP and UDP: one that every network lets out. */
export const RELAY_PORT = 443;
/** How long messages go on after the path became direct. */
const AFTERWARDS_MS = 300;
/** For what was sent to arrive, once nobody sends any more. */
const SETTLE_MS = 5_000;

/** One peer, started and logged in at the relay. */
export interface Agent {
  readonly program: Program;
  readonly peerId: string;
}

/** What an agent says of its session with the other. */
export interface AgentReport {
  readonly sent: number;
  /** As many of the other's numbers as came in order. */
  readonly received: number;
  /** Numbers that came twice, or before or after their turn. */
  readonly faults: number;
  /** On the clock that all processes share, in ms; `null` before the first message. */
  readonly firstAt: number | null;
  readonly longestGapMs: number;
  readonly path: string | null;
  readonly address: string | null;
}

export interface PairResult {
  /** As side `a` and side `b` have it at the end. */
  readonly paths: readonly [string | null, string | null];
  /** From the call of `connectToPeer` at `a` to the first message at `b`; `null` if there was none. */
  readonly firstMessageMs: number | null;
  /** From `a` over the relay to the other side and back. */
  readonly relayRoundTripMs: number;
  /** From the call of `connectToPeer` until both sides had left the relay for good; `null` if they did not. */
  readonly directMs: number | null;
  /** Longest time between two messages that were sent every 20 ms. */
  readonly longestGapMs: number;
  /** Packets past the relay. */
  readonly directPackets: number;
  /** Numbered messages sent by both sides, and how many of them never arrived, or not once, or not in order. */
  readonly sent: number;
  readonly lost: number;
  readonly faults: number;
  /** What agents told of errors, each once. */
  readonly errors: readonly string[];
}

/** Lets one thing be done at a time: what is measured shall not wait for another pair's programs to start. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/** Starts the relay on its host. */
export function startRelay(lab: Lab, modules: Modules): Promise<Program> {
  return lab.start("relay", RELAY, [JSON.stringify({ module: modules.relay, addresses: lab.relayAddresses, port: RELAY_PORT })]);
}

/** Starts a peer and waits until the relay has it. */
export async function startAgent(
  lab: Lab,
  host: HostName,
  modules: Modules,
  seed: string,
  options: Record<string, unknown> = {},
): Promise<Agent> {
  const [first] = lab.relayAddresses;
  const all = {
    relays: [`ws://${first}:${RELAY_PORT}`],
    stunServers: lab.relayAddresses.map((address) => `stun:${address}:${RELAY_PORT}`),
    ...options,
  };
  const args = JSON.stringify({ module: modules.node, options: all, seed });
  const program = await lab.start(host, AGENT, [args]);
  const { peerId } = await program.request<{ peerId: string }>("start");
  await program.waitFor((one) => one.event === "relay" && one.status === "connected");
  return { program, peerId };
}

/** The network's own round trip from both to the relay and back, added: what a question over the relay takes at least. */
export async function relayRoundTrip(lab: Lab, agents: readonly Agent[]): Promise<number> {
  const to = { address: lab.relayAddresses[0], port: RELAY_PORT };
  const times = await Promise.all(agents.map(({ program }) => program.request<number>("roundTrip", to)));
  return times.reduce((sum, ms) => sum + ms, 0);
}

export function reportOf(agent: Agent, other: Agent): Promise<AgentReport> {
  return agent.program.request<AgentReport>("report", { peerId: other.peerId });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What counts as direct; everything but the relay where nothing is said. */
type Wanted = Pick<Expectation, "over">;

const isDirect = (path: unknown, { over }: Wanted): boolean =>
  typeof path === "string" && (over ? over.includes(path) : path !== "relay");

/** When an agent came to the path that it is on, if that is a direct one; on the clock of all processes. */
function directSince(agent: Agent, other: Agent, wanted: Wanted): number | null {
  const paths = agent.program.events.filter((one) => one.event === "path" && one.peerId === other.peerId);
  let since: number | null = null;
  for (const { path, at } of paths) since = isDirect(path, wanted) ? (since ?? Number(at)) : null;
  return since;
}

/** When both sides were on a direct path, or `null` once the time is over. */
export async function waitForDirect(a: Agent, b: Agent, wanted: Wanted, timeoutMs: number): Promise<number | null> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const [sinceA, sinceB] = [directSince(a, b, wanted), directSince(b, a, wanted)];
    if (sinceA !== null && sinceB !== null) return Math.max(sinceA, sinceB);
    if (performance.now() >= deadline) return null;
    await pause(10);
  }
}

/** Both stop sending, and everything that was sent has some time to arrive. */
export async function settle(a: Agent, b: Agent): Promise<readonly [AgentReport, AgentReport]> {
  await Promise.all([
    a.program.request("stopSending", { peerId: b.peerId }),
    b.program.request("stopSending", { peerId: a.peerId }),
  ]);
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const reports = await Promise.all([reportOf(a, b), reportOf(b, a)]);
    const [atA, atB] = reports;
    if ((atA.received === atB.sent && atB.received === atA.sent) || performance.now() > deadline) return reports;
    await pause(20);
  }
}

/**
 * Builds a laboratory, connects `a` with the other host there, and watches.
 * @param seed - decides the identities, and with them who takes which role
 */
export async function runPair(
  options: LabOptions,
  expected: Expectation,
  modules: Modules,
  seed: string,
  turns: Turns,
): Promise<PairResult> {
  let lab: Lab | null = null;
  try {
    const begun = await turns.take(async () => {
      lab = await Lab.open(options);
      return begin(await build(lab, options, modules, seed), expected);
    });
    return await watch(begun, expected);
  } finally {
    await (lab as Lab | null)?.close();
  }
}

interface Built {
  readonly lab: Lab;
  readonly a: Agent;
  readonly b: Agent;
}

async function build(lab: Lab, options: LabOptions, modules: Modules, seed: string): Promise<Built> {
  await startRelay(lab, modules);
  const [a, b] = await Promise.all([
    startAgent(lab, "a", modules, `${seed}/a`),
    startAgent(lab, options.b === undefined ? "c" : "b", modules, `${seed}/b`),
  ]);
  return { lab, a, b };
}

interface Begun extends Built {
  readonly relayRoundTripMs: number;
  readonly startedAt: number;
  readonly firstAt: number | null;
}

async function begin({ lab, a, b }: Built, expected: Expectation): Promise<Begun> {
  const relayRoundTripMs = await relayRoundTrip(lab, [a, b]);
  const { startedAt } = await a.program.request<{ startedAt: number }>("connect", { target: b.peerId });
  const first = await b.program.waitFor((one) => one.event === "first", expected.withinMs).catch(() => null);
  return { lab, a, b, relayRoundTripMs, startedAt, firstAt: first ? Number(first.at) : null };
}

async function watch({ lab, a, b, relayRoundTripMs, startedAt, firstAt }: Begun, expected: Expectation): Promise<PairResult> {
  const directAt = await waitForDirect(a, b, expected, expected.withinMs);
  if (directAt !== null) await pause(AFTERWARDS_MS);
  const [atA, atB] = await settle(a, b);
  // Anew: it may have gone back to the relay.
  const [sinceA, sinceB] = [directSince(a, b, expected), directSince(b, a, expected)];
  const told = [...a.program.events, ...b.program.events].filter((one) => one.event === "error" || one.event === "failed");
  return {
    paths: [atA.path, atB.path],
    firstMessageMs: firstAt === null ? null : firstAt - startedAt,
    relayRoundTripMs,
    directMs: sinceA === null || sinceB === null ? null : Math.max(sinceA, sinceB) - startedAt,
    longestGapMs: Math.max(atA.longestGapMs, atB.longestGapMs),
    directPackets: await lab.directPackets(),
    sent: atA.sent + atB.sent,
    lost: atA.sent - atB.received + (atB.sent - atA.received),
    faults: atA.faults + atB.faults,
    errors: [...new Set(told.map((one) => `${one.code} ${one.text ?? ""}`.trim()))],
  };
}
