// A program inside a network namespace, spoken to in lines of JSON: requests and their answers by number, and events.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** What a program tells by itself. */
export interface ProgramEvent {
  readonly event: string;
  readonly [key: string]: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

interface Waiter {
  readonly matches: (event: ProgramEvent) => boolean;
  readonly resolve: (event: ProgramEvent) => void;
}

/** Default time for an answer or an event. */
const PATIENCE_MS = 15_000;

export class Program {
  /** Everything told so far, in order. */
  readonly events: ProgramEvent[] = [];
  /** Resolves at the event `ready`, with which every program begins. */
  readonly ready: Promise<ProgramEvent>;
  readonly #name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<unknown>;
  readonly #pending = new Map<number, (answer: Answer) => void>();
  readonly #waiters = new Set<Waiter>();
  #errors = "";
  #requests = 0;
  #ended = false;

  /** @param name - for messages of errors */
  constructor(name: string, command: string, args: readonly string[]) {
    this.#name = name;
    this.#child = spawn(command, [...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.on("data", (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-4_000);
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#line(JSON.parse(line)));
    // "close" rather than "exit": what it wrote last has been read.
    this.#exited = once(this.#child, "close");
    const end = (): void => {
      this.#ended = true;
    };
    void this.#exited.then(end, end);
    this.ready = this.waitFor((event) => event.event === "ready");
  }

  /** Asks the program to do something. @throws when it fails there, or does not answer */
  request<Result = unknown>(command: string, args: object = {}, timeoutMs = PATIENCE_MS): Promise<Result> {
    const id = ++this.#requests;
    return this.#within<Result>(`an answer to "${command}"`, timeoutMs, (resolve, reject) => {
      this.#pending.set(id, ({ result, error }) => (error === undefined ? resolve(result as Result) : reject(error)));
      this.#child.stdin.write(`${JSON.stringify({ id, command, ...args })}\n`);
    });
  }

  /**
   * The first event that fits, of those told already or to come.
   * @param timeoutMs - default 15 s
   */
  waitFor(matches: (event: ProgramEvent) => boolean, timeoutMs = PATIENCE_MS): Promise<ProgramEvent> {
    const known = this.events.find(matches);
    if (known) return Promise.resolve(known);
    return this.#within<ProgramEvent>("the event", timeoutMs, (resolve) => this.#waiters.add({ matches, resolve }));
  }

  /** Ends it. @returns when it is gone */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 3_000);
    await this.#exited.catch(() => {});
    clearTimeout(timer);
  }

  // Whatever comes first: the result, the end of the time, or the end of the program.
  #within<T>(
    what: string,
    timeoutMs: number,
    begin: (resolve: (value: T) => void, reject: (why: string) => void) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer);
        reject(new Error(`${this.#name}: ${why}\n${this.#errors}`.trim()));
      };
      const timer = setTimeout(() => fail(`no ${what} within ${timeoutMs} ms`), timeoutMs);
      void this.#exited.then(
        () => fail(`ended without ${what}`),
        (error) => fail(`could not be started: ${error}`),
      );
      begin((value) => {
        clearTimeout(timer);
        resolve(value);
      }, fail);
    });
  }

  #line(line: ProgramEvent | Answer): void {
    if ("event" in line) {
      this.events.push(line);
      for (const waiter of [...this.#waiters]) {
        if (!waiter.matches(line)) continue;
        this.#waiters.delete(waiter);
        waiter.resolve(line);
      }
    } else {
      this.#pending.get(line.id)?.(line);
      this.#pending.delete(line.id);
    }
  }
}
