// joinRoom: everybody in it meets, sees who comes and goes, and hears what is said to all.

import assert from "node:assert/strict";
import { text } from "linknet";
import type { ContractPeer } from "../contract-peer.js";
import type { Scenario } from "../scenario.js";

const ROOM = "the kitchen 🍳";

const meets = (self: ContractPeer, other: ContractPeer) =>
  self.saw({ from: "event", name: "connection", peerId: other.peerId, status: "connected" });

const members = async (peer: ContractPeer): Promise<unknown> =>
  ((await peer.tell({ do: "room", room: ROOM, method: "members", args: [] })) as string[]).sort();

export const roomScenarios: readonly Scenario[] = [
  {
    title: "three peers that join a room meet one another, once each",
    essential: true,
    async run(context) {
      const peers = [await context.started("alice"), await context.started("bob"), await context.started("carol")];
      const [alice, bob, carol] = peers as [ContractPeer, ContractPeer, ContractPeer];
      assert.deepEqual(await alice.call("joinRoom", ROOM), []);
      assert.deepEqual(await bob.call("joinRoom", ROOM), [alice.peerId]);
      assert.deepEqual(((await carol.call("joinRoom", ROOM)) as string[]).sort(), [alice.peerId, bob.peerId].sort());
      for (const self of peers) {
        const others = peers.filter((other) => other !== self);
        for (const other of others) await meets(self, other);
        assert.deepEqual(await members(self), others.map((other) => other.peerId).sort());
      }
      await alice.saw({ from: "room", name: "join", peerId: bob.peerId });
      await alice.saw({ from: "room", name: "join", peerId: carol.peerId });
      assert.equal(await carol.tell({ do: "room", room: ROOM, method: "broadcast", args: [text("dinner!")] }), 2);
      for (const peer of [alice, bob]) {
        const { message } = await peer.saw({ from: "event", name: "message" });
        assert.deepEqual([message?.payload, message?.senderId], ["dinner!", carol.peerId]);
      }
      for (const self of peers) {
        for (const other of peers) if (other !== self) assert.deepEqual(self.statuses(other), ["connecting", "connected"]);
      }
    },
  },
  {
    title: "leaving a room is seen by its members, and sessions stay",
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      await alice.call("joinRoom", ROOM);
      await bob.call("joinRoom", ROOM);
      await meets(alice, bob);
      await meets(bob, alice);
      await bob.tell({ do: "room", room: ROOM, method: "leave", args: [] });
      await alice.saw({ from: "room", name: "leave", peerId: bob.peerId });
      assert.deepEqual(await members(alice), []);
      assert.equal(await alice.tell({ do: "room", room: ROOM, method: "broadcast", args: [text("anybody?")] }), 0);
      await alice.deliver(bob, text("still connected"));
      // And back again.
      assert.deepEqual(await bob.call("joinRoom", ROOM), [alice.peerId]);
      await alice.saw({ from: "room", name: "join", peerId: bob.peerId }, 2);
    },
  },
  {
    title: "a peer that stops leaves its rooms",
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      await alice.call("joinRoom", ROOM);
      await bob.call("joinRoom", ROOM);
      await meets(alice, bob);
      await bob.call("stop");
      await alice.saw({ from: "room", name: "leave", peerId: bob.peerId });
      await alice.saw({ from: "event", name: "connection", peerId: bob.peerId, status: "disconnected" });
      assert.deepEqual(await members(alice), []);
    },
  },
  {
    title: "joining twice gives the same room, and rooms of other names are others",
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      await bob.call("joinRoom", ROOM);
      const [first, second] = await Promise.all([alice.call("joinRoom", ROOM), alice.call("joinRoom", ROOM)]);
      assert.deepEqual([first, second], [[bob.peerId], [bob.peerId]]);
      assert.deepEqual(await alice.call("joinRoom", "the cellar"), []);
    },
  },
  {
    title: "a room name that is none is ERR_ROOM_INVALID",
    async run(context) {
      const alice = await context.started("alice");
      for (const name of ["", "x".repeat(129), "🍳".repeat(33), 7, null, {}])
        await alice.refuses("ERR_ROOM_INVALID", "joinRoom", name);
      await alice.call("joinRoom", "x".repeat(128));
    },
  },
];
