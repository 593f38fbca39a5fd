// `explain()` behind real NATs: it calls them by their RFC names, and says why a path stays on the relay.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { natLabProblem } from "../../scripts/lib/nat-tools.mjs";
import type { NetworkReport, PathReport } from "../../src/core/explain/report.js";
import { Lab } from "./lab/lab.js";
import { labModules, type Modules } from "./lab/modules.js";
import { NAT_BEHAVIOUR, type NatKind } from "./lab/nat-kinds.js";
import { type Agent, startAgent, startRelay } from "./lab/pair.js";
import type { LabOptions } from "./lab/topology.js";

const problem = natLabProblem();
if (problem) console.warn(`\n!!!!!!!!!! SKIPPED: explain() behind real NATs (${problem}) !!!!!!!!!!\n`);

const labs: Lab[] = [];
let modules: Modules;

async function openLab(options: LabOptions): Promise<Lab> {
  const lab = await Lab.open(options);
  labs.push(lab);
  await startRelay(lab, modules);
  return lab;
}

const network = (agent: Agent): Promise<NetworkReport> => agent.program.request("explain");
const path = (agent: Agent, other: Agent): Promise<PathReport> => agent.program.request("explain", { peerId: other.peerId });

/** The first report that is as wanted; the last one there was, after 10 s. */
async function reportOnce(agent: Agent, other: Agent, isWanted: (report: PathReport) => boolean): Promise<PathReport> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const report = await path(agent, other);
    if (isWanted(report) || performance.now() > deadline) return report;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe.skipIf(problem !== null)("explain() behind real NATs", () => {
  beforeAll(async () => {
    modules = await labModules();
  });
  afterEach(async () => {
    await Promise.all(labs.splice(0).map((lab) => lab.close()));
  });
  afterAll(() => modules?.remove());

  test.each<[NatKind, readonly string[]]>([
    ["none", []],
    ["full", []],
    ["address", []],
    ["port", []],
    ["sequential", ["HINT_NAT_SEQUENTIAL"]],
    ["random", ["HINT_NAT_RANDOM"]],
    ["udp-blocked", ["HINT_UDP_BLOCKED"]],
  ])("a NAT of the kind %s is told as what it is, with the advice %j", async (kind, advice) => {
    const { mapping, ports, udp } = NAT_BEHAVIOUR[kind];
    const lab = await openLab({ a: kind, b: "none" });
    const agent = await startAgent(lab, "a", modules, `explain/${kind}`, { disableTransports: ["webrtc"] });
    const { nat, hints, relays } = await network(agent);
    expect(relays).toMatchObject([{ connected: true, code: null }]);
    expect(hints).toEqual(advice);
    if (!udp) {
      expect(nat).toMatchObject({ mapped: null, mapping: "unknown" });
      expect(nat?.servers.map(({ code }) => code)).toContain("ERR_STUN_TIMEOUT");
      return;
    }
    const allocation = ports === "preserved" ? "preserving" : ports;
    expect(nat).toMatchObject({ open: kind === "none", mapping, allocation });
    expect(nat?.mapped?.replace(/:\d+$/, "")).toBe(lab.publicAddress("a"));
  });

  test("two NATs with random ports: both sides say that it is hopeless, what was tried, and what would help", async () => {
    const lab = await openLab({ a: "random", b: "random" });
    const [a, b] = await Promise.all([
      startAgent(lab, "a", modules, "explain/a", { disableTransports: ["webrtc"] }),
      startAgent(lab, "b", modules, "explain/b", { disableTransports: ["webrtc"] }),
    ]);
    await a.program.request("connect", { target: b.peerId });
    for (const [self, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const report = await reportOnce(self, other, ({ hopeless }) => hopeless.includes("udp"));
      expect(report.path).toBe("relay");
      expect(report.hopeless).toContain("udp");
      expect(report.hints).toContain("HINT_PORTS_HOPELESS");
      const punched = report.attempts.filter(({ kind, way }) => kind === "udp" && way !== "dial").at(-1);
      expect(punched).toMatchObject({ outcome: "failed", code: "ERR_PUNCH_HOPELESS" });
      expect(punched?.steps.map(({ text }) => text).join("\n")).toMatch(/our NAT: random, seen at \d/);
      expect(Number(punched?.endedMs) - Number(punched?.startedMs)).toBeLessThan(8_000);
    }
  });

  test("two ordinary NATs: the path moved, and the attempt that did it tells its steps", async () => {
    const lab = await openLab({ a: "port", b: "port" });
    const [a, b] = await Promise.all([
      startAgent(lab, "a", modules, "explain/c", { disableTransports: ["webrtc"] }),
      startAgent(lab, "b", modules, "explain/d", { disableTransports: ["webrtc"] }),
    ]);
    await a.program.request("connect", { target: b.peerId });
    const report = await reportOnce(a, b, ({ path: now }) => now !== null && now !== "relay");
    expect(["tcp", "udp"]).toContain(report.path);
    expect(report.changes.map((change) => change.path)[0]).toBe("relay");
    expect(report.changes.at(-1)).toMatchObject({ path: report.path, address: report.address });
    expect(report.address).toContain(lab.publicAddress("b"));
    const opened = report.attempts.filter(({ outcome }) => outcome === "opened");
    expect(opened.map(({ kind }) => kind)).toContain(report.path);
    expect(opened.flatMap(({ steps }) => steps).length).toBeGreaterThan(1);
    expect(report.hints).toEqual([]);
  });
});
