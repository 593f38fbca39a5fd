// Long-running parts of the demo and of the browser tests: the relay in this process, and Node peers beside it.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { dim, ROOT, say } from "./run.mjs";

const STOP_MS = 3_000;

/**
 * @typedef {object} Peer
 * @property {Promise<number | null>} ended exit code, or `null` after a signal
 * @property {() => Promise<void>} stop
 */

/**
 * Starts `linknet chat` as a process of its own, and shows what it prints behind its name.
 * @param {string} label
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean }} [options]
 * @returns {Peer}
 */
export function startChatPeer(label, args, { quiet = false } = {}) {
  const program = join(ROOT, "dist/bin/linknet.js");
  // Its input stays open: the end of it would mean that the person has left. A group of its own, so that Ctrl-C reaches it
  // through us, in order.
  const child = spawn(process.execPath, [program, "chat", ...args], {
    cwd: ROOT,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
    detached: process.platform !== "win32",
  });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      if (!quiet && line.trim() !== "") say(dim(`  [${label}] ${line}`));
    });
  }
  child.stdin.on("error", () => {});
  /** @type {Promise<number | null>} */
  const ended = new Promise((resolve) => {
    child.once("error", () => resolve(1));
    child.once("close", (code) => resolve(code));
  });
  // Whatever ends us ends it as well.
  const onExit = () => child.kill("SIGKILL");
  process.once("exit", onExit);
  ended.then(() => process.off("exit", onExit));
  return {
    ended,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
