// A peer as the contract's scenarios see it: a NetworkManager at arm's length, in this process or in a page.

import assert from "node:assert/strict";
import type { NetworkManagerOptions, OutgoingMessage } from "linknet";
import type { Command, Entry, StreamAct } from "./agent.js";
import { makeCodec, type PatternTag } from "./codec.js";

/** How a test reaches an agent. */
export interface AgentHandle {
  readonly build: "node" | "browser";
  run(command: string): Promise<string>;
  next(from: number): Promise<string>;
  count(): Promise<number>;
  end(): Promise<void>;
}

/** What a call of the SDK threw, or rejected with. */
export class CallError extends Error {
  readonly code: string | undefined;
  readonly remoteCode: string | undefined;
  readonly isNetworkError: boolean;
  readonly retryable: boolean | undefined;

  constructor(
    method: string,
    thrown: { message: string; code?: string; remoteCode?: string; retryable?: boolean },
    isNetworkError: boolean,
  ) {
    super(`${method}: ${thrown.code ?? ""} ${thrown.message}`);
    this.code = thrown.code;
    this.remoteCode = thrown.remoteCode;
    this.retryable = thrown.retryable;
    this.isNetworkError = isNetworkError;
  }
}

/** A tag of the codec may stand for bytes. */
type Told<T> = T extends { readonly data: Uint8Array } ? Omit<T, "data"> & { readonly data: PatternTag } : T;

/** Longest that a scenario waits for one thing, in ms. */
const DEADLINE_MS = 15_000;

const codec = makeCodec(() => {
  throw new Error("signals stay in their peer");
});

/** Rejects when `work` is not done in time. */
export async function within<T>(work: Promise<T>, what: () => string, ms = DEADLINE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what()}`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export class ContractPeer {
  readonly label: string;
  readonly build: "node" | "browser";
  readonly #agent: AgentHandle;
  readonly #entries: Entry[] = [];
  #peerId = "";
  #waiting: (() => void)[] = [];
  #ended: Promise<void>;

  private constructor(label: string, agent: AgentHandle) {
    this.label = label;
    this.build = agent.build;
    this.#agent = agent;
    this.#ended = this.#follow();
  }

  static async create(label: string, agent: AgentHandle, options: NetworkManagerOptions): Promise<ContractPeer> {
    const peer = new ContractPeer(label, agent);
    peer.#peerId = (await peer.tell({ do: "create", options })) as string;
    return peer;
  }

  get peerId(): string {
    return this.#peerId;
  }

  /** Everything that has happened here, as far as this test knows by now; see `caughtUp`. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  async tell(command: Command): Promise<unknown> {
    const what = command.do === "call" || command.do === "room" ? command.method : command.do;
    const text = await within(this.#agent.run(codec.encode(command)), () => `${this.label}.${what}\n${this.story()}`, 30_000);
    const answer = codec.decode(text) as {
      value?: unknown;
      thrown?: { message: string; code?: string };
      isNetworkError?: boolean;
    };
    if (answer.thrown) throw new CallError(what, answer.thrown, answer.isNetworkError === true);
    return answer.value;
  }

  /** Calls a method of the manager. @throws CallError what it threw */
  call(method: string, ...args: unknown[]): Promise<unknown> {
    return this.tell({ do: "call", method, args });
  }

  send(to: ContractPeer, message: OutgoingMessage): Promise<unknown> {
    return this.call("sendMessage", to.peerId, message);
  }

  deliver(to: ContractPeer, message: OutgoingMessage): Promise<unknown> {
    return this.call("deliver", to.peerId, message);
  }

  /** Does something with the stream of this name. @throws CallError what it failed with */
  stream(name: string, what: Told<StreamAct>): Promise<unknown> {
    return this.tell({ do: "stream", name, ...what } as Command);
  }

  /** Asserts that a call fails as a NetworkError with one of these codes, and a sentence. */
  async refuses(codes: string | readonly string[], method: string, ...args: unknown[]): Promise<CallError> {
    const error = await this.fails(codes, method, this.call(method, ...args));
    assert.match(error.message, /\w+ \w+ \w+/);
    return error;
  }

  /** Asserts that what a peer was told to do fails as a NetworkError with one of these codes. */
  async fails(codes: string | readonly string[], method: string, work: Promise<unknown>): Promise<CallError> {
    const error = await work.then(
      (value) => assert.fail(`${method} gave ${JSON.stringify(value)}, not ${codes}`),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof CallError, String(error));
    assert.ok([codes].flat().includes(error.code ?? ""), `expected ${codes}, got ${error.message}`);
    assert.ok(error.isNetworkError, `${error.code} is no NetworkError`);
    return error;
  }

  /** Entries so far that fit. */
  all(fits: Partial<Entry> | ((entry: Entry) => boolean)): Entry[] {
    return this.#entries.filter((entry) => matches(entry, fits));
  }

  /** Waits until `count` entries fit, and gives back the last of these. */
  async saw(fits: Partial<Entry> | ((entry: Entry) => boolean), count = 1, deadlineMs = DEADLINE_MS): Promise<Entry> {
    const enough = async (): Promise<Entry> => {
      for (;;) {
        const entry = this.all(fits)[count - 1];
        if (entry) return entry;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    };
    const wanted = typeof fits === "function" ? fits.toString() : JSON.stringify(fits);
    return within(enough(), () => `${this.label} sees ${count} × ${wanted}\n${this.story()}`, deadlineMs);
  }

  /** Waits until everything that has happened at the peer by now is in `entries`. */
  async caughtUp(): Promise<void> {
    const count = await this.#agent.count();
    const reach = async (): Promise<void> => {
      while (this.#entries.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    };
    await within(reach(), () => `${this.label} tells its last entries`);
  }

  /** The statuses of a peer, as callback or event told them. */
  statuses(other: ContractPeer, from: "callback" | "event" = "event"): string[] {
    return this.all({ from, name: "connection", peerId: other.peerId }).map((entry) => entry.status as string);
  }

  /** Stops the manager, whatever became of it, and forgets it. */
  async end(): Promise<void> {
    await this.call("stop").catch(() => undefined);
    await this.#agent.end();
    await this.#ended;
  }

  /** The last entries, for a failed test. */
  story(): string {
    const lines = this.#entries.slice(-15).map((entry) => `  ${this.label} ${JSON.stringify(entry).slice(0, 240)}`);
    return lines.join("\n");
  }

  async #follow(): Promise<void> {
    for (;;) {
      // A page that was closed tells nothing more.
      const text = await this.#agent.next(this.#entries.length).catch(() => "null");
      const news = codec.decode(text) as Entry[] | null;
      if (!news) return;
      this.#entries.push(...news);
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const wake of waiting) wake();
    }
  }
}

function matches(entry: Entry, fits: Partial<Entry> | ((entry: Entry) => boolean)): boolean {
  if (typeof fits === "function") return fits(entry);
  return Object.entries(fits).every(([key, value]) => entry[key as keyof Entry] === value);
}
