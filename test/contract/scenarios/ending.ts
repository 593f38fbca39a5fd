// disconnectFromPeer and stop: what still arrives, who is told, and how soon.

import assert from "node:assert/strict";
import { text } from "linknet";
import { patternOf } from "../codec.js";
import type { ContractPeer } from "../contract-peer.js";
import type { Scenario } from "../scenario.js";

const MESSAGES = 200;
/** Far less than any time-out: the other side was told, it did not find out. */
const AT_ONCE_MS = 3_000;

const ended = (self: ContractPeer, other: ContractPeer) =>
  self.saw({ from: "event", name: "connection", peerId: other.peerId, status: "disconnected" }, 1, AT_ONCE_MS);

/** All messages, in order, and only then the end of the connection. */
function arrivedBeforeTheEnd(bob: ContractPeer, alice: ContractPeer): void {
  const story = bob.all((entry) => entry.from === "event" && (entry.name === "message" || entry.status === "disconnected"));
  assert.deepEqual(
    story.slice(0, -1).map((entry) => entry.message?.payload),
    Array.from({ length: MESSAGES }, (_, i) => i),
  );
  assert.equal(story.at(-1)?.peerId, alice.peerId);
  assert.equal(story.at(-1)?.error?.code, "ERR_CLOSED_BY_PEER");
}

export const endingScenarios: readonly Scenario[] = [
  {
    title: "disconnectFromPeer sends what is queued, and then each side sees one disconnected",
    essential: true,
    async run(context) {
      const [alice, bob] = await context.connected();
      assert.equal(await alice.tell({ do: "burst", peerId: bob.peerId, type: "count", count: MESSAGES }), MESSAGES);
      await alice.call("disconnectFromPeer", bob.peerId);
      await ended(bob, alice);
      await Promise.all([alice.caughtUp(), bob.caughtUp()]);
      arrivedBeforeTheEnd(bob, alice);
      for (const [self, other] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        assert.deepEqual(self.statuses(other), ["connecting", "connected", "disconnected"]);
        assert.deepEqual(await self.call("getConnectedPeers"), []);
        assert.equal(await self.send(other, text("too late")), false);
      }
      assert.equal(alice.all({ name: "delivered" }).length, MESSAGES);
      assert.equal(alice.all({ name: "failed" }).length, 0);
    },
  },
  {
    title: "disconnectFromPeer without a session, or twice, does nothing",
    async run(context) {
      const [alice, bob] = await context.connected();
      await alice.call("disconnectFromPeer", `${"a".repeat(51)}a`);
      await alice.call("disconnectFromPeer", "nonsense");
      await Promise.all([alice.call("disconnectFromPeer", bob.peerId), alice.call("disconnectFromPeer", bob.peerId)]);
      await alice.call("disconnectFromPeer", bob.peerId);
      await alice.caughtUp();
      assert.deepEqual(alice.statuses(bob), ["connecting", "connected", "disconnected"]);
    },
  },
  {
    title: "after disconnectFromPeer either side can connect again",
    async run(context) {
      const [alice, bob] = await context.connected();
      await alice.call("disconnectFromPeer", bob.peerId);
      await ended(bob, alice);
      assert.equal(await bob.call("connectToPeer", alice.peerId), alice.peerId);
      await bob.deliver(alice, text("again"));
      assert.equal((await alice.saw({ from: "event", name: "message" })).message?.payload, "again");
    },
  },
  {
    title: "stop sends what is queued and tells the peers at once",
    essential: true,
    async run(context) {
      const [alice, bob] = await context.connected();
      assert.equal(await alice.tell({ do: "burst", peerId: bob.peerId, type: "count", count: MESSAGES }), MESSAGES);
      await alice.call("stop");
      await ended(bob, alice);
      await Promise.all([alice.caughtUp(), bob.caughtUp()]);
      arrivedBeforeTheEnd(bob, alice);
      assert.deepEqual(alice.statuses(bob), ["connecting", "connected", "disconnected"]);
      assert.deepEqual(bob.statuses(alice), ["connecting", "connected", "disconnected"]);
    },
  },
  {
    title: "what was not delivered when the session ends is told as failed, by id",
    async run(context) {
      const [alice, bob] = await context.connected({ limits: { flushTimeoutMs: 0 } });
      const large = { type: "large", payload: patternOf(16 * 1024 * 1024 - 1024, 9), id: "ab".repeat(16) };
      const delivery = alice.deliver(bob, large).then(
        () => "delivered",
        (error: unknown) => String(error),
      );
      await alice.call("disconnectFromPeer", bob.peerId);
      const { messageId, error } = await alice.saw({ from: "event", name: "failed" });
      assert.equal(messageId, large.id);
      assert.match(error?.code ?? "", /^ERR_CLOSED/);
      assert.match(await delivery, /ERR_CLOSED/);
      await alice.caughtUp();
      assert.equal(alice.all({ name: "failed" }).length, 1);
      assert.equal(alice.all({ name: "delivered" }).length, 0);
    },
  },
  {
    title: "ready and ping of a session that ends are rejected, not forgotten",
    async run(context) {
      const [alice, bob] = await context.connected({ limits: { sendQueueBytes: 64 * 1024, flushTimeoutMs: 0 } });
      await alice.send(bob, { type: "large", payload: patternOf(15 * 1024 * 1024, 9) });
      const readied = alice.call("ready", bob.peerId).then(
        () => "ready",
        (error: unknown) => String(error),
      );
      await alice.call("disconnectFromPeer", bob.peerId);
      assert.match(await readied, /ERR_CLOSED|ERR_PEER_UNKNOWN|^ready$/);
      if (alice.build === "node") assert.match(await readied, /ERR_CLOSED/);
    },
  },
];
