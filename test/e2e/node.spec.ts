// Two Node processes of the built package in one room, without any page.

import { RELAY_URL } from "../../scripts/lib/e2e-ports.mjs";
import { startChatPeer } from "../../scripts/lib/processes.mjs";
import { expect, searchRelay, test } from "./fixtures.js";
import { startNodePeer } from "./node-peer.js";

test("two Node peers chat, and their path turns from relay to TCP", async ({ room }) => {
  const alice = await startNodePeer(room, "Alice");
  const bob = await startNodePeer(room, "Bob");
  try {
    await alice.connectedTo([bob.peerId]);
    await bob.connectedTo([alice.peerId]);
    alice.say("hello from one Node to the other");
    await bob.hears("hello from one Node to the other");
    bob.say("and a hello back to the first Node");
    await alice.hears("and a hello back to the first Node");
    await alice.movesTo(bob.peerId, "tcp");
    await bob.movesTo(alice.peerId, "tcp");
    for (const text of ["hello from one Node to the other", "and a hello back to the first Node"]) {
      expect((await searchRelay(text)).hits).toBe(0);
    }
  } finally {
    await alice.stop();
    await bob.stop();
  }
});

test("the terminal chat greets, and ends when it is asked to", async ({ room }) => {
  const alice = await startNodePeer(room, "Alice");
  const terminal = startChatPeer("terminal", [room, "--greet", "--relay", RELAY_URL], { quiet: true });
  try {
    await alice.hearsAnything();
  } finally {
    await terminal.stop();
    await alice.stop();
  }
  expect(await terminal.ended).toBe(0);
});
