// Two managers in this process, one behind a proxy that cuts, and numbered messages between them.

import type { NetworkManager, NetworkManagerOptions } from "linknet";
import { onTestFinished } from "vitest";
import { portOf, record, started } from "../manager/support.js";
import type { Cuts } from "./cut-plan.js";
import { CuttingProxy } from "./cutting-proxy.js";
import { NumberCheck, type Sending, sendNumbers } from "./numbers.js";

/** Short pauses before a reconnection, so that a test need not wait for the usual ones. */
export const QUICK = { reconnectBaseMs: 20, reconnectMaxMs: 200, unprovenPerSecond: 1_000 };

/** Given to repeat a run; printed in the titles of what depends on it. */
export const SEED = Number(process.env.LINKNET_SEED ?? Math.floor(Math.random() * 2 ** 32));

export async function proxyTo(port: number, plan: Cuts | null = null): Promise<CuttingProxy> {
  const proxy = await CuttingProxy.open(port, plan);
  onTestFinished(() => proxy.stop());
  return proxy;
}

export interface ProxiedPair {
  readonly alice: NetworkManager;
  readonly bob: NetworkManager;
  readonly proxy: CuttingProxy;
}

/** Alice has dialled Bob through the proxy, which is the only way that she knows. */
export async function proxiedPair(options: NetworkManagerOptions = {}, plan: Cuts | null = null): Promise<ProxiedPair> {
  const given = { ...options, limits: { ...QUICK, ...options.limits } };
  const [alice, bob] = await Promise.all([started(given), started(given)]);
  const proxy = await proxyTo(portOf(bob), plan);
  await alice.connectToPeer("127.0.0.1", proxy.port);
  return { alice, bob, proxy };
}

/** The statuses that a manager tells from now on, as its connection callback hears them. */
export function statusesOf(net: NetworkManager): string[] {
  const statuses: string[] = [];
  net.setConnectionCallback((_peerId, status) => statuses.push(status));
  return statuses;
}

/** Resolves once the condition holds; asked again after each status and message of these managers. */
export function until(nets: readonly NetworkManager[], condition: () => boolean, what: string, withinMs = 20_000): Promise<void> {
  if (condition()) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = [];
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      for (const stop of stops) stop();
      settle();
    };
    const timer = setTimeout(() => end(() => reject(new Error(`not within ${withinMs} ms: ${what}`))), withinMs);
    const look = (): void => {
      if (condition()) end(resolve);
    };
    for (const net of nets) {
      for (const name of ["connection", "message", "path", "failed", "delivered"] as const) stops.push(net.on(name, look));
    }
  });
}

/** Numbered messages between two managers, both ways, without a pause. */
export interface TwoWays {
  readonly alice: NumberCheck;
  readonly bob: NumberCheck;
  /** Sends no more, and resolves when all that was queued has come. @returns how many each has sent */
  settle(): Promise<{ readonly fromAlice: number; readonly fromBob: number }>;
  /** What must be empty: faults of the order, and messages that were reported as failed. */
  faults(): readonly string[];
}

export function numbersBothWays(alice: NetworkManager, bob: NetworkManager): TwoWays {
  const checks = { alice: new NumberCheck(), bob: new NumberCheck() };
  alice.on("message", (message) => checks.alice.take(message));
  bob.on("message", (message) => checks.bob.take(message));
  const failed = [record(alice, "failed"), record(bob, "failed")];
  const endless = Number.MAX_SAFE_INTEGER;
  const sendings: readonly [Sending, Sending] = [
    sendNumbers(alice, bob.peerId, endless),
    sendNumbers(bob, alice.peerId, endless),
  ];
  onTestFinished(() => {
    for (const sending of sendings) sending.halt();
  });
  // A session that ends is reported by settle(), not by a rejection that nobody waits for.
  for (const sending of sendings) sending.done.catch(() => undefined);
  return {
    ...checks,
    async settle() {
      for (const sending of sendings) sending.halt();
      await Promise.all(sendings.map((sending) => sending.done));
      await Promise.all([checks.bob.reached(sendings[0].sent), checks.alice.reached(sendings[1].sent)]);
      return { fromAlice: sendings[0].sent, fromBob: sendings[1].sent };
    },
    faults: () => [
      ...checks.alice.told.map((fault) => `at Alice: ${fault}`),
      ...checks.bob.told.map((fault) => `at Bob: ${fault}`),
      ...failed.flat().map((event) => `failed: ${event.error.code}`),
    ],
  };
}
