// `linknet chat` in a process of its own, built from the sources: what it prints, what is typed, and a sudden end.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { build } from "tsup";

const DEADLINE_MS = 15_000;

/** Builds the command. @returns its program */
export async function buildChat(): Promise<string> {
  const source = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const outDir = source("node_modules/.cache/linknet-chat");
  await build({
    config: false,
    silent: true,
    entry: { linknet: source("src/bin/linknet.ts") },
    outDir,
    format: "esm",
    target: "node20",
    noExternal: ["linknet"],
    esbuildOptions: (options) => {
      options.alias = { linknet: source("src/node/index.ts") };
    },
    outExtension: () => ({ js: ".mjs" }),
  });
  return `${outDir}/linknet.mjs`;
}

export class ChatProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  #output = "";
  #look: (() => void)[] = [];

  /** @param args - what follows `linknet chat` */
  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(process.execPath, [program, "chat", ...args], { env: { ...process.env, NO_COLOR: "1" } });
    // It may end while we type.
    this.#child.stdin.on("error", () => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on("data", (data) => {
        this.#output += data;
        for (const look of this.#look) look();
      });
    }
  }

  /** All that it has printed. */
  get output(): string {
    return this.#output;
  }

  type(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Resolves with the pattern's first group, or all of it, once it was printed. */
  printed(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#look = this.#look.filter((other) => other !== look);
        settle();
      };
      const look = (): void => {
        const found = pattern.exec(this.#output);
        if (found) end(() => resolve(found[1] ?? found[0]));
      };
      const timer = setTimeout(() => {
        end(() => reject(new Error(`${pattern} was not printed within ${DEADLINE_MS} ms:\n${this.#output}`)));
      }, DEADLINE_MS);
      this.#look.push(look);
      look();
    });
  }

  /** Ends the process as a crash would: it says nothing to anybody, and puts nothing away. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }
}
