// The shapes that adapters, workloads and the runner share. Types alone: nothing of it is there at run time.

/** One connection of a system, as the workloads see it. */
export interface Connection {
  /**
   * Sends one message: bytes, or an object where the connection was opened for objects.
   * @returns `false` when it was not taken, because the system asks to wait: `ready`, then send it again
   */
  // biome-ignore lint/suspicious/noExplicitAny: bytes or an object, by what the connection was opened for
  send(message: any): boolean;
  /** Resolves when the system takes messages again. */
  ready(): Promise<void>;
  /** Is called with each message; set by the workload. */
  // biome-ignore lint/suspicious/noExplicitAny: bytes or an object, by what the connection was opened for
  onMessage: (message: any) => void;
  close(): Promise<void> | void;
}

/** What a connection is opened for. */
export interface Purpose {
  /** Whether messages are objects, serialised in the way of the system: JSON, or CBOR for LinkNet. Default: bytes. */
  readonly objects?: boolean;
  /** How many connections there will be at a time. Default 1. */
  readonly connections?: number;
}

export interface Server {
  /** What the dialler in the other process needs to know; goes through JSON. */
  readonly address: unknown;
  /**
   * Sends to each connection, encoded once, where the system can do that. The workload sees to it that queues stay short.
   * @returns how many took it
   */
  broadcast?(message: Uint8Array): number;
  close(): Promise<void> | void;
}

/** The dialling side: made before anything is measured, with whatever the system keeps once for each process. */
export interface Dialer {
  dial(): Promise<Connection>;
  close(): Promise<void> | void;
}

/** One system under measurement. Server and dialer live in different processes. */
export interface Adapter {
  listen(purpose: Purpose, onConnection: (connection: Connection) => void): Promise<Server>;
  createDialer(purpose: Purpose, address: unknown): Promise<Dialer>;
}

/** How a system is found and called. */
export interface System {
  readonly name: string;
  readonly title: string;
  /** The module of the adapter, a file URL; it exports `createAdapter(system)`. */
  readonly module: string;
  /** Packages whose versions the report tells. */
  readonly packages: readonly string[];
  /** What `createAdapter` is given, such as a transport. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Metric {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly better: "more" | "less";
  /** Digits after the point in tables; default 0. */
  readonly digits?: number;
}

/** How thorough a run is. */
export interface Effort {
  readonly quick: boolean;
}

/** One thing to measure. `measure` is one repetition for one system; the runner calls it round-robin and takes medians. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  /** The systems that it knows, in the order of the table. */
  readonly systems: readonly string[];
  /** Those of them that a quick run takes; default: all. */
  readonly quickSystems?: readonly string[];
  /** Titles of systems that are not among those of `adapters/index.mjs`. */
  readonly titles?: Readonly<Record<string, string>>;
  /** Versions of what only this workload uses, by name. */
  readonly versions?: () => Promise<Record<string, string>> | Record<string, string>;
  /** Called once before the first repetition; gives how to undo it. */
  readonly prepare?: (effort: Effort, systems: readonly string[]) => Promise<() => Promise<void> | void>;
  /** @returns a value for each metric. @throws when a message is missing, doubled or changed */
  readonly measure: (system: string, effort: Effort) => Promise<Record<string, number>>;
}

/** What the code of a workload gets in each of the two processes. */
export interface Side<Params = Record<string, number>> {
  readonly adapter: Adapter;
  readonly params: Params;
  /** Tells the other process something. */
  tell(value: unknown): void;
  /** The next thing that the other process tells. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the two halves of one workload agree on
  hear(): Promise<any>;
  /** Ends the run as failed, also from inside a callback whose exceptions somebody catches. */
  fail(error: Error): never;
}

/** A line of the "done when" table. */
export interface Target {
  /** What it says, as the table has it. */
  readonly text: string;
  readonly metric: string;
  readonly system: string;
  /** The system it is compared with; without one the bound is the value itself. */
  readonly against?: string;
  /** The metric of the other side, where it differs. */
  readonly againstMetric?: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}
