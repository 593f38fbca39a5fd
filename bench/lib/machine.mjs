// Where and with what a run was made; no names of machines, no paths.

import { readFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";

/** @returns {string} in one sentence */
export function describeMachine() {
  const models = cpus();
  const model = models[0]?.model.trim() ?? "unknown processor";
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${models.length} cores of ${model}, ${memory} GiB, ${process.platform} ${process.arch}, load ${loadavg()[0]?.toFixed(1)} when it began`;
}

/**
 * @param {readonly import("./types.js").System[]} systems
 * @returns {Record<string, string>}
 */
export function versionsOf(systems) {
  /** @type {Record<string, string>} */
  const versions = { node: process.versions.node, openssl: process.versions.openssl };
  versions.linknet = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version;
  const lock = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"));
  for (const name of new Set(systems.flatMap((system) => system.packages))) {
    versions[name] = lock.packages[`node_modules/${name}`].version;
  }
  return versions;
}
