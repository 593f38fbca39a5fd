// Two fresh processes for each measurement: nothing of one system, its heap or its compiled code is there when the next one runs.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findSystem } from "../adapters/index.mjs";

const CHILD = fileURLToPath(new URL("child.mjs", import.meta.url));
/** After it a measurement has hung, in ms. */
const TIMEOUT_MS = 240_000;
const QUICK_TIMEOUT_MS = 20_000;

/**
 * Runs the two halves of a workload for one system, each in its process, and ends both.
 * @param {string} systemName
 * @param {string} workload URL of a module with `server(side)` and `client(side)`
 * @param {Record<string, number>} params given to both
 * @param {import("../lib/types.js").Effort} effort
 * @param {readonly string[]} [nodeOptions] such as `--expose-gc`
 * @returns {Promise<{ server: any, client: any }>} what the halves gave back
 */
export async function measurePair(systemName, workload, params, { quick }, nodeOptions = []) {
  const system = findSystem(systemName);
  // Its own warnings, such as of experimental features, are no news here.
  const start = () => fork(CHILD, [], { execArgv: ["--no-warnings", ...nodeOptions], serialization: "json" });
  const children = { server: start(), client: start() };
  const killAll = () => Object.values(children).forEach((child) => void child.kill("SIGKILL"));
  process.once("exit", killAll);
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  try {
    const results = /** @type {const} */ (["server", "client"]).map(
      (role) =>
        new Promise((resolve, reject) => {
          const other = children[role === "server" ? "client" : "server"];
          children[role].on("message", (/** @type {any} */ message) => {
            if (message.failed) reject(new Error(`${system.name}, ${role}: ${message.failed}`));
            else if ("told" in message) other.send({ told: message.told });
            else resolve(message.done);
          });
          children[role].once("error", reject);
          children[role].once("exit", (code, signal) =>
            reject(new Error(`${system.name}: the ${role} ended (${signal ?? code})`)),
          );
          children[role].send({ task: { role, workload, system, params } });
        }),
    );
    const late = new Promise((_, reject) => {
      const ms = quick ? QUICK_TIMEOUT_MS : TIMEOUT_MS;
      timer = setTimeout(() => reject(new Error(`${system.name}: no result after ${ms / 1000} s`)), ms);
    });
    const [server, client] = /** @type {any[]} */ (await Promise.race([Promise.all(results), late]));
    return { server, client };
  } finally {
    clearTimeout(timer);
    process.off("exit", killAll);
    killAll();
    await Promise.all(Object.values(children).map(ended));
  }
}

/** @param {import("node:child_process").ChildProcess} child */
function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return null;
  return new Promise((resolve) => child.once("exit", resolve));
}
