// The three callbacks and the events beside them: one story, told once, and no fault of an application breaks it.

import assert from "node:assert/strict";
import { text } from "linknet";
import type { Entry } from "../agent.js";
import type { ContractPeer } from "../contract-peer.js";
import type { Scenario } from "../scenario.js";

const threw = (peer: ContractPeer, cause: string, from: "callback" | "event" = "callback"): Promise<Entry> =>
  peer.saw((entry) => entry.from === from && entry.code === "ERR_CALLBACK_THREW" && entry.error?.cause === cause);

export const callbackScenarios: readonly Scenario[] = [
  {
    title: "callbacks and events tell the same story, each status exactly once",
    async run(context) {
      const [alice, bob] = await context.connected();
      await alice.deliver(bob, text("one"));
      await bob.deliver(alice, text("two"));
      await alice.call("disconnectFromPeer", bob.peerId);
      await bob.saw({ from: "callback", name: "connection", status: "disconnected" });
      for (const [self, other] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        await self.caughtUp();
        assert.deepEqual(self.statuses(other, "event"), ["connecting", "connected", "disconnected"]);
        assert.deepEqual(self.statuses(other, "callback"), self.statuses(other, "event"));
        const heard = (from: "callback" | "event"): unknown[] =>
          self.all({ from, name: "message" }).map((entry) => entry.message);
        assert.equal(heard("event").length, 1);
        assert.deepEqual(heard("callback"), heard("event"));
        assert.equal(self.all({ name: "error" }).length, 0);
      }
    },
  },
  {
    title: "a message callback that throws or rejects goes to the error callback, and the next message still arrives",
    async run(context) {
      const [alice, bob] = await context.connected();
      for (const type of ["throw", "reject"]) assert.equal(await alice.send(bob, { type, payload: null }), true);
      await alice.deliver(bob, text("still here"));
      await threw(bob, "message callback threw");
      await threw(bob, "message callback rejected");
      await threw(bob, "message callback threw", "event");
      await bob.saw((entry) => entry.from === "callback" && entry.message?.payload === "still here");
      await bob.caughtUp();
      assert.equal(bob.all({ from: "callback", name: "message" }).length, 3);
      assert.equal(bob.all({ from: "event", name: "message" }).length, 3);
      assert.equal(bob.all({ from: "callback", name: "error" }).length, 2);
      assert.deepEqual(bob.statuses(alice), ["connecting", "connected"]);
    },
  },
  {
    title: "a connection callback or an event handler that throws or rejects breaks no connection",
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      await alice.tell({ do: "callback", which: "Connection", mode: "throw" });
      await bob.tell({ do: "callback", which: "Connection", mode: "reject" });
      await bob.tell({ do: "faultyHandler", event: "message", mode: "throw" });
      await bob.tell({ do: "faultyHandler", event: "connection", mode: "reject" });
      await context.connect(alice, bob);
      await alice.deliver(bob, text("one"));
      await bob.deliver(alice, text("two"));
      await threw(alice, "connection callback threw");
      for (const cause of ["connection callback rejected", "message handler threw", "connection handler rejected"])
        await threw(bob, cause);
      assert.deepEqual(alice.statuses(bob), ["connecting", "connected"]);
      assert.deepEqual(alice.statuses(bob, "callback"), ["connecting", "connected"]);
    },
  },
  {
    title: "an error callback or handler that throws or rejects breaks nothing and is told to nobody",
    async run(context) {
      const [alice, bob] = await context.connected();
      for (const mode of ["throw", "reject"] as const) {
        await bob.tell({ do: "callback", which: "Error", mode });
        await bob.tell({ do: "faultyHandler", event: "error", mode });
      }
      for (let i = 0; i < 3; i++) assert.equal(await alice.send(bob, { type: "throw", payload: i }), true);
      await alice.deliver(bob, text("still here"));
      await bob.saw((entry) => entry.from === "callback" && entry.message?.payload === "still here");
      // Round trips after it: whatever would follow from these faults has happened by then.
      for (let i = 0; i < 3; i++) await bob.call("ping", alice.peerId);
      await bob.caughtUp();
      assert.equal(bob.all({ from: "callback", name: "error" }).length, 3);
      assert.equal(bob.all({ from: "event", name: "error" }).length, 3);
      await bob.deliver(alice, text("and back"));
    },
  },
  {
    title: "null takes a callback away, and a later one takes its place",
    async run(context) {
      const [alice, bob] = await context.connected();
      for (const which of ["Message", "Connection", "Error"] as const) await bob.tell({ do: "callback", which, mode: "none" });
      const before = bob.all({ from: "callback" }).length;
      await alice.deliver(bob, text("unheard"));
      await bob.saw({ from: "event", name: "message" });
      await bob.caughtUp();
      assert.equal(bob.all({ from: "callback" }).length, before);
      await bob.tell({ do: "callback", which: "Message", mode: "log" });
      await alice.deliver(bob, text("heard"));
      assert.equal((await bob.saw({ from: "callback", name: "message" })).message?.payload, "heard");
    },
  },
];
