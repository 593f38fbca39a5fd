// A peer in a process of its own, and how it is called.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { PeerCommands } from "./peer-process.js";

type Answer = { readonly id: number; readonly value?: unknown; readonly error?: string };

/** One peer in its own process. */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  /** @param program - what `buildPeer` gave */
  constructor(program: string, execArgv: readonly string[] = []) {
    this.#child = fork(program, { execArgv: [...execArgv], serialization: "advanced" });
    this.#child.on("message", ({ id, value, error }: Answer) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) call?.resolve(value);
      else call?.reject(new Error(error));
    });
    this.#child.on("exit", (code, signal) => {
      for (const call of this.#calls.values()) call.reject(new Error(`the peer's process ended: ${signal ?? code}`));
      this.#calls.clear();
    });
  }

  call<Name extends keyof PeerCommands>(
    name: Name,
    ...args: Parameters<PeerCommands[Name]>
  ): Promise<Awaited<ReturnType<PeerCommands[Name]>>> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#calls.set(id, { resolve: (value) => resolve(value as Awaited<ReturnType<PeerCommands[Name]>>), reject });
      this.#child.send({ id, name, args });
    });
  }

  /** Ends the process as a crash would: nobody is told. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
