// request and handle: replies, refusals, time limits, and what the other side hears when nobody waits any longer.

import assert from "node:assert/strict";
import { patternOf, TAGS } from "../codec.js";
import type { ContractPeer } from "../contract-peer.js";
import type { Scenario } from "../scenario.js";

const ask = (from: ContractPeer, to: ContractPeer, type: string, payload: unknown = null): Promise<{ payload: unknown }> =>
  from.call("request", to.peerId, { type, payload }) as Promise<{ payload: unknown }>;

export const requestScenarios: readonly Scenario[] = [
  {
    title: "request resolves to the reply of the handler, with the proven sender, and no callback hears of either",
    essential: true,
    async run(context) {
      const [alice, bob] = await context.connected();
      await bob.tell({ do: "handle", type: "echo", answer: "echo" });
      const reply = (await ask(alice, bob, "echo", { a: [1, "two"] })) as Record<string, unknown>;
      assert.deepEqual([reply.type, reply.payload, reply.senderId], ["echo", { a: [1, "two"] }, bob.peerId]);
      const { message, peerId } = await bob.saw({ from: "handler", name: "request" });
      assert.deepEqual([message?.id, message?.senderId, peerId], [reply.id, alice.peerId, alice.peerId]);
      for (const peer of [alice, bob]) {
        await peer.caughtUp();
        assert.deepEqual(peer.all({ name: "message" }), []);
        assert.deepEqual(peer.all({ name: "delivered" }), []);
      }
    },
  },
  {
    title: "five hundred requests each way at once get their own replies each",
    async run(context) {
      const [alice, bob] = await context.connected();
      for (const peer of [alice, bob]) await peer.tell({ do: "handle", type: "echo", answer: "echo" });
      const replies = await Promise.all([
        alice.tell({ do: "requests", peerId: bob.peerId, type: "echo", count: 500 }),
        bob.tell({ do: "requests", peerId: alice.peerId, type: "echo", count: 500 }),
      ]);
      const expected = Array.from({ length: 500 }, (_, i) => i);
      assert.deepEqual(replies, [expected, expected]);
    },
  },
  {
    title: "bytes come back as they were sent, a megabyte as well",
    essential: true,
    async run(context) {
      const [alice, bob] = await context.connected();
      await bob.tell({ do: "handle", type: "echo", answer: "echo" });
      for (const payload of [TAGS.bytes(0, 255, 7), patternOf(1024 * 1024, 9)]) {
        const reply = await ask(alice, bob, "echo", payload);
        assert.ok(reply.payload instanceof Uint8Array);
        assert.equal(reply.payload.length, "$pattern" in payload ? 1024 * 1024 : 3);
      }
    },
  },
  {
    title: "a handler refuses with a code of its own; what else it throws is INTERNAL, and told to its own side only",
    async run(context) {
      const [alice, bob] = await context.connected();
      await bob.tell({ do: "handle", type: "refuse", answer: "refuse" });
      await bob.tell({ do: "handle", type: "throw", answer: "throw" });
      const refused = await alice.refuses("ERR_REQUEST_FAILED", "request", bob.peerId, { type: "refuse", payload: 1 });
      const failed = await alice.refuses("ERR_REQUEST_FAILED", "request", bob.peerId, { type: "throw", payload: 1 });
      assert.deepEqual([refused.remoteCode, failed.remoteCode], ["NO_SUCH_THING", "INTERNAL"]);
      for (const error of [refused, failed]) assert.ok(!error.message.includes("own eyes"), error.message);
      const { error } = await bob.saw({ from: "callback", name: "error", code: "ERR_CALLBACK_THREW" });
      assert.equal(error?.cause, "for our own eyes");
      assert.equal(bob.all({ from: "callback", name: "error" }).length, 1);
    },
  },
  {
    title: "a type that nobody handles, or no longer, is ERR_REQUEST_UNHANDLED",
    async run(context) {
      const [alice, bob] = await context.connected();
      await alice.refuses("ERR_REQUEST_UNHANDLED", "request", bob.peerId, { type: "echo", payload: 1 });
      await bob.tell({ do: "handle", type: "echo", answer: "echo" });
      assert.equal((await ask(alice, bob, "echo", 2)).payload, 2);
      await bob.tell({ do: "handle", type: "echo", answer: "remove" });
      await alice.refuses("ERR_REQUEST_UNHANDLED", "request", bob.peerId, { type: "echo", payload: 3 });
    },
  },
  {
    title: "a request that is late or aborted rejects, and the signal of its handler aborts",
    essential: true,
    async run(context) {
      const [alice, bob] = await context.connected();
      await bob.tell({ do: "handle", type: "never", answer: "never" });
      const never = { type: "never", payload: 1 };
      await alice.refuses("ERR_REQUEST_TIMEOUT", "request", bob.peerId, never, { timeoutMs: 100 });
      await bob.saw({ from: "handler", name: "aborted", code: "ERR_REQUEST_CANCELLED", peerId: alice.peerId });
      const aborted = alice.call("request", bob.peerId, never, { signal: TAGS.signal("stop") }).then(
        () => "replied",
        (error: unknown) => String(error),
      );
      await bob.saw({ from: "handler", name: "request" }, 2);
      await alice.tell({ do: "abort", signal: "stop", reason: "changed my mind" });
      assert.match(await aborted, /changed my mind/);
      await bob.saw({ from: "handler", name: "aborted", code: "ERR_REQUEST_CANCELLED" }, 2);
    },
  },
  {
    title: "the end of the session ends requests and handlers on both sides",
    async run(context) {
      const [alice, bob] = await context.connected();
      await alice.refuses("ERR_PEER_UNKNOWN", "request", "nonsense", { type: "never", payload: 1 });
      await bob.tell({ do: "handle", type: "never", answer: "never" });
      const refused = alice.refuses("ERR_CLOSED_BY_PEER", "request", bob.peerId, { type: "never", payload: 1 });
      await bob.saw({ from: "handler", name: "request" });
      await bob.call("disconnectFromPeer", alice.peerId);
      await refused;
      await bob.saw({ from: "handler", name: "aborted", code: "ERR_CLOSED" });
      await alice.refuses("ERR_PEER_UNKNOWN", "request", bob.peerId, { type: "never", payload: 1 });
    },
  },
];
