// `npm run bench`: installs what LinkNet is compared with, builds it when its sources are newer, then measures; see bench/README.md.

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { build } from "./lib/build.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { main } from "./lib/main.mjs";
import { npm, ROOT, StepError, say, step } from "./lib/run.mjs";

const BENCH = join(ROOT, "bench");

/** Installs the workspace of its own when its lock file is newer than what is there. */
async function ensureBenchDependencies() {
  const installed = join(BENCH, "node_modules/.package-lock.json");
  const wanted = join(BENCH, "package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return;
  await step("Install what LinkNet is compared with", async () => {
    say("  npm ci in bench/, as it is not there yet; this takes a minute the first time.");
    const code = await npm(["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: BENCH });
    if (code !== 0) throw new StepError("It could not be installed. Is the npm registry reachable? What npm said stands above.");
  });
}

/** @param {string} folder @returns {number} when the newest file in it was changed, in ms */
function newest(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Math.max(...files.map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs));
}

/** Builds when there is no build, or one that is older than the sources. */
async function ensureBuild() {
  const built = join(ROOT, "dist/node/index.js");
  if (existsSync(built) && statSync(built).mtimeMs >= newest(join(ROOT, "src"))) return;
  await step("Build", () => build({ types: false }));
}

await main(async () => {
  await ensureDependencies();
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    const { HELP } = await import("../bench/run.mjs");
    say(HELP);
    return 0;
  }
  await ensureBenchDependencies();
  if (!args.includes("--no-build")) await ensureBuild();
  const { bench } = await import("../bench/run.mjs");
  return bench(args.filter((arg) => arg !== "--no-build"));
});
