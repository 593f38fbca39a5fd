// Two peers in two processes talk for minutes while their link is cut again and again: their memory must not grow.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { main } from "./lib/main.mjs";
import { bold, green, ROOT, red, StepError, say, step } from "./lib/run.mjs";

/** What may remain after collections, fitted over all samples past the first quarter: bytes per minute. */
const HEAP_SLOPE_BOUND = 256 * 1024;
/** The resident set moves with the allocator, not only with us. */
const RSS_SLOPE_BOUND = 4 * 1024 * 1024;
const SAMPLE_MS = 10_000;
/** A connection carries this much on average before it is cut. */
const MEAN_BYTES = 2 * 1024 * 1024;
/** Every so many messages one is big. */
const BIG = { bigEvery: 2_000, bigBytes: 300_000 };

const HELP = `npm run soak -- [--minutes N] [--seed N]

Sends numbered messages both ways between two processes for N minutes (default 10) while a proxy kills the link in every way that it
knows, samples the memory of both every ${SAMPLE_MS / 1000} s, and fails when a message was lost, doubled or out of order, or when
memory grew: the heap by more than ${HEAP_SLOPE_BOUND / 1024} KiB a minute, the resident set by more than ${RSS_SLOPE_BOUND / 1024 / 1024} MiB a minute.
`;

/** @typedef {{ seconds: number, heap: number, rss: number }} Sample */

/** @param {number} bytes */
const mib = (bytes) => (bytes / 1024 / 1024).toFixed(1);

/**
 * The straight line through the samples that fits best (least squares), as bytes per minute.
 * @param {readonly Sample[]} samples
 * @param {"heap" | "rss"} of
 */
function slopePerMinute(samples, of) {
  const meanX = samples.reduce((sum, sample) => sum + sample.seconds, 0) / samples.length;
  const meanY = samples.reduce((sum, sample) => sum + sample[of], 0) / samples.length;
  const over = samples.reduce((sum, sample) => sum + (sample.seconds - meanX) * (sample[of] - meanY), 0);
  const under = samples.reduce((sum, sample) => sum + (sample.seconds - meanX) ** 2, 0);
  return (60 * over) / under;
}

/** Builds the test's own proxy and processes, so that there is one of each. */
async function buildParts() {
  const outDir = join(ROOT, "node_modules/.cache/linknet-soak");
  // Loaded late: in a fresh clone it is not there before the dependencies are.
  const { build } = await import("tsup");
  await build({
    config: false,
    silent: true,
    entry: {
      "cut-plan": join(ROOT, "test/node/links/cut-plan.ts"),
      "cutting-proxy": join(ROOT, "test/node/links/cutting-proxy.ts"),
      "peer-process": join(ROOT, "test/node/links/peer-process.ts"),
      "call-process": join(ROOT, "test/node/links/call-process.ts"),
    },
    outDir,
    format: "esm",
    target: "node20",
    noExternal: ["linknet"],
    esbuildOptions: (options) => {
      options.alias = { linknet: join(ROOT, "src/node/index.ts") };
    },
    outExtension: () => ({ js: ".mjs" }),
  });
  /** @param {string} name */
  const load = (name) => import(pathToFileURL(join(outDir, `${name}.mjs`)).href);
  /** @type {typeof import("../test/node/links/cut-plan.js")} */
  const { CutPlan } = await load("cut-plan");
  /** @type {typeof import("../test/node/links/cutting-proxy.js")} */
  const { CuttingProxy } = await load("cutting-proxy");
  /** @type {typeof import("../test/node/links/call-process.js")} */
  const { PeerProcess } = await load("call-process");
  return { CutPlan, CuttingProxy, PeerProcess, program: join(outDir, "peer-process.mjs") };
}

/**
 * @param {Awaited<ReturnType<typeof buildParts>>} parts
 * @param {{ minutes: number, seed: number }} options
 * @returns {Promise<string[]>} what went wrong
 */
async function soak({ CutPlan, CuttingProxy, PeerProcess, program }, { minutes, seed }) {
  const peers = [new PeerProcess(program, ["--expose-gc"]), new PeerProcess(program, ["--expose-gc"])];
  const [alice, bob] = /** @type {[typeof peers[0], typeof peers[0]]} */ (peers);
  const limits = { reconnectBaseMs: 20, reconnectMaxMs: 500, unprovenPerSecond: 1_000 };
  const [a, b] = await Promise.all([alice.call("start", { limits }), bob.call("start", { limits })]);
  const plan = new CutPlan({ seed, cuts: Number.MAX_SAFE_INTEGER, meanBytes: MEAN_BYTES });
  const proxy = await CuttingProxy.open(b.port, plan);
  try {
    await alice.call("connect", `tcp://127.0.0.1:${proxy.port}`);
    const endless = Number.MAX_SAFE_INTEGER;
    const go = () => Promise.all([alice.call("send", b.peerId, endless, BIG), bob.call("send", a.peerId, endless, BIG)]);
    // What is under way comes and goes by megabytes: memory is looked at while nothing is.
    const settle = async () => {
      const [fromAlice, fromBob] = await Promise.all([alice.call("halt"), bob.call("halt")]);
      await Promise.all([alice.call("received", fromBob), bob.call("received", fromAlice)]);
      for (;;) {
        const reports = await Promise.all([alice.call("report"), bob.call("report")]);
        if (reports.every((report) => report.queuedBytes === 0)) return reports;
      }
    };

    /** @type {[Sample[], Sample[]]} */
    const samples = [[], []];
    const startedAt = performance.now();
    while (performance.now() - startedAt < minutes * 60_000) {
      await go();
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
      const reports = await settle();
      const seconds = (performance.now() - startedAt) / 1000;
      for (const i of /** @type {const} */ ([0, 1])) {
        const { heapUsed, external, rss } = reports[i].memory;
        samples[i].push({ seconds, heap: heapUsed + external, rss });
      }
      const columns = reports.map(({ received, memory }) => {
        return `${received} received, heap ${mib(memory.heapUsed)} + ${mib(memory.external)}, RSS ${mib(memory.rss)} MiB`;
      });
      say(`${seconds.toFixed(0).padStart(5)} s  ${String(proxy.cutCount).padStart(5)} cuts  ${columns.join("  |  ")}`);
    }

    const reports = await Promise.all([alice.call("report"), bob.call("report")]);
    const faults = reports.flatMap(({ told, failed, errors }, i) => {
      const name = i === 0 ? "A" : "B";
      return [...told, ...errors, ...(failed > 0 ? [`${failed} failed`] : [])].map((fault) => `${name}: ${fault}`);
    });
    say(`${reports[0].sent} + ${reports[1].sent} messages, ${proxy.cutCount} cuts: ${JSON.stringify(proxy.cuts)}`);
    for (const i of /** @type {const} */ ([0, 1])) {
      const settled = samples[i].slice(Math.floor(samples[i].length / 4));
      const [heap, rss] = [slopePerMinute(settled, "heap"), slopePerMinute(settled, "rss")];
      const name = i === 0 ? "A" : "B";
      say(`${name}: heap ${(heap / 1024).toFixed(0)} KiB a minute, resident set ${(rss / 1024).toFixed(0)} KiB a minute`);
      if (!(heap < HEAP_SLOPE_BOUND)) faults.push(`${name}: the heap grows by ${(heap / 1024).toFixed(0)} KiB a minute`);
      if (!(rss < RSS_SLOPE_BOUND)) faults.push(`${name}: the resident set grows by ${(rss / 1024).toFixed(0)} KiB a minute`);
    }
    await Promise.all([alice.call("stop"), bob.call("stop")]);
    return faults;
  } finally {
    await Promise.all([alice.kill(), bob.kill()]);
    await proxy.stop();
  }
}

await main(async () => {
  const { values } = parseArgs({
    options: { minutes: { type: "string" }, seed: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const minutes = Number(values.minutes ?? 10);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  if (!(minutes >= 1) || !Number.isInteger(seed)) throw new StepError("--minutes takes a number from 1, --seed a whole number.");
  await ensureDependencies();
  const parts = await step("Build", buildParts);
  say(bold(`\n${minutes} minutes, seed ${seed}`));
  const faults = await soak(parts, { minutes, seed });
  for (const fault of faults) say(red(fault));
  if (faults.length === 0) say(green(bold("Nothing lost, doubled or out of order, and memory is flat.")));
  return faults.length === 0 ? 0 : 1;
});
