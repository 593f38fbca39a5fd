// When a message was sent, as it says itself: the time is asked for once a turn, and a turn must not take an old answer over.

import { expect, test } from "vitest";
import { SimNetwork } from "../sim/sim-node.js";

test("an answer that is sent as a message comes has the time of that moment, however long ago the last one was", async () => {
  const network = new SimNetwork([{ kind: "near", rank: 1, delayMs: 5 }]);
  const alice = await network.node("alice");
  const bob = await network.node("bob");
  const connecting = alice.manager.connectToPeer("near://10.0.0.2:1000");
  await network.run(500);
  const bobId = await connecting;
  const sent: number[] = [];
  const told: number[] = [];
  bob.manager.setMessageCallback(({ senderId }) => {
    sent.push(network.clock.date());
    bob.manager.sendMessage(senderId, { type: "answer", payload: null });
  });
  alice.manager.setMessageCallback(({ timestamp }) => told.push(timestamp));
  for (let i = 0; i < 3; i++) {
    alice.manager.sendMessage(bobId, { type: "question", payload: null });
    await network.run(60_000);
  }
  expect(told.length).toBe(3);
  expect(told).toEqual(sent.map(Math.floor));
  expect(new Set(told).size).toBe(3);
});

test("many messages of one turn have its time", async () => {
  const network = new SimNetwork([{ kind: "near", rank: 1, delayMs: 5 }]);
  const alice = await network.node("alice");
  const bob = await network.node("bob");
  const connecting = alice.manager.connectToPeer("near://10.0.0.2:1000");
  await network.run(500);
  const bobId = await connecting;
  const told: number[] = [];
  bob.manager.setMessageCallback(({ timestamp }) => told.push(timestamp));
  const now = Math.floor(network.clock.date());
  for (let i = 0; i < 1000; i++) alice.manager.sendMessage(bobId, { type: "a", payload: i });
  await network.run(1_000);
  expect(told).toEqual(Array.from({ length: 1000 }, () => now));
});
