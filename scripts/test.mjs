// `npm test`: installs what is missing, then runs everything there is, from types to real browsers.

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBrowsers } from "./lib/browsers.mjs";
import { build } from "./lib/build.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { main } from "./lib/main.mjs";
import { ensureNatTools } from "./lib/nat-tools.mjs";
import { bold, green, ROOT, red, run, runPackage, StepError, say, step, yellow } from "./lib/run.mjs";
import { runInTestNetwork } from "./lib/test-network.mjs";

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 * @typedef {object} Stage
 * @property {string} name
 * @property {string} title
 * @property {() => Promise<Counts>} run
 * @property {readonly string[]} [needs] stages that must have run before
 */

const RESULTS = join(ROOT, "test-results");
const MINUTE = 60_000;

/** @type {(ok: boolean) => Counts} */
const oneCheck = (ok) => (ok ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 });

/** @param {string} file */
function readReport(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : null;
}

/**
 * A run that failed counts as a failure even if no single test did, such as when a file could not be loaded.
 * @param {Counts} counts
 * @param {number} code
 * @returns {Counts}
 */
const withExitCode = (counts, code) => (code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts);

/**
 * @param {string} project
 * @param {number} timeoutMs
 */
async function vitest(project, timeoutMs) {
  const file = join(RESULTS, `vitest-${project}.json`);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const code = await runPackage("vitest/vitest.mjs", ["run", "--project", project, ...reporters], { timeoutMs });
  const report = readReport(file);
  const counts = {
    passed: report?.numPassedTests ?? 0,
    failed: report?.numFailedTests ?? 0,
    skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
  };
  return withExitCode(counts, code);
}

async function playwright() {
  const file = join(RESULTS, "playwright.json");
  const args = [join(ROOT, "node_modules/@playwright/test/cli.js"), "test", "--reporter=list,json"];
  const options = { env: { PLAYWRIGHT_JSON_OUTPUT_NAME: file }, timeoutMs: 20 * MINUTE };
  const code = await runInTestNetwork(process.execPath, args, options);
  const stats = readReport(file)?.stats;
  // A test that needed a second attempt is no success.
  const failed = (stats?.unexpected ?? 0) + (stats?.flaky ?? 0);
  return withExitCode({ passed: stats?.expected ?? 0, failed, skipped: stats?.skipped ?? 0 }, code);
}

async function natLab() {
  const problem = await ensureNatTools();
  if (problem === null) {
    const some = await vitest("nat", 10 * MINUTE);
    const pairs = await vitest("nat-matrix", 10 * MINUTE);
    return {
      passed: some.passed + pairs.passed,
      failed: some.failed + pairs.failed,
      skipped: some.skipped + pairs.skipped,
    };
  }
  say(yellow(`  SKIPPED: the NAT laboratory cannot be built here: ${problem}. As root on Linux it can.`));
  return { passed: 0, failed: 0, skipped: 1 };
}

/** @type {readonly Stage[]} */
const STAGES = [
  {
    name: "types",
    title: "Types",
    run: async () => oneCheck((await runPackage("typescript/bin/tsc", ["-p", "."])) === 0),
  },
  {
    name: "types-core",
    title: "Types of core alone, without Node and without a page",
    run: async () => oneCheck((await runPackage("typescript/bin/tsc", ["-p", "src/core"])) === 0),
  },
  {
    name: "lint",
    title: "Lint and format",
    run: async () => oneCheck((await runPackage("@biomejs/biome/bin/biome", ["check", "."])) === 0),
  },
  { name: "unit", title: "Unit tests and real sockets", run: () => vitest("unit", 15 * MINUTE) },
  {
    name: "build",
    title: "Build",
    run: async () => {
      await build();
      return oneCheck(true);
    },
  },
  {
    name: "size",
    title: "Size of the browser bundle",
    needs: ["build"],
    run: async () => oneCheck((await run(process.execPath, ["scripts/size.mjs"])) === 0),
  },
  {
    name: "package",
    title: "The package, as others install it",
    needs: ["build", "browsers"],
    run: () => vitest("package", 15 * MINUTE),
  },
  { name: "nat", title: "Real NATs, in network namespaces", needs: ["build", "browsers"], run: natLab },
  { name: "e2e", title: "Real browsers", needs: ["build", "browsers"], run: playwright },
];

/** @param {string | undefined} only */
function choose(only) {
  if (only === undefined) return STAGES;
  const names = only.split(",");
  for (const name of names) {
    if (!STAGES.some((stage) => stage.name === name)) {
      throw new StepError(`There is no stage "${name}". The stages: ${STAGES.map((stage) => stage.name).join(", ")}.`);
    }
  }
  const wanted = new Set(names.flatMap((name) => [name, ...(STAGES.find((stage) => stage.name === name)?.needs ?? [])]));
  return STAGES.filter((stage) => wanted.has(stage.name));
}

const HELP = `npm test -- [--only STAGE,STAGE]

Runs all stages, or those named and what they need: ${STAGES.map((stage) => stage.name).join(", ")}.
`;

await main(async () => {
  const { values } = parseArgs({ options: { only: { type: "string" }, help: { type: "boolean", short: "h" } } });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const stages = choose(values.only);
  rmSync(RESULTS, { recursive: true, force: true });
  await ensureDependencies();
  if (stages.some((stage) => stage.needs?.includes("browsers"))) await step("Browsers", ensureBrowsers);

  const total = { passed: 0, failed: 0, skipped: 0 };
  /** @type {string | null} */
  let failedStage = null;
  for (const stage of stages) {
    mkdirSync(RESULTS, { recursive: true });
    const counts = await step(stage.title, stage.run).catch((error) => {
      say(red(error instanceof StepError ? error.message : String(error?.stack ?? error)));
      return oneCheck(false);
    });
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    if (counts.failed > 0) {
      failedStage = stage.name;
      break;
    }
  }

  say("");
  if (failedStage !== null) say(red(`Stopped at the stage "${failedStage}". Again, alone: npm test -- --only ${failedStage}`));
  else say(green(bold("All stages passed.")));
  say(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
  return failedStage === null ? 0 : 1;
});
