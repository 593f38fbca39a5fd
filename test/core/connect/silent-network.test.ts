// A peer whose network is gone without a word: no event tells of it, and every connection looks as it did.

import { describe, expect, test } from "vitest";
import { text } from "../../../src/core/message/define-message.js";
import { SimNetwork, type SimNode } from "../../sim/sim-node.js";

const NEAR = { kind: "near", rank: 20, delayMs: 5 };
/** An address that nobody answers at: a dial takes its 6 s. */
const NOWHERE = { kind: "nowhere", rank: 10, delayMs: 3_000 };

const NEVER_MS = 1_000_000;
/** The keep-alive finds a silent link after 10 s and the time for an answer. */
const NOTICED_MS = 13_100;
/** What the relay has to answer within, then the longest pause before it is dialled again, and the way to the peer over it. */
const BACK_MS = 2_500 + 250 + 1_000;

async function connected(kinds: readonly (typeof NEAR)[]) {
  const net = new SimNetwork(kinds);
  net.down.add("nowhere");
  const relays = ["wss://relay.example"];
  const a = await net.node("a", { listen: [] }, { relays });
  const b = await net.node("b", { dial: [] }, { relays });
  const dialled = a.manager.connectToPeer(b.manager.peerId);
  // Until the relay has just answered a ping: by itself it would be asked again in 15 s.
  await net.run(16_500);
  await dialled;
  expect(a.paths).toEqual(["relay", "near"]);
  return { net, a, b };
}

function send(from: SimNode, to: SimNode, words: string): void {
  expect(from.manager.sendMessage(to.manager.peerId, text(words))).toBe(true);
}

describe("a peer whose path and relay fell silent together", () => {
  test.each([
    ["", [NEAR]],
    [", while it dials an address that nobody answers at", [NEAR, NOWHERE]],
  ])("doubts the relay with the path, and is back over it at once%s", async (_name, kinds) => {
    const { net, a, b } = await connected(kinds);
    send(a, b, "before");
    await net.run(100);
    net.down.add("near");
    net.relay.silence("a");
    for (const { wire } of net.open) wire.cut(NEVER_MS, NEVER_MS);
    send(a, b, "meanwhile");
    await net.run(NOTICED_MS);
    expect(a.statuses.at(-1)).toBe("reconnecting");
    await net.run(BACK_MS);
    expect([a.statuses.at(-1), a.paths.at(-1)]).toEqual(["connected", "relay"]);
    send(b, a, "back");
    await net.run(500);
    expect([b.messages, a.messages]).toEqual([["before", "meanwhile"], ["back"]]);
  });
});
