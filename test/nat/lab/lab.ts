// A laboratory of network namespaces with real NAT. It needs root; `natLabProblem` in scripts/lib/nat-tools.mjs says what is missing.

import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PYTHON } from "../../../scripts/lib/nat-tools.mjs";
import { MAPPING_TABLES } from "./nat-kinds.js";
import { Program } from "./program.js";
import {
  attachLines,
  DIRECT_COUNTER,
  detachLines,
  type HostName,
  type HostPlan,
  type LabOptions,
  type LabPlan,
  planLab,
  RELAY_ADDRESSES,
  type UplinkName,
} from "./topology.js";

const run = promisify(execFile);

const NETFILTER = fileURLToPath(new URL("./netfilter.py", import.meta.url));
/** Without the user's packages and settings: it starts in 15 ms. */
const PYTHON_COMMAND = [PYTHON, "-I", "-S", NETFILTER];

/** All our namespaces begin so; then follow the process that made them and the laboratory's own letters. */
const PREFIX = "linknet-lab";

/** Time for building, far above the 0.2 s that it takes on an idle machine. */
const PATIENCE_MS = 20_000;

export class Lab implements AsyncDisposable {
  readonly relayAddresses = RELAY_ADDRESSES;
  readonly #plan: LabPlan;
  readonly #keeper: ChildProcess;
  readonly #programs = new Set<Program>();
  #uplink: UplinkName = "home";
  #closing: Promise<void> | null = null;

  private constructor(plan: LabPlan, keeper: ChildProcess) {
    this.#plan = plan;
    this.#keeper = keeper;
  }

  /** Builds a laboratory; about 0.2 s. Whatever happens to this process, it is taken down again. */
  static async open(options: LabOptions): Promise<Lab> {
    removeOrphans();
    const prefix = `${PREFIX}-${process.pid}-${randomBytes(3).toString("hex")}-`;
    const plan = planLab(options, prefix, PYTHON_COMMAND);
    return new Lab(plan, await startKeeper(plan));
  }

  /** All namespaces of this laboratory. */
  get namespaces(): readonly string[] {
    return this.#plan.namespaces;
  }

  /** The address under which the internet sees a host at the moment. */
  publicAddress(name: HostName): string {
    const { home, mobile } = this.#host(name);
    return name === "a" && this.#uplink === "mobile" && mobile ? mobile.publicAddress : home.publicAddress;
  }

  /** The host's own address at the moment. */
  address(name: HostName): string {
    const { home, mobile } = this.#host(name);
    const uplink = name === "a" && this.#uplink === "mobile" && mobile ? mobile : home;
    return uplink.address.split("/")[0] as string;
  }

  /** The same program and arguments on a host of this laboratory, for `spawn`. */
  command(name: HostName | "relay", program: string, args: readonly string[] = []): [command: string, args: string[]] {
    const namespace = name === "relay" ? this.#plan.relay : this.#host(name).namespace;
    return ["ip", ["netns", "exec", namespace, program, ...args]];
  }

  /**
   * Starts a Node program on a host; see {@link Program} for how to talk to it. It ends with the laboratory at the latest.
   * @param file - path of the script
   */
  async start(name: HostName | "relay", file: string, args: readonly string[] = []): Promise<Program> {
    const program = new Program(`${basename(file)} at ${name}`, ...this.command(name, process.execPath, [file, ...args]));
    this.#programs.add(program);
    await program.ready;
    return program;
  }

  /** Moves host `a` to its other uplink: the old address is gone, and so is every route through it. */
  async roam(to: UplinkName): Promise<void> {
    const { namespace, home, mobile } = this.#host("a");
    if (!mobile) throw new Error("this laboratory has no mobile uplink");
    if (to === this.#uplink) return;
    const [from, next] = to === "mobile" ? [home, mobile] : [mobile, home];
    this.#uplink = to;
    await ipBatch(namespace, [...detachLines(from), ...attachLines(next)]);
  }

  /** Makes the router of a host forget all its mappings, as if it had been switched off and on again. */
  async forgetMappings(name: HostName): Promise<void> {
    const { home, mobile } = this.#host(name);
    const { router } = name === "a" && this.#uplink === "mobile" && mobile ? mobile : home;
    if (!router) return;
    const [python, ...args] = PYTHON_COMMAND as [string, ...string[]];
    await run("ip", ["netns", "exec", router, python, ...args, "forget"]);
    const { stdout } = await run("ip", ["netns", "exec", router, "nft", "list", "table", "ip", "lab"]);
    const present = MAPPING_TABLES.filter((table) => new RegExp(`\\b(map|set) ${table} `).test(stdout));
    const flush = present.map((table) => `flush ${table === "mapped" || table === "inside" ? "map" : "set"} ip lab ${table}`);
    if (flush.length > 0) await run("ip", ["netns", "exec", router, "nft", flush.join("; ")]);
  }

  /** Packets that went through the core from one site towards another, past the relay, since the beginning. */
  async directPackets(): Promise<number> {
    const args = ["netns", "exec", this.#plan.core, "nft", "-j", "list", "counter", "ip", "lab", DIRECT_COUNTER];
    const { stdout } = await run("ip", args);
    const listed = JSON.parse(stdout) as { nftables: { counter?: { packets: number } }[] };
    return listed.nftables.find((entry) => entry.counter)?.counter?.packets ?? 0;
  }

  /** What the router of a host has in its tables, for people who look for a fault. */
  async describeRouter(name: HostName): Promise<string> {
    const { router } = this.#host(name).home;
    if (!router) return "no router\n";
    const { stdout } = await run("ip", ["netns", "exec", router, "sh", "-c", "nft list ruleset; cat /proc/net/nf_conntrack"]);
    return stdout;
  }

  /** Ends all programs and removes everything. Calling it twice is harmless. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#programs].map((program) => program.stop()));
    await endKeeper(this.#keeper);
  }

  #host(name: HostName): HostPlan {
    const host = this.#plan.hosts.get(name);
    if (!host) throw new Error(`this laboratory has no host "${name}"`);
    return host;
  }
}

/** What takes namespaces down, and all that runs in them. */
function removal(namespaces: readonly string[]): string {
  return namespaces
    .map((name) => `for pid in $(ip netns pids ${name} 2>/dev/null); do kill -9 $pid; done; ip netns del ${name} 2>/dev/null`)
    .join("\n");
}

// One shell builds the laboratory, waits for the end of its input and takes everything down. Its input ends with this process,
// however that ends, and being in a session of its own it is not asked to end when somebody presses Ctrl-C.
async function startKeeper(plan: LabPlan): Promise<ChildProcess> {
  const script = `trap '' INT TERM HUP
set -e
remove() {
set +e
${removal(plan.namespaces)}
}
trap remove EXIT
${plan.script}
echo ready
cat > /dev/null`;
  const keeper = spawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "pipe"], detached: true });
  keeper.stdin?.on("error", () => {});
  let errors = "";
  keeper.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  const lines = createInterface({ input: keeper.stdout as NodeJS.ReadableStream });
  const timer = setTimeout(() => keeper.stdin?.end(), PATIENCE_MS);
  const [outcome] = await Promise.race([once(lines, "line"), once(keeper, "exit")]);
  clearTimeout(timer);
  if (outcome !== "ready") throw new Error(`the laboratory was not built: ${errors || outcome}`);
  return keeper;
}

async function endKeeper(keeper: ChildProcess): Promise<void> {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return;
  const exited = once(keeper, "exit");
  keeper.stdin?.end();
  await exited;
}

async function ipBatch(namespace: string, lines: readonly string[]): Promise<void> {
  const child = spawn("ip", ["-n", namespace, "-batch", "-"], { stdio: ["pipe", "ignore", "inherit"] });
  child.stdin.end(`${lines.join("\n")}\n`);
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`ip ended with ${code}`);
}

/** The namespaces of all laboratories on this machine. */
export function labNamespaces(): string[] {
  const { stdout } = spawnSync("ip", ["netns", "list"], { encoding: "utf8" });
  return [...(stdout ?? "").matchAll(/^\S+/gm)].map(([name]) => name).filter((name) => name.startsWith(`${PREFIX}-`));
}

let lookedForOrphans = false;

// Left only when a keeper was killed itself.
function removeOrphans(): void {
  if (lookedForOrphans) return;
  lookedForOrphans = true;
  const orphans = labNamespaces().filter((name) => !existsSync(`/proc/${name.slice(PREFIX.length + 1).split("-")[0]}`));
  if (orphans.length > 0) spawnSync("sh", ["-c", removal(orphans)]);
}
