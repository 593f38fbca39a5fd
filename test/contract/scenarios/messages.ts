// sendMessage, deliver, broadcastMessage and messages(): what arrives, in which order, and what a full queue does.

import assert from "node:assert/strict";
import { text } from "linknet";
import type { Entry } from "../agent.js";
import { patternOf } from "../codec.js";
import type { Scenario } from "../scenario.js";

const KIB = 1024;

export const messageScenarios: readonly Scenario[] = [
  {
    title: "sendMessage returns true, and the message arrives with type, payload, id, proven sender and time",
    essential: true,
    async run(context) {
      const [alice, bob] = await context.connected();
      const before = Date.now();
      const message = text("Hello, world!");
      assert.equal(await alice.send(bob, message), true);
      const { message: heard } = await bob.saw({ from: "event", name: "message" });
      assert.equal(heard?.type, "text");
      assert.equal(heard.payload, "Hello, world!");
      assert.equal(heard.id, message.id);
      assert.match(heard.id, /^[0-9a-f]{32}$/);
      assert.equal(heard.senderId, alice.peerId);
      assert.ok(heard.timestamp >= before - 1_000 && heard.timestamp <= Date.now() + 1_000, String(heard.timestamp));
      const { messageId, peerId } = await alice.saw({ from: "event", name: "delivered" });
      assert.deepEqual([messageId, peerId], [message.id, bob.peerId]);
    },
  },
  {
    title: "a message without an id gets one, and a senderId in it is not believed",
    async run(context) {
      const [alice, bob] = await context.connected();
      const forged = { type: "note", payload: 1, senderId: bob.peerId, timestamp: 1 };
      assert.equal(await alice.send(bob, forged), true);
      const { message: heard } = await bob.saw({ from: "event", name: "message" });
      assert.match(heard?.id ?? "", /^[0-9a-f]{32}$/);
      assert.equal(heard?.senderId, alice.peerId);
      assert.ok((heard?.timestamp ?? 0) > 1_000_000_000_000);
    },
  },
  {
    title: "sendMessage to somebody without a session returns false, and deliver is ERR_PEER_UNKNOWN",
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      assert.equal(await alice.send(bob, text("too early")), false);
      assert.equal(await alice.call("sendMessage", "nonsense", text("to nobody")), false);
      for (const method of ["deliver", "ready", "ping"]) await alice.refuses("ERR_PEER_UNKNOWN", method, bob.peerId, text("x"));
      await context.connect(alice, bob);
      assert.equal(await alice.send(bob, text("now")), true);
      assert.equal((await bob.saw({ from: "event", name: "message" })).message?.payload, "now");
    },
  },
  {
    title: "deliver resolves when the other side has the message",
    async run(context) {
      const [alice, bob] = await context.connected();
      await alice.deliver(bob, { type: "text", payload: "there" });
      await bob.caughtUp();
      assert.equal(bob.all({ from: "callback", name: "message" })[0]?.message?.payload, "there");
    },
  },
  {
    title: "a thousand messages each way arrive once and in order",
    essential: true,
    async run(context) {
      const [alice, bob] = await context.connected();
      const sent = await Promise.all([
        alice.tell({ do: "burst", peerId: bob.peerId, type: "count", count: 1_000 }),
        bob.tell({ do: "burst", peerId: alice.peerId, type: "count", count: 1_000 }),
      ]);
      assert.deepEqual(sent, [1_000, 1_000]);
      const expected = Array.from({ length: 1_000 }, (_, i) => i);
      for (const peer of [alice, bob]) {
        await peer.saw({ from: "event", name: "message" }, 1_000);
        assert.deepEqual(payloads(peer.all({ from: "event", name: "message" })), expected);
      }
      // One more, behind all of them: nothing came twice.
      await alice.deliver(bob, text("last"));
      await bob.caughtUp();
      assert.equal(bob.all({ from: "event", name: "message" }).length, 1_001);
    },
  },
  {
    title: "a full queue makes sendMessage return false; drain and ready tell when it takes messages again",
    async run(context) {
      const [alice, bob] = await context.connected({ limits: { sendQueueBytes: 64 * KIB } });
      const message = { type: "part", payload: patternOf(16 * KIB, 7) };
      const taken = (await alice.tell({ do: "fill", peerId: bob.peerId, message, most: 1_000 })) as number;
      assert.ok(taken >= 4 && taken <= 6, `${taken} messages of 16 KiB in a queue of 64 KiB`);
      await alice.saw({ from: "event", name: "drain", peerId: bob.peerId });
      await bob.saw({ from: "event", name: "message" }, taken);
      await alice.tell({ do: "fill", peerId: bob.peerId, message, most: 1_000 });
      await alice.call("ready", bob.peerId);
      assert.equal(await alice.send(bob, message), true);
    },
  },
  {
    title: "deliver to a full queue is ERR_LIMIT_QUEUE, and an aborted deliver rejects with its reason",
    async run(context) {
      const [alice, bob] = await context.connected({ limits: { sendQueueBytes: 64 * KIB } });
      const message = { type: "part", payload: patternOf(256 * KIB, 3) };
      // Both calls run before the first bytes leave.
      const first = alice.call("deliver", bob.peerId, message, { signal: { $signal: "late" } });
      const full = alice.call("deliver", bob.peerId, text("one more")).then(
        () => "delivered",
        (error: unknown) => String(error),
      );
      const abort = alice.tell({ do: "abort", signal: "late", reason: "no time" });
      const firstEnd = first.then(
        () => "delivered",
        (error: unknown) => String(error),
      );
      await abort;
      // In a page the calls come one by one, and by then there may be room.
      assert.match(await full, /ERR_LIMIT_QUEUE|^delivered$/);
      assert.match(await firstEnd, /no time|^delivered$/);
      if (alice.build === "node") assert.deepEqual([/LIMIT/.test(await full), /no time/.test(await firstEnd)], [true, true]);
      // Aborted or not, it was on its way.
      await bob.saw((entry) => entry.from === "event" && entry.message?.type === "part");
    },
  },
  {
    title: "a large message does not hold up a small one of the other lane",
    async run(context) {
      const [alice, bob] = await context.connected({ limits: { sendQueueBytes: 16 * KIB * KIB } });
      const large = { type: "large", payload: patternOf(8 * KIB * KIB, 5) };
      assert.equal(await alice.call("sendMessage", bob.peerId, large, { lane: "bulk" }), true);
      assert.equal(await alice.send(bob, text("small")), true);
      await bob.saw({ from: "event", name: "message" }, 2, 30_000);
      const types = bob.all({ from: "event", name: "message" }).map((entry) => entry.message?.type);
      assert.deepEqual(types, ["text", "large"]);
    },
  },
  {
    title: "broadcastMessage reaches every connected peer and tells how many",
    async run(context) {
      const [alice, bob] = await context.connected();
      const carol = await context.started("carol");
      const stranger = await context.started("carol");
      await context.connect(carol, alice);
      assert.equal(await alice.call("broadcastMessage", { type: "all", payload: "hi all" }), 2);
      const ids = new Set<string | undefined>();
      for (const peer of [bob, carol]) {
        const { message } = await peer.saw({ from: "event", name: "message" });
        assert.deepEqual([message?.payload, message?.senderId], ["hi all", alice.peerId]);
        ids.add(message?.id);
      }
      assert.equal(ids.size, 1);
      await stranger.caughtUp();
      assert.equal(stranger.all({ name: "message" }).length, 0);
      assert.equal(await stranger.call("broadcastMessage", text("to nobody")), 0);
    },
  },
  {
    title: "messages() hands out each message, to every loop, and ends at stop",
    async run(context) {
      const [alice, bob] = await context.connected();
      await bob.tell({ do: "loop", take: null });
      await bob.tell({ do: "loop", take: 1 });
      for (let i = 0; i < 3; i++) assert.equal(await alice.send(bob, { type: "count", payload: i }), true);
      // Three for the one that stays, one for the one that leaves.
      await bob.saw({ from: "loop", name: "message" }, 4);
      await bob.saw({ from: "loop", name: "end" });
      await bob.call("stop");
      await bob.saw({ from: "loop", name: "end" }, 2);
      assert.deepEqual(payloads(bob.all({ from: "loop", name: "message" })).sort(), [0, 0, 1, 2]);
    },
  },
  {
    title: "getConnectedPeers tells id, name, address, path, status, round-trip time and what went in and out",
    async run(context) {
      const [alice, bob] = await context.connected({ name: "Alice 🦊" }, { name: "Bob", upgrade: false });
      await alice.deliver(bob, text("one"));
      await alice.deliver(bob, text("two"));
      await bob.deliver(alice, text("three"));
      const rtt = (await alice.call("ping", bob.peerId)) as number;
      assert.ok(rtt > 0 && rtt < 5_000, String(rtt));
      const [info, ...others] = (await alice.call("getConnectedPeers")) as Record<string, unknown>[];
      assert.equal(others.length, 0);
      assert.deepEqual(
        {
          id: info?.id,
          name: info?.name,
          status: info?.status,
          in: info?.messagesIn,
          out: info?.messagesOut,
          queued: info?.queuedBytes,
        },
        { id: bob.peerId, name: "Bob", status: "connected", in: 1, out: 2, queued: 0 },
      );
      assert.ok(typeof info?.rttMs === "number" && info.rttMs > 0);
      assert.ok((info.bytesIn as number) > 24 && (info.bytesOut as number) > 48);
      if (context.bobHasAddress) {
        assert.equal(info.path, context.directPath);
        assert.match(String(info.address), new RegExp(`127\\.0\\.0\\.1:${await bob.call("getLocalPort")}`));
      } else if (info.path === "relay") {
        assert.equal(info.address, null);
      }
      assert.deepEqual(await alice.call("getPeer", bob.peerId).then((one) => (one as { id: string }).id), bob.peerId);
      const [seen] = (await bob.call("getConnectedPeers")) as Record<string, unknown>[];
      assert.deepEqual([seen?.name, seen?.messagesIn, seen?.messagesOut], ["Alice 🦊", 2, 1]);
    },
  },
];

function payloads(entries: readonly Entry[]): unknown[] {
  return entries.map((entry) => entry.message?.payload);
}
