// TCP punching through the kernel's own NAT, with STUN over TCP at a real relay and 20 ms each way.
//
//   PUNCH_PAIRS=port:port,full:random   other pairs than these, the first one offers
//   PUNCH_RUNS=20                       so many attempts of each

import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { natLabProblem } from "../../scripts/lib/nat-tools.mjs";
import { Lab } from "./lab/lab.js";
import type { NatKind } from "./lab/nat-kinds.js";
import { startRelay } from "./lab/pair.js";
import type { Program, ProgramEvent } from "./lab/program.js";

const problem = natLabProblem();
if (problem) console.warn(`\n!!!!!!!!!! SKIPPED: TCP punching in the NAT laboratory (${problem}) !!!!!!!!!!\n`);

/** Signals go through the relay: so long one way. */
const SIGNAL_MS = 45;
const RUNS = Number(process.env.PUNCH_RUNS ?? 5);

// Below the root, where the dependencies are found.
const folder = fileURLToPath(new URL(`../../node_modules/.cache/linknet-tcp-punch-${process.pid}`, import.meta.url));

beforeAll(async () => {
  const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  await build({
    entryPoints: { program: source("./tcp-punch-program.ts"), relay: source("../../src/server/index.ts") },
    ...{ bundle: true, packages: "external", platform: "node", format: "esm", logLevel: "warning" },
    outdir: folder,
    outExtension: { ".js": ".mjs" },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Scene {
  readonly lab: Lab;
  readonly a: Program;
  readonly b: Program;
  readonly stunServers: readonly string[];
}

async function openScene(lab: Lab): Promise<Scene> {
  const program = join(folder, "program.mjs");
  const relay = pathToFileURL(join(folder, "relay.mjs")).href;
  await startRelay(lab, { node: "", relay, remove: () => {} });
  const [a, b] = await Promise.all([lab.start("a", program), lab.start("b", program)]);
  return { lab, a, b, stunServers: lab.relayAddresses.map((address) => `stun:${address}:443`) };
}

const eventsOf = (program: Program, attempt: number, event: string): readonly ProgramEvent[] =>
  program.events.filter((one) => one.event === event && one.attempt === attempt);

/** Passes the signals of an attempt on, in order, until its sender is done. */
async function passSignals(from: Program, to: Program, attempt: number): Promise<void> {
  for (let passed = 0; ; passed++) {
    await from.waitFor(() => eventsOf(from, attempt, "signal").length > passed || eventsOf(from, attempt, "end").length > 0);
    const next = eventsOf(from, attempt, "signal")[passed];
    if (!next) return;
    setTimeout(() => void to.request("signal", { attempt, value: next.signal }).catch(() => {}), SIGNAL_MS);
  }
}

interface Result {
  readonly outcomes: readonly unknown[];
  readonly ms: number;
  /** What both sides noted, for whoever looks for a fault. */
  readonly story: string;
}

/** One attempt; `a` offers. */
async function punch({ a, b, stunServers }: Scene, attempt: number): Promise<Result> {
  const began = await a.request<number>("begin", { attempt, initiator: true, stunServers });
  await new Promise((resolve) => setTimeout(resolve, SIGNAL_MS));
  await b.request("begin", { attempt, initiator: false, stunServers });
  const passing = [passSignals(a, b, attempt), passSignals(b, a, attempt)];
  const isEnd = ({ event, attempt: of }: ProgramEvent): boolean => event === "end" && of === attempt;
  const ends = await Promise.all([a.waitFor(isEnd), b.waitFor(isEnd)]);
  await Promise.all(passing);
  const story = [a, b].map(
    (side, i) =>
      [..."ab"][i] +
      eventsOf(side, attempt, "note")
        .map(({ text }) => `\n  ${text}`)
        .join(""),
  );
  return {
    outcomes: ends.map(({ outcome }) => outcome),
    ms: Math.max(...ends.map(({ at }) => Number(at))) - began,
    story: story.join("\n"),
  };
}

/** Both have the same connection: what goes in at one end comes out at the other. */
async function expectOneLink({ a, b }: Scene, attempt: number): Promise<void> {
  const is = (event: string, text?: string) => (one: ProgramEvent) =>
    one.event === event && one.attempt === attempt && (text === undefined || one.text === text);
  await b.waitFor(is("frame", "hello"));
  await b.request("send", { attempt, text: "and back" });
  await a.waitFor(is("frame", "and back"));
  await a.request("close", { attempt });
  await Promise.all([a.waitFor(is("closed")), b.waitFor(is("closed"))]);
}

const DEFAULT_PAIRS =
  "port:port,full:port,address:port,port:full,udp-blocked:port,sequential:port,sequential:sequential,random:address,full:random";
const pairs = (process.env.PUNCH_PAIRS ?? DEFAULT_PAIRS).split(",").map((pair) => pair.split(":") as [NatKind, NatKind]);

describe.skipIf(problem !== null)("TCP punching through real NATs", () => {
  test.each(pairs)("%s × %s meet each time", { timeout: 60_000 + RUNS * 5_000 }, async (kindA, kindB) => {
    await using lab = await Lab.open({ a: kindA, b: kindB });
    const scene = await openScene(lab);
    const times: number[] = [];
    for (let attempt = 1; attempt <= RUNS; attempt++) {
      const { outcomes, ms, story } = await punch(scene, attempt);
      expect(outcomes, story).toEqual(["link", "link"]);
      await expectOneLink(scene, attempt);
      times.push(Math.round(ms));
    }
    console.log(`${kindA} × ${kindB} by TCP: ${times.length} of ${RUNS}, after ${times.join(", ")} ms`);
  });

  test("random × random do not send a packet to each other", async () => {
    await using lab = await Lab.open({ a: "random", b: "random" });
    const scene = await openScene(lab);
    const { outcomes, ms, story } = await punch(scene, 1);
    expect(outcomes, story).toEqual(["ERR_PUNCH_HOPELESS", "ERR_PUNCH_HOPELESS"]);
    expect(ms).toBeLessThan(3_000);
    expect(await lab.directPackets()).toBe(0);
  });
});
