// A process that does what it is asked to: a module's exported functions, called from here. For measurements that need more than the two
// halves of pair.mjs.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const ENTRY = fileURLToPath(new URL("worker-entry.mjs", import.meta.url));
/** After it a call has hung, in ms. */
const TIMEOUT_MS = 120_000;

/** One child process and the calls to it. */
export class WorkerProcess {
  #child;
  #lastId = 0;
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #calls = new Map();
  #kill;
  /** @type {(error: Error) => void} */
  #tellFailure = () => undefined;
  /**
   * Rejects when something goes wrong there outside of a call, or the process ends.
   * @type {Promise<never>}
   */
  failed = new Promise((_, reject) => {
    this.#tellFailure = reject;
  });

  /**
   * @param {string} module URL of a module whose exported functions can be called
   * @param {{ exposeGc?: boolean }} [options]
   */
  constructor(module, { exposeGc = false } = {}) {
    const execArgv = ["--no-warnings", ...(exposeGc ? ["--expose-gc"] : [])];
    this.#child = fork(ENTRY, [module], { execArgv, serialization: "json" });
    this.failed.catch(() => undefined);
    this.#kill = () => void this.#child.kill("SIGKILL");
    process.once("exit", this.#kill);
    this.#child.on("message", (/** @type {any} */ { id, result, failed }) => {
      if (failed !== undefined) this.#fail(new Error(failed), id);
      else {
        this.#calls.get(id)?.resolve(result);
        this.#calls.delete(id);
      }
    });
    this.#child.once("error", (error) => this.#fail(error));
    this.#child.once("exit", (code, signal) => this.#fail(new Error(`a process of the measurement ended (${signal ?? code})`)));
  }

  /**
   * Calls an exported function there. Arguments and result go through JSON.
   * @param {string} name
   * @param {...unknown} args
   * @returns {Promise<any>}
   */
  call(name, ...args) {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new Error(`${name}: no result after ${TIMEOUT_MS / 1000} s`), id), TIMEOUT_MS);
      this.#calls.set(id, {
        resolve(value) {
          clearTimeout(timer);
          resolve(value);
        },
        reject(error) {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#child.send({ id, name, args });
    });
  }

  /** Ends the process; resolves when it is gone. */
  async stop() {
    process.off("exit", this.#kill);
    this.#calls.clear();
    this.#kill();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await new Promise((resolve) => this.#child.once("exit", resolve));
    }
  }

  /** @param {Error} error @param {number} [id] without one, or with 0, every call fails: something went wrong outside of them */
  #fail(error, id = 0) {
    if (id === 0) this.#tellFailure(error);
    const failed = id === 0 ? [...this.#calls.keys()] : [id];
    for (const one of failed) {
      this.#calls.get(one)?.reject(error);
      this.#calls.delete(one);
    }
  }
}

/**
 * Starts processes, gives them to `body`, and ends them whatever happens.
 * @template {Record<string, WorkerProcess>} Workers
 * @template Result
 * @param {Workers} workers
 * @param {(workers: Workers) => Promise<Result>} body
 * @returns {Promise<Result>}
 */
export async function withWorkers(workers, body) {
  try {
    const running = body(workers);
    running.catch(() => undefined);
    return await Promise.race([running, ...Object.values(workers).map(({ failed }) => failed)]);
  } finally {
    await Promise.all(Object.values(workers).map((worker) => worker.stop()));
  }
}
