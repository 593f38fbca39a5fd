// Port mapping with a gateway that is not ours, Debian's miniupnpd, behind a NAT that lets nobody in by itself.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aptInstall } from "../../scripts/lib/browsers.mjs";
import { natLabProblem } from "../../scripts/lib/nat-tools.mjs";
import { works } from "../../scripts/lib/run.mjs";
import type { NetworkReport } from "../../src/core/explain/report.js";
import { Lab } from "./lab/lab.js";
import { labModules, type Modules } from "./lab/modules.js";
import { type Agent, settle, startAgent, startRelay, waitForDirect } from "./lab/pair.js";

const run = promisify(execFile);

async function findProblem(): Promise<string | null> {
  const problem = natLabProblem();
  if (problem !== null) return problem;
  const isThere = (): boolean => works("miniupnpd", ["--version"]);
  // This package has the program and no service, so nothing starts on the machine itself.
  return isThere() || ((await aptInstall("miniupnpd-nftables")) && isThere())
    ? null
    : "miniupnpd missing, and it could not be installed";
}

const problem = await findProblem();
if (problem) console.warn(`\n!!!!!!!!!! SKIPPED: port mapping with a real gateway (${problem}) !!!!!!!!!!\n`);

const AGENT = fileURLToPath(new URL("./lab/agent.mjs", import.meta.url));
const PORT = 8_080;
/** Outside. The addresses of the laboratory will not do: miniupnpd knows that those for documentation are nobody's. */
const OUTSIDE = "11.22.33.1";

/** What a gateway is to be like. */
interface GatewayKind {
  /** Lines for its configuration. */
  readonly settings: readonly string[];
  /** Rules for what is let in to it, in its chain `input` before all others. */
  readonly input?: readonly string[];
  /** Whether it looks at its interface for its outside address, and finds one for documentation. Default `false`. */
  readonly looksForAddress?: boolean;
}

const PMP_ONLY = ["enable_natpmp=yes", "enable_upnp=no"];
const UPNP_ONLY = ["enable_natpmp=no", "enable_upnp=yes", "secure_mode=yes"];

/** miniupnpd on the router of host `a`, whose outside address becomes one that it takes for real. */
class Gateway implements AsyncDisposable {
  readonly #router: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(router: string, child: ChildProcess, folder: string) {
    this.#router = router;
    this.#child = child;
    this.#folder = folder;
  }

  static async start(lab: Lab, { settings, input = [], looksForAddress = false }: GatewayKind): Promise<Gateway> {
    const namespace = (name: string): string => lab.namespaces.find((one) => one.endsWith(`-${name}`)) as string;
    const [router, core] = [namespace("router-a"), namespace("core")];
    await run("ip", ["-n", core, "route", "replace", `${OUTSIDE}/32`, "dev", "a"]);
    await run("ip", ["-n", router, "addr", "replace", `${OUTSIDE}/32`, "dev", "wan"]);
    await nft(router, [TABLE, ...input.map((rule) => `insert rule ip lab input ${rule}`)].join("\n"));
    const folder = mkdtempSync(join(tmpdir(), "linknet-gateway-"));
    const file = join(folder, "conf");
    const lines = [
      ...["ext_ifname=wan", "listening_ip=lan", "uuid=00000000-0000-4000-8000-000000000001"],
      ...["allow 1024-65535 192.168.1.0/24 1024-65535", "deny 0-65535 0.0.0.0/0 0-65535"],
      ...(looksForAddress ? [] : [`ext_ip=${OUTSIDE}`]),
      ...settings,
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    const command = ["netns", "exec", router, "miniupnpd", "-d", "-f", file, "-P", join(folder, "pid")];
    const child = spawn("ip", command, { stdio: ["ignore", "ignore", "pipe"] });
    const ready = new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stderr }).on(
        "line",
        (line) => /Listening for NAT-PMP|HTTP listening/.test(line) && resolve(),
      );
      child.once("exit", (code) => reject(new Error(`miniupnpd ended with ${code}`)));
    });
    const gateway = new Gateway(router, child, folder);
    await ready;
    return gateway;
  }

  /** Where it leads in to, such as `tcp 8080 -> 192.168.1.2:8080`. */
  async ports(): Promise<string[]> {
    const { stdout } = await run("ip", ["netns", "exec", this.#router, "nft", "-n", "list", "table", "inet", "filter"]);
    // Its rules compare the protocol as a byte of the header, which nft shows as such.
    return [...stdout.matchAll(/(0x6|0x11|tcp|udp|6|17) th dport (\d+) dnat ip to (\S+)/g)]
      .map(([, protocol, port, to]) => `${["0x6", "tcp", "6"].includes(protocol as string) ? "tcp" : "udp"} ${port} -> ${to}`)
      .sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, "exit");
      // It takes its time to end when it is asked to.
      this.#child.kill("SIGKILL");
      await exited;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The chains that miniupnpd puts its rules into. What it leads in passes the router's own rules, as whatever was translated does. */
const TABLE = `table inet filter {
  chain miniupnpd { }
  chain prerouting_miniupnpd { type nat hook prerouting priority dstnat; }
  chain postrouting_miniupnpd { type nat hook postrouting priority srcnat; }
}`;

async function nft(namespace: string, rules: string): Promise<void> {
  const child = spawn("ip", ["netns", "exec", namespace, "nft", "-f", "-"], { stdio: ["pipe", "ignore", "inherit"] });
  child.stdin.end(rules);
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`nft ended with ${code}`);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a peer tells of itself, once it has asked its gateway. */
async function whenAsked({ program }: Agent): Promise<NetworkReport> {
  for (;;) {
    const report = await program.request<NetworkReport>("explain");
    if (report.portMapping?.state !== "asking") return report;
    await pause(20);
  }
}

describe.skipIf(problem !== null)("port mapping with a real gateway", { timeout: 120_000 }, () => {
  let modules: Modules;
  beforeAll(async () => {
    modules = await labModules();
  });
  afterAll(() => modules.remove());

  /** A peer without a relay. Starting takes no longer for what is asked of the gateway. */
  async function startPeer(lab: Lab, host: "a" | "b", options: object, port: number): Promise<Agent> {
    const program = await lab.start(host, AGENT, [JSON.stringify({ module: modules.node, options, seed: host })]);
    const began = performance.now();
    const { peerId } = await program.request<{ peerId: string }>("start", { port });
    expect(performance.now() - began).toBeLessThan(1_000);
    return { program, peerId };
  }

  const toGateway = "ip daddr 192.168.1.1 udp dport";
  test.each<[string, GatewayKind, string]>([
    ["PCP", { settings: PMP_ONLY }, "pcp"],
    // A request of PCP has 60 bytes, one of NAT-PMP 12 at most; UDP itself adds 8.
    [
      "NAT-PMP, by a gateway that ignores PCP",
      { settings: PMP_ONLY, input: [`${toGateway} 5351 udp length 68 drop`] },
      "nat-pmp",
    ],
    ["UPnP, found at its own address", { settings: UPNP_ONLY }, "upnp"],
    [
      "UPnP of the first version, found by multicast, by a gateway that ignores all else",
      {
        settings: [...UPNP_ONLY, "force_igd_desc_v1=yes"],
        input: [`${toGateway} { 1900, 5351 } drop`, "ip daddr 239.255.255.250 udp dport 1900 accept"],
      },
      "upnp",
    ],
  ])("%s: the port is dialled from outside, and closed again by stop()", async (_, kind, protocol) => {
    await using lab = await Lab.open({ a: "port", b: "none" });
    await using gateway = await Gateway.start(lab, kind);
    const a = await startPeer(lab, "a", { portMapping: true }, PORT);
    const { portMapping, addresses } = await whenAsked(a);
    expect(portMapping).toMatchObject({ state: "mapped", protocol, gateway: "192.168.1.1", problem: null });
    expect(addresses.slice(0, 3)).toEqual([`tcp://192.168.1.2:${PORT}`, `tcp://${OUTSIDE}:${PORT}`, `ws://${OUTSIDE}:${PORT}`]);
    expect(await gateway.ports()).toEqual([`tcp ${PORT} -> 192.168.1.2:${PORT}`, `udp ${PORT} -> 192.168.1.2:${PORT}`]);

    const b = await startPeer(lab, "b", { limits: { connectTimeoutMs: 1_500 } }, 0);
    const target = `tcp://${OUTSIDE}:${PORT}`;
    expect(await b.program.request("connect", { target })).toMatchObject({ peerId: a.peerId });
    await a.program.waitFor(({ event }) => event === "first");
    expect(await b.program.request("report", { peerId: a.peerId })).toMatchObject({ path: "tcp", address: `${OUTSIDE}:${PORT}` });

    await a.program.request("stopSending", { peerId: b.peerId });
    const began = performance.now();
    await a.program.stop();
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(await gateway.ports()).toEqual([]);
    await expect(b.program.request("connect", { target })).rejects.toThrow();
  });

  test.each<[string, readonly string[]]>([
    ["PCP", PMP_ONLY],
    ["UPnP", UPNP_ONLY],
  ])("a gateway that has no outside address of its own opens nothing by %s", async (_, settings) => {
    await using lab = await Lab.open({ a: "port", b: "none" });
    await using gateway = await Gateway.start(lab, { settings, looksForAddress: true });
    const a = await startPeer(lab, "a", { portMapping: true }, PORT);
    const { portMapping, addresses } = await whenAsked(a);
    console.log(`refused: ${portMapping?.problem}`);
    expect(portMapping).toMatchObject({ state: "failed", ports: [] });
    expect(addresses.every((url) => /192\.168\.1\.2|127\.0\.0\.1/.test(url))).toBe(true);
    expect(await gateway.ports()).toEqual([]);
  });

  test("without a gateway that answers, stop() is as fast as ever", async () => {
    await using lab = await Lab.open({ a: "port", b: "none" });
    const a = await startPeer(lab, "a", { portMapping: true }, PORT);
    const began = performance.now();
    await a.program.stop();
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test("two peers behind NATs of random ports leave the relay once one of them has its port mapped", async () => {
    await using lab = await Lab.open({ a: "random", b: "random" });
    await startRelay(lab, modules);
    const [a, b] = await Promise.all([
      startAgent(lab, "a", modules, "a", { portMapping: true }),
      startAgent(lab, "b", modules, "b"),
    ]);
    await b.program.request("connect", { target: a.peerId });
    await b.program.waitFor(({ event }) => event === "first");
    expect((await whenAsked(a)).portMapping).toMatchObject({ state: "failed", ports: [] });
    await using gateway = await Gateway.start(lab, { settings: PMP_ONLY });
    // Another address on its side: a change of the network, which asks anew at once.
    const host = lab.namespaces.find((one) => one.endsWith("-a") && !one.endsWith("router-a")) as string;
    await run("ip", ["-n", host, "addr", "add", "192.168.1.77/24", "dev", "eth0"]);
    expect(await waitForDirect(a, b, { over: ["tcp"] }, 30_000)).not.toBeNull();
    expect((await gateway.ports()).length).toBe(2);
    const [atA, atB] = await settle(a, b);
    expect([atA.received, atA.faults, atB.received, atB.faults]).toEqual([atB.sent, 0, atA.sent, 0]);
    console.log(`random × random with a mapped port: by ${atB.path} to ${atB.address}`);
  });
});
