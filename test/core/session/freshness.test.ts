// Messages that may be dropped or replaced while they wait, slow callbacks, and idle sessions that give up their place.

import { describe, expect, test } from "vitest";
import type { PeerId } from "../../../src/core/events.js";
import type { OutgoingMessage } from "../../../src/core/message/message.js";
import { SimNetwork, type SimNode } from "../../sim/sim-node.js";

const NEAR = { kind: "near", rank: 20, delayMs: 5 };

async function connectedPair(): Promise<{ network: SimNetwork; alice: SimNode; bob: SimNode; bobId: PeerId; told: string[] }> {
  const network = new SimNetwork([NEAR]);
  const alice = await network.node("alice");
  const bob = await network.node("bob", { dial: [] });
  const connecting = alice.manager.connectToPeer("near://10.0.0.2:1000");
  await network.run(200);
  const told: string[] = [];
  alice.manager.on("failed", ({ messageId, error }) => told.push(`${messageId.at(-1)} ${error.code}`));
  alice.manager.on("delivered", ({ messageId }) => told.push(`${messageId.at(-1)} delivered`));
  return { network, alice, bob, bobId: await connecting, told };
}

/** A message whose id ends with its number. */
function numbered(number: number): OutgoingMessage<number> {
  return { type: "n", payload: number, id: number.toString(16).padStart(32, "0") };
}

describe("a message with a time to live", () => {
  test("is delivered like any other while there is a path", async () => {
    const { network, alice, bob, bobId, told } = await connectedPair();
    const delivered = alice.manager.deliver(bobId, numbered(1), { ttlMs: 100 });
    await network.run(100);
    await delivered;
    expect(bob.messages).toEqual([1]);
    expect(told).toEqual(["1 delivered"]);
  });

  test("is dropped and reported when it could not be sent in time, and the others arrive", async () => {
    const { network, alice, bob, bobId, told } = await connectedPair();
    network.down.add("near");
    for (const { wire } of network.open) wire.cut();
    await network.run(50);
    expect(alice.manager.getPeer(bobId)?.status).toBe("reconnecting");
    const stale = alice.manager.deliver(bobId, numbered(1), { ttlMs: 1_000 }).catch((error: { code: string }) => error.code);
    alice.manager.sendMessage(bobId, numbered(2), { ttlMs: 60_000 });
    alice.manager.sendMessage(bobId, numbered(3));
    await network.run(1_100);
    expect(told).toEqual(["1 ERR_MESSAGE_EXPIRED"]);
    expect(await stale).toBe("ERR_MESSAGE_EXPIRED");
    network.down.delete("near");
    await network.run(30_000);
    expect(bob.messages).toEqual([3, 2]);
    expect(told.slice(1).sort()).toEqual(["2 delivered", "3 delivered"]);
  });
});

describe("a message of which only the latest counts", () => {
  test("is replaced by a newer one with the same key while it waits; other keys are not touched", async () => {
    const { network, alice, bob, bobId, told } = await connectedPair();
    network.down.add("near");
    for (const { wire } of network.open) wire.cut();
    await network.run(50);
    alice.manager.sendMessage(bobId, numbered(1), { latest: "cursor" });
    alice.manager.sendMessage(bobId, numbered(2), { latest: "scroll" });
    alice.manager.sendMessage(bobId, numbered(3), { latest: "cursor" });
    alice.manager.sendMessage(bobId, numbered(4), { latest: "cursor" });
    expect(told).toEqual(["1 ERR_MESSAGE_REPLACED", "3 ERR_MESSAGE_REPLACED"]);
    network.down.delete("near");
    await network.run(30_000);
    expect(bob.messages).toEqual([4, 2]);
  });

  test("a key that is also an id of another message replaces nothing", async () => {
    const { network, alice, bob, bobId } = await connectedPair();
    alice.manager.sendMessage(bobId, numbered(1), { ttlMs: 1_000 });
    alice.manager.sendMessage(bobId, numbered(2), { latest: numbered(1).id as string });
    await network.run(100);
    expect(bob.messages).toEqual([1, 2]);
  });

  test("all that wait are reported when the session ends", async () => {
    const { network, alice, bobId, told } = await connectedPair();
    network.down.add("near");
    for (const { wire } of network.open) wire.cut();
    await network.run(50);
    alice.manager.sendMessage(bobId, numbered(1), { latest: "cursor" });
    alice.manager.sendMessage(bobId, numbered(2), { ttlMs: 500_000 });
    await network.run(61_000);
    expect(told).toEqual(["1 ERR_CLOSED_TIMEOUT", "2 ERR_CLOSED_TIMEOUT"]);
  });

  test("options that make no sense are refused", async () => {
    const { alice, bobId } = await connectedPair();
    for (const options of [
      { ttlMs: -1 },
      { ttlMs: Number.NaN },
      { latest: "x".repeat(256) },
      { lane: "bulk", ttlMs: 5 } as const,
    ]) {
      expect(() => alice.manager.sendMessage(bobId, numbered(1), options)).toThrow(
        expect.objectContaining({ code: "ERR_OPTION_INVALID" }),
      );
    }
  });
});

describe("an awaited message callback", () => {
  test("gets one message of a peer at a time, in order, and slows the sender down", async () => {
    const network = new SimNetwork([NEAR]);
    const alice = await network.node("alice");
    const bob = await network.node("bob", { dial: [] }, { limits: { receiveBufferBytes: 256 * 1024 } });
    const seen: unknown[] = [];
    let running = 0;
    let release: () => void = () => {};
    bob.manager.setMessageCallback(
      async ({ payload }) => {
        expect(++running).toBe(1);
        seen.push((payload as Uint8Array)[0]);
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        running--;
      },
      { awaited: true },
    );
    const connecting = alice.manager.connectToPeer("near://10.0.0.2:1000");
    await network.run(200);
    const bobId = await connecting;
    for (let i = 0; i < 40; i++) alice.manager.sendMessage(bobId, { type: "b", payload: new Uint8Array(30_000).fill(i) });
    await network.run(5_000);
    expect(seen).toEqual([0]);
    // What bob's window lets through is at bob's; the rest waits at alice's.
    expect(alice.manager.getPeer(bobId)?.queuedBytes).toBeGreaterThan(40 * 30_000 - 2 * 256 * 1024);
    for (let i = 0; i < 40; i++) {
      release();
      await network.run(100);
    }
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(alice.manager.getPeer(bobId)?.queuedBytes).toBe(0);
  });
});

describe("a full table of sessions", () => {
  test("gives the place of the one that was idle for longest, when it was asked to", async () => {
    const network = new SimNetwork([NEAR]);
    const hub = await network.node("hub", { dial: [] }, { evictIdle: true, limits: { maxConnections: 2 } });
    const [first, second, third] = [await network.node("a"), await network.node("b"), await network.node("c")];
    for (const node of [first, second]) void node.manager.connectToPeer("near://10.0.0.1:1000");
    await network.run(200);
    await network.run(15_000);
    second.manager.sendMessage(hub.manager.peerId, numbered(1));
    await network.run(100);
    void third.manager.connectToPeer("near://10.0.0.1:1000");
    await network.run(200);
    expect(
      hub.manager
        .getConnectedPeers()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([second.manager.peerId, third.manager.peerId].sort());
    expect(first.statuses.at(-1)).toBe("disconnected");
    expect(second.statuses.at(-1)).toBe("connected");
  });

  test("refuses the newcomer when none is idle, and tells it why", async () => {
    const network = new SimNetwork([NEAR]);
    await network.node("hub", { dial: [] }, { evictIdle: true, limits: { maxConnections: 1 } });
    const [first, second] = [await network.node("a"), await network.node("b")];
    void first.manager.connectToPeer("near://10.0.0.1:1000");
    await network.run(200);
    const refused = second.manager.connectToPeer("near://10.0.0.1:1000").catch((error: { code: string }) => error.code);
    await network.run(200);
    expect(await refused).toBe("ERR_LIMIT_CONNECTIONS");
    expect(first.statuses.at(-1)).toBe("connected");
  });

  test("counts a peer that has left for as long as the application has not taken its messages, and lets it in again itself", async () => {
    const network = new SimNetwork([NEAR]);
    const hub = await network.node("hub", { dial: [] }, { limits: { maxConnections: 1 } });
    let take = (): void => undefined;
    hub.manager.setMessageCallback(() => new Promise<void>((resolve) => (take = resolve)), { awaited: true });
    const [first, second] = [await network.node("a"), await network.node("b")];
    const dial = async ({ manager }: SimNode): Promise<string> => {
      const outcome = manager.connectToPeer("near://10.0.0.1:1000").then(
        () => "connected",
        (error: { code: string }) => error.code,
      );
      await network.run(200);
      return outcome;
    };
    const leave = async ({ manager }: SimNode): Promise<void> => {
      void manager.disconnectFromPeer(hub.manager.peerId);
      await network.run(200);
    };
    expect(await dial(first)).toBe("connected");
    first.manager.sendMessage(hub.manager.peerId, numbered(1));
    await network.run(100);
    await leave(first);
    expect(await dial(second)).toBe("ERR_LIMIT_CONNECTIONS");
    expect(await dial(first)).toBe("connected");
    await leave(first);
    expect(await dial(second)).toBe("ERR_LIMIT_CONNECTIONS");
    take();
    await network.run(100);
    expect(await dial(second)).toBe("connected");
  });
});
