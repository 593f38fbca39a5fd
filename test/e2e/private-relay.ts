// A relay for one test, in a process of its own: it can be killed without disturbing anybody else, and started again.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "../../scripts/lib/run.mjs";

/**
 * One port for all of them, as tests run one after another. It lies below those that systems give to clients: a page that dials
 * a port nobody listens at could otherwise be given the same one, and meet itself.
 */
const PORT = 18_790;
const START_TIMEOUT_MS = 15_000;

export class PrivateRelay {
  readonly url = `ws://127.0.0.1:${PORT}`;
  #child: ChildProcess | null = null;

  /** Starts the relay, for the first time or again on the same port. Resolves when it listens. */
  async start(): Promise<void> {
    const program = join(ROOT, "dist/bin/linknet.js");
    const args = ["relay", "--host", "127.0.0.1", "--port", String(PORT), "--stun-port", "off"];
    const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    process.once("exit", this.#onExit);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the relay did not start in time")), START_TIMEOUT_MS);
      child.once("exit", () => reject(new Error("the relay ended before it listened")));
      // Read to the end: a full pipe would hold the relay up.
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (!line.startsWith("relay listening on")) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Ends it as a crash would: nobody is told, and the system closes its sockets. Does nothing while it does not run. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    process.off("exit", this.#onExit);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  // Whatever ends us ends it as well.
  readonly #onExit = (): void => {
    this.#child?.kill("SIGKILL");
  };
}
