// Installs what package-lock.json names, when it is not there yet.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { npm, ROOT, StepError, say, step } from "./run.mjs";

/** @typedef {{ packages?: Record<string, { version?: string, optional?: boolean, devOptional?: boolean, link?: boolean }> }} LockFile */

/**
 * @param {string} path
 * @returns {LockFile | null}
 */
function readLock(path) {
  try {
    return JSON.parse(readFileSync(join(ROOT, path), "utf8"));
  } catch {
    return null;
  }
}

/**
 * Compares what the lock file wants with what npm noted about node_modules.
 * @returns {string | null} why an installation is needed, or `null`
 */
export function missingDependencies() {
  const wanted = readLock("package-lock.json");
  const installed = readLock("node_modules/.package-lock.json");
  if (!wanted?.packages) return null;
  if (!installed?.packages) return "nothing is installed yet";
  for (const [path, entry] of Object.entries(wanted.packages)) {
    // Optional packages are those of other systems, most of the time.
    if (path === "" || entry.optional || entry.devOptional || entry.link) continue;
    const version = installed.packages[path]?.version;
    if (version === undefined) return `${path} is missing`;
    if (version !== entry.version) return `${path} is ${version} instead of ${entry.version}`;
  }
  return null;
}

/** Runs `npm ci` when it is needed, and says why. */
export async function ensureDependencies() {
  const [major = 0] = process.versions.node.split(".").map(Number);
  if (major < 20) throw new StepError(`Node ${process.versions.node} is too old: install Node 20 or newer.`);
  const reason = missingDependencies();
  if (reason === null) return;
  await step("Install the dependencies", async () => {
    say(`  npm ci, because ${reason}; this takes a minute the first time.`);
    const options = ["--no-audit", "--no-fund", "--loglevel=error"];
    if ((await npm(["ci", ...options], { quiet: !process.stdout.isTTY })) === 0) return;
    // npm ci refuses to begin when its registry lacks a package that only another system needs; npm install then takes the
    // same versions from the lock file, and --no-save leaves that as it is.
    say("  npm ci failed, as said above; trying npm install.");
    if ((await npm(["install", "--no-save", ...options])) === 0) return;
    throw new StepError("The dependencies could not be installed. Is the npm registry reachable? What npm said stands above.");
  });
}
