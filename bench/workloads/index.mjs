// All workloads: those between two Node processes, and those that other folders bring.

import { existsSync } from "node:fs";
import { broadcast } from "./broadcast.mjs";
import { idle } from "./idle.mjs";
import { pingpong } from "./pingpong.mjs";
import { sessions } from "./sessions.mjs";
import { setup } from "./setup.mjs";
import { bulk, objects, small } from "./throughput.mjs";

/** Folders whose `workloads.mjs` exports `workloads`, a list of the same shape. */
const OTHERS = ["../browser/workloads.mjs", "../relay/workloads.mjs"];

/** @returns {Promise<readonly import("../lib/types.js").Workload[]>} in the order of the report */
export async function loadWorkloads() {
  const others = await Promise.all(
    OTHERS.map((path) => new URL(path, import.meta.url))
      .filter((url) => existsSync(url))
      .map(async (url) => (await import(url.href)).workloads),
  );
  return [bulk, small, objects, pingpong, setup, broadcast, idle, sessions, ...others.flat()];
}
