// Two managers with a session between them, over virtual time, for the tests of requests.

import { expect } from "vitest";
import type { NetworkManagerOptions } from "../../../src/core/options.js";
import { SimNetwork, type SimNode } from "../../sim/sim-node.js";

export const FAR = { kind: "far", rank: 90, delayMs: 40 };
export const NEAR = { kind: "near", rank: 20, delayMs: 1 };

export interface Pair {
  readonly net: SimNetwork;
  readonly alice: SimNode;
  readonly bob: SimNode;
}

/** Alice has dialled Bob over the near path. */
export async function connectedPair(alices: NetworkManagerOptions = {}, bobs: NetworkManagerOptions = {}): Promise<Pair> {
  const net = new SimNetwork([NEAR, FAR]);
  const alice = await net.node("alice", {}, alices);
  const bob = await net.node("bob", {}, bobs);
  await connect(net, alice, "near://10.0.0.2:1000");
  return { net, alice, bob };
}

export async function connect(net: SimNetwork, from: SimNode, url: string): Promise<void> {
  const dialled = from.manager.connectToPeer(url);
  await net.run(500);
  await dialled;
  expect(from.statuses.at(-1)).toBe("connected");
}

/** What a call came to: its value, or what it was refused with. */
export interface Outcome {
  value?: unknown;
  error?: { readonly code?: string; readonly remoteCode?: string; readonly peerId?: string; readonly message?: string };
}

/** Follows a call, so that a test can ask at any moment what became of it. */
export function follow(call: Promise<unknown>): Outcome {
  const outcome: Outcome = {};
  call.then(
    (value) => {
      outcome.value = value;
    },
    (error: NonNullable<Outcome["error"]>) => {
      outcome.error = error;
    },
  );
  return outcome;
}

/** A promise that the test settles. */
export function gate<T = void>(): { readonly opened: Promise<T>; open(value: T): void; fail(error: unknown): void } {
  let open: (value: T) => void = () => undefined;
  let fail: (error: unknown) => void = () => undefined;
  const opened = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { opened, open: (value) => open(value), fail: (error) => fail(error) };
}
