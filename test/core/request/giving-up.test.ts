// Requests that end without a reply: time limits, signals, lost sessions; and how the handler at the other side is told.

import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { RequestError } from "../../../src/core/request/request-error.js";
import { SimNetwork } from "../../sim/sim-node.js";
import { connect, connectedPair, FAR, follow, gate, NEAR, type Pair } from "./request-pair.js";

interface Slow extends Pair {
  /** The handler's signals, in order of the requests. */
  readonly signals: AbortSignal[];
  readonly reply: ReturnType<typeof gate<unknown>>;
}

/** Bob's handler of "slow" waits for the test. */
async function slowPair(): Promise<Slow> {
  const pair = await connectedPair();
  const signals: AbortSignal[] = [];
  const reply = gate<unknown>();
  pair.bob.manager.handle("slow", (_message, { signal }) => {
    signals.push(signal);
    return reply.opened;
  });
  return { ...pair, signals, reply };
}

const SLOW = { type: "slow", payload: null };

describe("a request that nobody waits for any longer", () => {
  test("after its time limit is ERR_REQUEST_TIMEOUT, its handler's signal aborts, and the late reply is dropped", async () => {
    const { net, alice, bob, signals, reply } = await slowPair();
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW, { timeoutMs: 5_000 }));
    await net.run(4_990);
    expect([outcome.error, signals[0]?.aborted]).toEqual([undefined, false]);
    await net.run(50);
    expect(outcome.error).toMatchObject({ code: "ERR_REQUEST_TIMEOUT", retryable: true, peerId: bob.manager.peerId });
    expect(signals[0]?.reason).toMatchObject({ code: "ERR_REQUEST_CANCELLED", peerId: alice.manager.peerId });
    const sent = bob.manager.getPeer(alice.manager.peerId)?.messagesOut;
    reply.open("too late");
    await net.run(50);
    expect(bob.manager.getPeer(alice.manager.peerId)?.messagesOut).toBe(sent);
    expect([alice.messages, alice.errors, bob.errors]).toEqual([[], [], []]);
  });

  test("waits 30 s where nothing else is said", async () => {
    const { net, alice, bob } = await slowPair();
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW));
    await net.run(29_900);
    expect(outcome.error).toBeUndefined();
    await net.run(200);
    expect(outcome.error?.code).toBe("ERR_REQUEST_TIMEOUT");
  });

  test.each(["interactive", "bulk"] as const)(
    "aborted in the %s lane rejects with the reason, and the handler is told",
    async (lane) => {
      const { net, alice, bob, signals } = await slowPair();
      const controller = new AbortController();
      const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW, { signal: controller.signal, lane }));
      await net.run(50);
      const other = follow(alice.manager.request(bob.manager.peerId, SLOW));
      await net.run(50);
      const reason = new Error("changed my mind");
      controller.abort(reason);
      await net.run(50);
      expect(outcome.error).toBe(reason);
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
      expect(other).toEqual({});
    },
  );

  test("aborted in the turn in which it was sent is cancelled all the same", async () => {
    const { net, alice, bob, signals } = await slowPair();
    const controller = new AbortController();
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW, { signal: controller.signal, lane: "bulk" }));
    controller.abort();
    await net.run(50);
    expect((outcome.error as unknown as DOMException).name).toBe("AbortError");
    expect(signals[0]?.aborted).toBe(true);
  });

  test("ignores a signal that aborts after the reply, and sends nothing for it", async () => {
    const { net, alice, bob, signals, reply } = await slowPair();
    const controller = new AbortController();
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW, { signal: controller.signal }));
    expect(getEventListeners(controller.signal, "abort").length).toBe(1);
    reply.open(1);
    await net.run(50);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    const sent = alice.manager.getPeer(bob.manager.peerId)?.messagesOut;
    controller.abort();
    await net.run(50);
    expect(outcome.value).toMatchObject({ payload: 1 });
    expect(signals[0]?.aborted).toBe(false);
    expect(alice.manager.getPeer(bob.manager.peerId)?.messagesOut).toBe(sent);
  });

  test.each([new Error("stopped, as told"), new RequestError("GONE")])(
    "may have its handler fail: nobody is told of %s",
    async (error) => {
      const { net, alice, bob, reply } = await slowPair();
      const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW, { timeoutMs: 100 }));
      await net.run(200);
      reply.fail(error);
      await net.run(100);
      expect(outcome.error?.code).toBe("ERR_REQUEST_TIMEOUT");
      expect([alice.errors, bob.errors]).toEqual([[], []]);
    },
  );
});

describe("when the session ends", () => {
  test("by us, requests reject and the handlers of the other side stop", async () => {
    const { net, alice, bob, signals } = await slowPair();
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW));
    await net.run(50);
    const gone = alice.manager.disconnectFromPeer(bob.manager.peerId);
    await net.run(50);
    await gone;
    expect(outcome.error).toMatchObject({ code: "ERR_CLOSED", peerId: bob.manager.peerId });
    expect(signals[0]?.reason).toMatchObject({ code: "ERR_CLOSED_BY_PEER" });
  });

  test("by the other side, requests reject with its reason, and its handlers stop too", async () => {
    const { net, alice, bob, signals, reply } = await slowPair();
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW));
    await net.run(50);
    const gone = bob.manager.disconnectFromPeer(alice.manager.peerId);
    await net.run(50);
    await gone;
    expect(outcome.error?.code).toBe("ERR_CLOSED_BY_PEER");
    expect(signals[0]?.reason).toMatchObject({ code: "ERR_CLOSED" });
    // What the handler gives now finds no way, also when the two meet again.
    await connect(net, alice, "near://10.0.0.2:1000");
    reply.open("for nobody");
    await net.run(100);
    expect(bob.manager.getPeer(alice.manager.peerId)?.messagesOut).toBe(0);
  });

  test("for want of a path, requests reject when the window is over", async () => {
    const { net, alice, bob, signals } = await slowPair();
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW, { timeoutMs: 600_000 }));
    await net.run(50);
    for (const { kind } of [NEAR, FAR]) net.down.add(kind);
    for (const { wire } of net.open) wire.cut();
    const unsent = follow(alice.manager.request(bob.manager.peerId, SLOW, { timeoutMs: 600_000 }));
    await net.run(59_000);
    expect([outcome, unsent]).toEqual([{}, {}]);
    await net.run(2_000);
    expect([outcome.error?.code, unsent.error?.code]).toEqual(["ERR_CLOSED_TIMEOUT", "ERR_CLOSED_TIMEOUT"]);
    expect(signals[0]?.aborted).toBe(true);
  });

  test("because the other process died and came back, requests are ERR_SESSION_LOST at once", async () => {
    const net = new SimNetwork([NEAR, FAR]);
    const alice = await net.node("alice");
    const identity = new Uint8Array(32).fill(7);
    const bob = await net.node("bob", {}, { identity });
    await connect(net, alice, "near://10.0.0.2:1000");
    const signals: AbortSignal[] = [];
    alice.manager.handle("slow", (_message, { signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    });
    bob.manager.handle("slow", () => new Promise(() => {}));
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW));
    follow(bob.manager.request(alice.manager.peerId, SLOW));
    await net.run(100);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    // Another process with the same key, which knows nothing of the conversation.
    const reborn = await net.node("reborn", {}, { identity });
    expect(reborn.manager.peerId).toBe(bob.manager.peerId);
    await connect(net, reborn, "near://10.0.0.1:1000");
    await net.run(1_000);
    expect(outcome.error?.code).toBe("ERR_SESSION_LOST");
    expect(signals[0]?.reason).toMatchObject({ code: "ERR_SESSION_LOST" });
    reborn.manager.handle("slow", () => "reborn");
    const anew = follow(alice.manager.request(reborn.manager.peerId, SLOW));
    await net.run(200);
    expect(anew.value).toMatchObject({ payload: "reborn" });
  });

  test("by stop(), requests reject and no timer stays", async () => {
    const { net, alice, bob } = await slowPair();
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW, { timeoutMs: 600_000 }));
    await net.run(50);
    const stopped = Promise.all([alice.manager.stop(), bob.manager.stop()]);
    await net.run(20_000);
    await stopped;
    expect(outcome.error?.code).toBe("ERR_CLOSED");
    expect(net.clock.pendingTimers).toBe(0);
  });
});

describe("when the path changes", () => {
  test("a request whose link is cut before the reply gets it over the next link", async () => {
    const { net, alice, bob, reply } = await slowPair();
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW));
    await net.run(50);
    for (const { wire } of net.open) wire.cut();
    await net.run(1);
    reply.open("after all");
    await net.run(10_000);
    expect(outcome.value).toMatchObject({ payload: "after all" });
    expect(alice.statuses).toEqual(["connecting", "connected", "reconnecting", "connected"]);
  });

  test("a reply that was on its way when the link died arrives once", async () => {
    const { net, alice, bob, reply } = await slowPair();
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW));
    await net.run(50);
    reply.open("on its way");
    await net.run(0.5);
    for (const { wire } of net.open) wire.cut();
    await net.run(10_000);
    expect(outcome.value).toMatchObject({ payload: "on its way" });
    expect([alice.messages, alice.errors]).toEqual([[], []]);
  });

  test("a request moves from a poor path to a better one with its session", async () => {
    const net = new SimNetwork([NEAR, FAR]);
    net.down.add("near");
    const alice = await net.node("alice");
    const bob = await net.node("bob");
    await connect(net, alice, "far://10.0.0.2:1000");
    const { opened, open } = gate();
    bob.manager.handle("slow", () => opened);
    const outcome = follow(alice.manager.request(bob.manager.peerId, SLOW, { timeoutMs: 300_000 }));
    await net.run(100);
    net.down.clear();
    await net.run(120_000);
    expect(alice.paths).toEqual(["far", "near"]);
    open();
    await net.run(100);
    expect(outcome.value).toMatchObject({ type: "slow" });
  });
});
