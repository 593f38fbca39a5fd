// Whole managers whose big records are sealed and opened elsewhere: sessions notice nothing of it, also when their links die.

import { expect, test } from "vitest";
import { SeededRandom } from "../../sim/seeded-random.js";
import { SimNetwork, type SimNode } from "../../sim/sim-node.js";
import type { Work } from "./later-crypto.js";
import { LaterCrypto } from "./later-crypto.js";

const SIZES = [10, 70_000, 300, 200_000, 5, 0, 64_000, 1500, 900];

/** Two nodes that are joined by a link of 10 MB/s, where each piece of work elsewhere takes 0 to 8 ms. */
async function pair(seed: number) {
  const random = new SeededRandom(seed);
  const place = new LaterCrypto();
  const network = new SimNetwork([{ kind: "near", rank: 20, bytesPerMs: 10_000 }], place.crypto);
  place.onWork = (work: Work) => {
    network.clock.after(random.below(9), random.below(10) ? work.settle : work.refuse);
  };
  const alice = await network.node("alice");
  const bob = await network.node("bob");
  const connected = alice.manager.connectToPeer("near://10.0.0.2:1000");
  await network.run(200);
  await connected;
  return { random, place, network, alice, bob };
}

/** Sends messages of all sizes, each with its number in front. */
function send(from: SimNode, to: SimNode, first: number, count: number): number[] {
  const numbers = Array.from({ length: count }, (_, i) => first + i);
  for (const number of numbers) {
    const payload = new Uint8Array(4 + (SIZES[number % SIZES.length] as number)).fill(number);
    new DataView(payload.buffer).setUint32(0, number);
    expect(from.manager.sendMessage(to.manager.peerId, { type: "bytes", payload })).toBe(true);
  }
  return numbers;
}

/** The numbers of what arrived whole. */
function numbersAt(node: SimNode): number[] {
  return (node.messages as Uint8Array[]).map((payload) => {
    const number = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    const isWhole = payload.length === 4 + (SIZES[number % SIZES.length] as number);
    return isWhole && payload.subarray(4).every((byte) => byte === (number & 255)) ? number : -1;
  });
}

test("messages pass once and in order, both ways", async () => {
  const { place, network, alice, bob } = await pair(1);
  const sent = [send(alice, bob, 0, 40), send(bob, alice, 0, 40)];
  await network.run(3000);
  expect([numbersAt(bob), numbersAt(alice)]).toEqual(sent);
  expect(place.begun).toBeGreaterThan(80);
  expect(place.reused).toEqual([]);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  "messages pass once and in order when links die with records under way (seed %i)",
  async (seed) => {
    const { random, place, network, alice, bob } = await pair(seed);
    const sent: [number[], number[]] = [[], []];
    for (let round = 0; round < 6; round++) {
      sent[0].push(...send(alice, bob, sent[0].length, 8));
      sent[1].push(...send(bob, alice, sent[1].length, 8));
      await network.run(random.below(60));
      const wire = network.open[0]?.wire;
      if (random.below(2)) wire?.cut(random.below(20), random.below(20));
      else (random.below(2) ? wire?.dialling : wire?.accepting)?.close();
      await network.run(1000 + random.below(2000));
    }
    await network.run(20_000);
    expect([numbersAt(bob), numbersAt(alice)]).toEqual(sent);
    expect([...alice.errors, ...bob.errors]).toEqual([]);
    expect(place.reused).toEqual([]);
    expect(network.wires.length).toBeGreaterThan(4);
  },
);

test("what was sent before the end of a session arrives, and nothing is told after it", async () => {
  const { network, alice, bob } = await pair(3);
  const sent = send(alice, bob, 0, 20);
  const over = alice.manager.disconnectFromPeer(bob.manager.peerId);
  await network.run(3000);
  await over;
  expect(numbersAt(bob)).toEqual(sent);
  expect([alice.statuses.at(-1), bob.statuses.at(-1)]).toEqual(["disconnected", "disconnected"]);
  const at = bob.messages.length;
  await network.run(3000);
  expect(bob.messages.length).toBe(at);
});

test("a node that stops while records are under way ends at once", async () => {
  const { network, alice, bob } = await pair(4);
  send(alice, bob, 0, 20);
  send(bob, alice, 0, 20);
  await network.run(7);
  const stopped = Promise.all([alice.manager.stop(), bob.manager.stop()]);
  await network.run(4000);
  await stopped;
  expect(network.open).toEqual([]);
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});
