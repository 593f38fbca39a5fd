// Run as a process of its own: a manager that another process commands, and that sends and checks numbered messages.

import { NetworkManager, type NetworkManagerOptions, type PeerId } from "linknet";
import { type BigMessages, NumberCheck, type Sending, sendNumbers } from "./numbers.js";

/** What a peer has sent, received and been told, so far. */
export interface PeerReport {
  readonly sent: number;
  readonly refusals: number;
  readonly received: number;
  readonly faults: number;
  readonly told: readonly string[];
  readonly longestGapMs: number;
  readonly delivered: number;
  readonly failed: number;
  /** Bytes queued or unacknowledged, to all peers. */
  readonly queuedBytes: number;
  readonly statuses: readonly string[];
  readonly paths: readonly string[];
  readonly errors: readonly string[];
  readonly cpuMs: number;
  /** Resident set and live heap in bytes; after a collection where the process was given `--expose-gc`. */
  readonly memory: { readonly rss: number; readonly heapUsed: number; readonly external: number };
}

/** The commands, by name. */
export interface PeerCommands {
  start(options: NetworkManagerOptions): Promise<{ peerId: PeerId; port: number }>;
  connect(target: string): Promise<PeerId>;
  /** Begins to send, or goes on after `halt`: up to this number, without it. */
  send(peerId: PeerId, count: number, big: BigMessages | null): void;
  /** Queues no more. @returns how many were queued */
  halt(): Promise<number>;
  /** Resolves when so many have come. */
  received(count: number): Promise<void>;
  report(): Promise<PeerReport>;
  stop(): Promise<void>;
}

/** More statuses and errors than this are counted in `report`'s other numbers, not listed. */
const MAX_LISTED = 2_000;

let net: NetworkManager | null = null;
let sending: Sending | null = null;
const check = new NumberCheck();
const counts = { delivered: 0, failed: 0 };
const statuses: string[] = [];
const paths: string[] = [];
const errors: string[] = [];
const list = (to: string[], text: string): void => {
  if (to.length < MAX_LISTED) to.push(text);
};

const commands: PeerCommands = {
  async start(options) {
    const manager = new NetworkManager({ host: "127.0.0.1", ...options });
    net = manager;
    manager.setMessageCallback((message) => check.take(message));
    manager.setConnectionCallback((_peerId, status) => list(statuses, status));
    manager.setErrorCallback((error) => list(errors, `${error.code} ${error.message}`));
    manager.on("delivered", () => counts.delivered++);
    manager.on("failed", ({ error }) => {
      counts.failed++;
      list(errors, `failed: ${error.code}`);
    });
    manager.on("path", ({ path }) => list(paths, path));
    await manager.start(0);
    return { peerId: manager.peerId, port: manager.getLocalPort() ?? 0 };
  },
  connect: (target) => open().connectToPeer(target),
  send(peerId, count, big) {
    sending = sendNumbers(open(), peerId, count, big, sending?.sent);
    sending.done.catch((error: unknown) => list(errors, `sending ended: ${String(error)}`));
  },
  async halt() {
    sending?.halt();
    await sending?.done.catch(() => undefined);
    return sending?.sent ?? 0;
  },
  received: (count) => check.reached(count),
  async report() {
    // Twice: what a buffer's finalizer lets go is free only after the second one.
    globalThis.gc?.();
    await new Promise<void>((resolve) => setImmediate(resolve));
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    const cpu = process.cpuUsage();
    return {
      sent: sending?.sent ?? 0,
      refusals: sending?.refusals ?? 0,
      received: check.next,
      faults: check.faults,
      told: check.told,
      longestGapMs: check.longestGapMs,
      ...counts,
      queuedBytes: (net?.getConnectedPeers() ?? []).reduce((sum, peer) => sum + peer.queuedBytes, 0),
      statuses,
      paths,
      errors,
      cpuMs: (cpu.user + cpu.system) / 1000,
      memory: { rss, heapUsed, external },
    };
  },
  async stop() {
    await net?.stop();
  },
};

function open(): NetworkManager {
  if (!net) throw new Error("not started");
  return net;
}

interface Call {
  readonly id: number;
  readonly name: keyof PeerCommands;
  readonly args: readonly unknown[];
}

process.on("message", async ({ id, name, args }: Call) => {
  try {
    const value = await (commands[name] as (...args: readonly unknown[]) => unknown)(...args);
    process.send?.({ id, value });
  } catch (error) {
    process.send?.({ id, error: String(error) });
  }
});
// Whoever started us has gone: nobody is left to stop us.
process.on("disconnect", () => process.exit(1));
