// The pool of buffers, and what it tells of itself through a whole manager.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { BufferPool } from "../../src/core/buffer-pool.js";
import { SimNetwork } from "../sim/sim-node.js";

describe("a buffer pool", () => {
  test("lends what was given back before it makes more, and keeps as many as it may", () => {
    const pool = new BufferPool(64, 2);
    const lent = [pool.take(), pool.take(), pool.take()];
    expect(pool.stats).toEqual({ bufferBytes: 64, inUse: 3, free: 0, hits: 0, misses: 3 });
    for (const buffer of lent) pool.give(buffer);
    expect(pool.stats).toMatchObject({ inUse: 0, free: 2 });
    expect(lent).toContain(pool.take());
    expect(pool.stats).toMatchObject({ inUse: 1, free: 1, hits: 1, misses: 3 });
  });

  test("leaves its spares to the garbage collector once none is lent, and not before", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    // What a WeakRef was asked for stays until the turn ends.
    const rest = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      collect();
    };
    const pool = new BufferPool(64, 2);
    const [kept, spare] = [pool.take(), pool.take()];
    pool.give(spare);
    await rest();
    expect(pool.stats).toMatchObject({ inUse: 1, free: 1 });
    pool.give(kept);
    expect(pool.stats).toMatchObject({ inUse: 0, free: 2 });
    await rest();
    expect(pool.stats).toMatchObject({ inUse: 0, free: 0 });
    pool.give(pool.take());
    expect(pool.stats).toMatchObject({ inUse: 0, free: 1, hits: 0, misses: 3 });
  });

  test("makes buffers of the size that was asked for", () => {
    expect(new BufferPool(1000, 0).take().length).toBe(1000);
  });
});

describe("the stats of a manager", () => {
  test("show that a session holds no buffer once its messages have arrived", async () => {
    const network = new SimNetwork([{ kind: "near", rank: 1, delayMs: 5 }]);
    const alice = await network.node("alice", {}, { limits: { bufferBytes: 2048, spareBuffers: 4 } });
    const bob = await network.node("bob");
    const connecting = alice.manager.connectToPeer("near://10.0.0.2:1000");
    await network.run(500);
    await connecting;
    const send = (): void => void alice.manager.sendMessage(bob.manager.peerId, { type: "a", payload: new Uint8Array(5000) });
    send();
    expect(alice.manager.stats().buffers).toMatchObject({ bufferBytes: 2048, inUse: 3 });
    await network.run(1_000);
    expect(alice.manager.stats().buffers.inUse).toBe(0);
    expect(bob.messages.length).toBe(1);
  });
});
