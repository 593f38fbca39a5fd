// The laboratory itself: its NATs map and filter as they are called, its core delays, and nothing is left of it afterwards.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { natLabProblem } from "../../scripts/lib/nat-tools.mjs";
import { Lab, labNamespaces } from "./lab/lab.js";
import { NAT_BEHAVIOUR, NAT_KINDS, type NatBehaviour, type NatKind } from "./lab/nat-kinds.js";
import { Probe, type ProbeSocket, splitEndpoint } from "./lab/probe.js";
import type { LabOptions } from "./lab/topology.js";

const problem = natLabProblem();
if (problem) console.warn(`\n!!!!!!!!!! SKIPPED: the NAT laboratory (${problem}) !!!!!!!!!!\n`);

const labs: Lab[] = [];

async function openLab(options: LabOptions): Promise<Lab> {
  const lab = await Lab.open(options);
  labs.push(lab);
  return lab;
}

async function closeLabs(): Promise<void> {
  await Promise.all(labs.splice(0).map((lab) => lab.close()));
}

/** The relay's host, with plain sockets at two ports of both its addresses. */
interface Outside {
  readonly probe: Probe;
  /** Answer with the endpoint that they see: two ports of the first address, two of the second. */
  readonly echoes: readonly string[];
}

async function openOutside(lab: Lab): Promise<Outside> {
  const probe = await Probe.start(lab, "relay");
  const echoes: string[] = [];
  for (const address of lab.relayAddresses) {
    for (const port of [80, 443]) {
      await probe.udp({ address, port, echo: true });
      await probe.listen(port, address);
      echoes.push(`${address}:${port}`);
    }
  }
  return { probe, echoes };
}

const portOf = (endpoint: string): number => splitEndpoint(endpoint).port;

let lastPort = 20_000;

/** A port to bind: one that the system chose by itself could not be used for a second connection. */
const unusedPort = (): number => ++lastPort;

/** The mapping of RFC 4787 §4.1 and the choice of ports, from the outside endpoints that one inside endpoint had towards four others. */
function expectMapping({ mapping, ports }: NatBehaviour, seen: readonly string[], insidePort: number): void {
  const outside = seen.map(portOf);
  expect(new Set(outside).size).toBe(mapping === "endpoint-independent" ? 1 : seen.length);
  const steps = outside.slice(1).map((port, i) => port - (outside[i] as number));
  if (ports === "preserved") expect(outside[0]).toBe(insidePort);
  if (ports === "sequential") expect(steps).toEqual([1, 1, 1]);
  if (ports === "random") expect(Math.max(...steps.map(Math.abs))).toBeGreaterThan(100);
}

/** Who may answer an endpoint that has only ever sent to one port of one address (RFC 4787 §5). */
const MAY_ANSWER: Record<NatBehaviour["filtering"], readonly string[]> = {
  "endpoint-independent": ["other address", "other port", "same"],
  "address-dependent": ["other port", "same"],
  "address-and-port-dependent": ["same"],
};

describe.skipIf(problem !== null)("the laboratory", () => {
  describe.each(NAT_KINDS)("with a site of the kind %s", (kind: NatKind) => {
    const behaviour = NAT_BEHAVIOUR[kind];
    // Not "skipped" where it makes no sense: nothing is missing then.
    const nothing = (): void => {};
    const whereUdpPasses = behaviour.udp ? test : nothing;
    const whereItDoesNot = behaviour.udp ? nothing : test;
    let lab: Lab;
    let outside: Outside;
    let a: Probe;

    beforeAll(async () => {
      lab = await openLab({ a: kind, b: "none" });
      outside = await openOutside(lab);
      a = await Probe.start(lab, "a");
    });
    afterAll(closeLabs);

    whereUdpPasses(`maps UDP ${behaviour.mapping}, ports ${behaviour.ports}`, async () => {
      const socket = await a.udp();
      const seen: string[] = [];
      for (const echo of outside.echoes) seen.push((await socket.ask(echo)).seen);
      expect(seen.every((endpoint) => endpoint.startsWith(`${lab.publicAddress("a")}:`))).toBe(true);
      expectMapping(behaviour, seen, socket.port);
      // A mapping that is in use stays.
      expect((await socket.ask(outside.echoes[0] as string)).seen).toBe(seen[0]);
    });

    whereUdpPasses(`filters UDP ${behaviour.filtering}`, async () => {
      const [first, second] = lab.relayAddresses;
      const inside = await a.udp();
      const same = await outside.probe.udp({ address: first });
      const otherPort = await outside.probe.udp({ address: first });
      const otherAddress = await outside.probe.udp({ address: second });
      await inside.send(`${first}:${same.port}`, "hello");
      const { from } = await same.receive("hello");
      await otherAddress.send(from, "other address");
      await otherPort.send(from, "other port");
      await same.send(from, "same");
      // All take one way and wait equally long, so what was to come before the last has come.
      await inside.receive("same");
      expect(inside.received).toEqual(MAY_ANSWER[behaviour.filtering]);
    });

    whereItDoesNot("lets no UDP out and none in", async () => {
      const inside = await a.udp({ port: 5_000 });
      await inside.send(outside.echoes[0] as string, "hello");
      const sender = await outside.probe.udp();
      await sender.send(`${lab.publicAddress("a")}:5000`, "hello");
      // By then the answer to a datagram would have been here as well.
      await a.connect(outside.echoes[0] as string);
      expect(inside.received).toEqual([]);
    });

    test(`maps TCP ${behaviour.mapping}, ports ${behaviour.ports}`, async () => {
      const localPort = unusedPort();
      const all: string[] = [];
      for (const echo of outside.echoes) all.push((await a.connect(echo, { localPort })).seen);
      expect(all.every((endpoint) => endpoint.startsWith(`${lab.publicAddress("a")}:`))).toBe(true);
      expectMapping(behaviour, all, localPort);
    });

    test(`filters TCP ${behaviour.filtering}`, async () => {
      const localPort = unusedPort();
      const { seen } = await a.connect(outside.echoes[0] as string, { localPort });
      await a.listen(localPort);
      const [first, second] = lab.relayAddresses;
      const hosts = { "other address": second, "other port": first };
      const answered: string[] = [];
      for (const [name, address] of Object.entries(hosts)) {
        // The outside port of a connection says nothing about the address it is made from, so it is bound.
        const connected = await outside.probe.connect(seen, { localAddress: address, timeoutMs: 300 }).catch(() => null);
        if (connected) answered.push(name);
      }
      expect([...answered, "same"]).toEqual(MAY_ANSWER[behaviour.filtering]);
    });

    test(`lets TCP out to ${behaviour.tcp === "all" ? "any port" : "80 and 443 only"}`, async () => {
      await outside.probe.listen(8_080);
      const attempt = a.connect(`${lab.relayAddresses[0]}:8080`, { timeoutMs: 300 });
      if (behaviour.tcp === "all") expect((await attempt).seen).toMatch(lab.publicAddress("a"));
      else await expect(attempt).rejects.toThrow("timeout");
    });
  });

  describe("with hosts that punch", () => {
    afterEach(closeLabs);

    /** A socket on each side, and where the outside sees it. */
    async function mapped(
      lab: Lab,
    ): Promise<{ a: ProbeSocket; b: ProbeSocket; outsideA: string; outsideB: string; outside: Outside }> {
      const [outside, probeA, probeB] = await Promise.all([openOutside(lab), Probe.start(lab, "a"), Probe.start(lab, "b")]);
      const [a, b] = [await probeA.udp(), await probeB.udp()];
      const echo = outside.echoes[0] as string;
      return { a, b, outsideA: (await a.ask(echo)).seen, outsideB: (await b.ask(echo)).seen, outside };
    }

    test("drops a stray without a trace, so that the punch from the other side still fits", async () => {
      const { a, b, outsideA, outsideB, outside } = await mapped(await openLab({ a: "port", b: "port" }));
      await b.send(outsideA, "stray");
      // Takes twice as long as the stray is under way.
      await b.ask(outside.echoes[0] as string);
      await a.send(outsideB, "punch");
      expect((await b.receive("punch")).from).toBe(outsideA);
      await b.send(outsideA, "answer");
      expect((await a.receive("answer")).from).toBe(outsideB);
      expect(a.received).not.toContain("stray");
    });

    test("opens the own NAT with a TTL of 2, and lets it die before it reaches the other one", async () => {
      const lab = await openLab({ a: "port", b: "full" });
      const { a, b, outsideA, outsideB } = await mapped(lab);
      await a.send(outsideB, "opener", 2);
      await b.send(outsideA, "through");
      expect((await a.receive("through")).from).toBe(outsideB);
      await a.send(outsideB, "all the way");
      await b.receive("all the way");
      expect(b.received).not.toContain("opener");
    });

    test("counts what goes past the relay", async () => {
      const lab = await openLab({ a: "full", b: "none" });
      const { a, b, outsideB } = await mapped(lab);
      expect(await lab.directPackets()).toBe(0);
      await a.send(outsideB, "direct");
      await b.receive("direct");
      expect(await lab.directPackets()).toBe(1);
    });

    test("lets TCP be punched by a simultaneous open, five times of five", async () => {
      const lab = await openLab({ a: "port", b: "port" });
      const [outside, a, b] = await Promise.all([openOutside(lab), Probe.start(lab, "a"), Probe.start(lab, "b")]);
      for (let round = 0; round < 5; round++) {
        const echo = outside.echoes[0] as string;
        const localPort = unusedPort();
        const [toA, toB] = await Promise.all([a.connect(echo, { localPort }), b.connect(echo, { localPort })]);
        const options = { localPort, expectsText: false, timeoutMs: 3_000 };
        await Promise.all([a.connect(toB.seen, options), b.connect(toA.seen, options)]);
      }
    });
  });

  describe("with two hosts behind one NAT", () => {
    afterEach(closeLabs);

    async function twoInside(a: LabOptions["a"]): Promise<{ lab: Lab; a: ProbeSocket; c: ProbeSocket; outside: Outside }> {
      const lab = await openLab({ a });
      const [outside, probeA, probeC] = await Promise.all([openOutside(lab), Probe.start(lab, "a"), Probe.start(lab, "c")]);
      return { lab, a: await probeA.udp({ port: 5_000 }), c: await probeC.udp({ port: 5_000 }), outside };
    }

    test("maps their equal inside ports to different outside ports, each endpoint-independently", async () => {
      const { a, c, outside } = await twoInside("port");
      const seenA: string[] = [];
      const seenC: string[] = [];
      for (const echo of outside.echoes) {
        seenA.push((await a.ask(echo)).seen);
        seenC.push((await c.ask(echo)).seen);
      }
      expect(new Set(seenA).size).toBe(1);
      expect(new Set(seenC).size).toBe(1);
      expect(seenA[0]).not.toBe(seenC[0]);
    });

    test("lets them talk directly", async () => {
      const { lab, a, c } = await twoInside("port");
      await a.send(`${lab.address("c")}:5000`, "hello");
      expect((await c.receive("hello")).from).toBe(`${lab.address("a")}:5000`);
    });

    test.each(["full", "address", "port"] as const)("turns a packet round at a %s NAT with a hairpin", async (kind) => {
      const { lab, a, c, outside } = await twoInside({ kind, hairpin: true, isolated: true });
      const outsideA = (await a.ask(outside.echoes[0] as string)).seen;
      const outsideC = (await c.ask(outside.echoes[0] as string)).seen;
      await a.send(`${lab.address("c")}:5000`, "isolated").catch(() => {});
      await a.send(outsideC, "hairpin");
      expect((await c.receive("hairpin")).from).toBe(outsideA);
      await c.send(outsideA, "and back");
      expect((await a.receive("and back")).from).toBe(outsideC);
      expect(c.received).not.toContain("isolated");
    });

    test("loses it without one", async () => {
      const { a, c, outside } = await twoInside({ kind: "full", isolated: true });
      const outsideC = (await c.ask(outside.echoes[0] as string)).seen;
      await a.send(outsideC, "hairpin");
      // A round trip through the core takes longer than one inside.
      await a.ask(outside.echoes[0] as string);
      await c.ask(outside.echoes[0] as string);
      expect(c.received).not.toContain("hairpin");
    });
  });

  describe("with changes", () => {
    afterEach(closeLabs);

    test("forgets a mapping after the silence that was asked for", async () => {
      const lab = await openLab({ a: { kind: "random", mappingSeconds: 1 }, b: { kind: "full", mappingSeconds: 1 } });
      const [outside, probeA, probeB] = await Promise.all([openOutside(lab), Probe.start(lab, "a"), Probe.start(lab, "b")]);
      const [a, b] = [await probeA.udp(), await probeB.udp()];
      const echo = outside.echoes[0] as string;
      const before = { a: (await a.ask(echo)).seen, b: (await b.ask(echo)).seen };
      const sender = await outside.probe.udp();
      await sender.send(before.b, "early");
      await b.receive("early");
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      await sender.send(before.b, "late");
      expect((await a.ask(echo)).seen).not.toBe(before.a);
      expect((await b.ask(echo)).seen).toBe(before.b);
      expect(b.received).not.toContain("late");
    });

    test("forgets all mappings at once when asked to", async () => {
      const lab = await openLab({ a: "random", b: "full" });
      const [outside, probeA, probeB] = await Promise.all([openOutside(lab), Probe.start(lab, "a"), Probe.start(lab, "b")]);
      const [a, b] = [await probeA.udp(), await probeB.udp()];
      const echo = outside.echoes[0] as string;
      const before = { a: (await a.ask(echo)).seen, b: (await b.ask(echo)).seen };
      await Promise.all([lab.forgetMappings("a"), lab.forgetMappings("b")]);
      const sender = await outside.probe.udp();
      await sender.send(before.b, "into the void");
      expect((await a.ask(echo)).seen).not.toBe(before.a);
      await b.ask(echo);
      expect(b.received).not.toContain("into the void");
    });

    test("moves a host to its other uplink and back", async () => {
      const lab = await openLab({ a: "port", mobile: "random", b: "none" });
      const [outside, probeA] = await Promise.all([openOutside(lab), Probe.start(lab, "a")]);
      const echo = outside.echoes[0] as string;
      const seen = async (): Promise<string> => splitEndpoint((await (await probeA.udp()).ask(echo)).seen).address;
      const home = await seen();
      expect(home).toBe(lab.publicAddress("a"));
      await lab.roam("mobile");
      expect(lab.publicAddress("a")).not.toBe(home);
      expect(await seen()).toBe(lab.publicAddress("a"));
      await lab.roam("home");
      expect(await seen()).toBe(home);
    });
  });

  describe("with a core that delays", () => {
    afterEach(closeLabs);

    async function roundTrips(options: Partial<LabOptions>): Promise<number[]> {
      const lab = await openLab({ a: "none", b: "none", ...options });
      const [outside, a] = await Promise.all([openOutside(lab), Probe.start(lab, "a")]);
      const socket = await a.udp();
      const all: number[] = [];
      for (let i = 0; i < 10; i++) all.push((await socket.ask(outside.echoes[0] as string)).ms);
      return all.sort((x, y) => x - y);
    }

    test.each([20, 50])("takes %d ms each way", async (delayMs) => {
      const [fastest = 0] = await roundTrips({ delayMs });
      expect(fastest).toBeGreaterThanOrEqual(2 * delayMs);
      // The machine may be busy, but hardly for ten times in a row.
      expect(fastest).toBeLessThan(2 * delayMs + 15);
    });

    test("has its own delay to the relay, if asked", async () => {
      const lab = await openLab({ a: "none", b: "none", delayMs: 10, relayDelayMs: 50 });
      const [outside, a, b] = await Promise.all([openOutside(lab), Probe.start(lab, "a"), Probe.start(lab, "b")]);
      const socket = await a.udp();
      await b.udp({ port: 5_000, echo: true });
      expect((await socket.ask(outside.echoes[0] as string)).ms).toBeGreaterThanOrEqual(100);
      const near = await socket.ask(`${lab.address("b")}:5000`);
      expect(near.ms).toBeGreaterThanOrEqual(20);
      expect(near.ms).toBeLessThan(90);
    });

    test("takes a different time each time, with jitter", async () => {
      const all = await roundTrips({ delayMs: 5, jitterMs: 20 });
      expect((all.at(-1) as number) - (all[0] as number)).toBeGreaterThan(4);
    });

    test("loses the share of packets that it is asked to lose", async () => {
      const lab = await openLab({ a: "none", b: "none", delayMs: 5, lossPercent: 50 });
      const [a, b] = await Promise.all([Probe.start(lab, "a"), Probe.start(lab, "b")]);
      const [from, to] = [await a.udp(), await b.udp()];
      for (let i = 0; i < 100; i++) await from.send(`${lab.address("b")}:${to.port}`, `${i}`);
      for (let i = 0; i < 40; i++) await from.send(`${lab.address("b")}:${to.port}`, "end");
      await to.receive("end");
      const arrived = to.received.filter((text) => text !== "end").length;
      // Outside of these lies one run in ten millions.
      expect(arrived).toBeGreaterThan(25);
      expect(arrived).toBeLessThan(75);
    });
  });

  describe("at its end", () => {
    test("leaves no namespace and no process", async () => {
      const lab = await Lab.open({ a: "full", c: true, mobile: "sequential", b: "address" });
      const probe = await Probe.start(lab, "a");
      const inside = lab.namespaces.flatMap((name) => pidsIn(name));
      // The probe, and the one that delays.
      expect(inside.length).toBe(2);
      expect(labNamespaces()).toEqual(expect.arrayContaining([...lab.namespaces]));
      await lab.close();
      await expect(probe.udp()).rejects.toThrow("ended");
      expect(labNamespaces().filter((name) => lab.namespaces.includes(name))).toEqual([]);
      expect(running(inside)).toEqual([]);
    });

    test("two at the same time do not meet", async () => {
      const [one, two] = await Promise.all([Lab.open({ a: "port", b: "port" }), Lab.open({ a: "port", b: "port" })]);
      expect(one.namespaces.filter((name) => two.namespaces.includes(name))).toEqual([]);
      await one.close();
      const outside = await openOutside(two);
      expect((await (await (await Probe.start(two, "a")).udp()).ask(outside.echoes[0] as string)).ms).toBeGreaterThan(0);
      await two.close();
    });

    test("says why it could not be built, and leaves nothing then either", async () => {
      const before = labNamespaces();
      await expect(Lab.open({ a: "port", b: "port", mobile: { kind: "port", mappingSeconds: 1.5 } })).rejects.toThrow(
        "was not built",
      );
      expect(labNamespaces()).toEqual(before);
    });

    test.each(["SIGINT", "SIGKILL"] as const)("is removed when its process is ended by %s", async (signal) => {
      const folder = mkdtempSync(join(tmpdir(), "linknet-lab-"));
      try {
        const file = join(folder, "holder.mjs");
        await build({
          stdin: { contents: HOLDER, resolveDir: import.meta.dirname, loader: "ts" },
          bundle: true,
          platform: "node",
          format: "esm",
          external: ["@playwright/test"],
          define: { "import.meta.url": JSON.stringify(new URL("./lab/lab.ts", import.meta.url).href) },
          outfile: file,
        });
        const holder = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"], detached: true });
        const [line] = await once(holder.stdout, "data");
        const { namespaces, pids } = JSON.parse(String(line)) as { namespaces: string[]; pids: number[] };
        expect(labNamespaces()).toEqual(expect.arrayContaining(namespaces));
        // The whole group, as the terminal does it.
        process.kill(-(holder.pid as number), signal);
        await once(holder, "exit");
        await expect.poll(() => labNamespaces().filter((name) => namespaces.includes(name)), { timeout: 10_000 }).toEqual([]);
        expect(running(pids)).toEqual([]);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  });
});

const HOLDER = `
import { Lab } from "./lab/lab.js";
import { Probe } from "./lab/probe.js";
const lab = await Lab.open({ a: "port", b: "port" });
const { pid } = await (await Probe.start(lab, "a")).program.ready;
console.log(JSON.stringify({ namespaces: lab.namespaces, pids: [pid] }));
setInterval(() => {}, 1_000);
`;

function pidsIn(namespace: string): number[] {
  const { stdout } = spawnSync("ip", ["netns", "pids", namespace], { encoding: "utf8" });
  return stdout.split("\n").filter(Boolean).map(Number);
}

/** Of these processes, those that run; one that only waits for its parent to notice its end does not. */
function running(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    const file = `/proc/${pid}/status`;
    return existsSync(file) && !/^State:\s+[ZX]/m.test(readFileSync(file, "utf8"));
  });
}
