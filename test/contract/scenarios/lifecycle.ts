// start, stop and getLocalPort; what may be called when.

import assert from "node:assert/strict";
import { text } from "linknet";
import { TAGS } from "../codec.js";
import type { Scenario } from "../scenario.js";

const SOMEBODY = `${"a".repeat(51)}a`;

/** Every method that acts, with arguments that would do. */
const ACTS: readonly (readonly [method: string, ...args: unknown[]])[] = [
  ["connectToPeer", "127.0.0.1", 9],
  ["disconnectFromPeer", SOMEBODY],
  ["sendMessage", SOMEBODY, text("hello")],
  ["broadcastMessage", text("hello")],
  ["deliver", SOMEBODY, text("hello")],
  ["ready", SOMEBODY],
  ["ping", SOMEBODY],
  ["joinRoom", "room"],
  ["ticket"],
];

export const lifecycleScenarios: readonly Scenario[] = [
  {
    title: "start binds a free port in Node, and getLocalPort tells it; a browser has none",
    async run(context) {
      for (const who of ["alice", "bob"] as const) {
        const peer = await context.peer(who);
        assert.equal(await peer.call("getLocalPort"), null);
        await peer.call("start", 0);
        const port = await peer.call("getLocalPort");
        if (peer.build === "browser") assert.equal(port, null);
        else assert.ok(typeof port === "number" && port > 0 && port < 65_536, String(port));
        await peer.call("stop");
        assert.equal(await peer.call("getLocalPort"), null);
      }
    },
  },
  {
    title: "start takes the port that it is given",
    needs: "address",
    async run(context) {
      const port = await context.closedPort();
      const bob = await context.peer("bob");
      await bob.call("start", port);
      assert.equal(await bob.call("getLocalPort"), port);
    },
  },
  {
    title: "a port in use is ERR_LISTEN_IN_USE, and start works with another one",
    needs: "address",
    async run(context) {
      const bob = await context.started("bob");
      const carol = await context.peer("carol");
      await carol.refuses("ERR_LISTEN_IN_USE", "start", await bob.call("getLocalPort"));
      assert.equal(await carol.call("getLocalPort"), null);
      await carol.call("start", 0);
      await context.connect(carol, bob);
    },
  },
  {
    title: "a port that is none is ERR_PORT_INVALID",
    async run(context) {
      const alice = await context.peer("alice");
      for (const port of [-1, 65_536, 1.5, TAGS.number(Number.NaN), "8080"])
        await alice.refuses("ERR_PORT_INVALID", "start", port);
      await alice.call("start");
    },
  },
  {
    title: "starting twice is ERR_STATE_ALREADY_STARTED, also at the same time, and harms nothing",
    async run(context) {
      const [alice, bob] = [await context.peer("alice"), await context.started("bob")];
      const first = alice.call("start");
      await alice.refuses("ERR_STATE_ALREADY_STARTED", "start");
      await first;
      await alice.refuses("ERR_STATE_ALREADY_STARTED", "start");
      await context.connect(alice, bob);
    },
  },
  {
    title: "before start and after stop each method that acts is ERR_STATE_NOT_STARTED",
    async run(context) {
      const alice = await context.peer("alice");
      const refusesAll = async (): Promise<void> => {
        for (const [method, ...args] of ACTS) await alice.refuses("ERR_STATE_NOT_STARTED", method, ...args);
        assert.deepEqual(await alice.call("getConnectedPeers"), []);
        assert.equal(await alice.call("getPeer", SOMEBODY), null);
      };
      await refusesAll();
      await alice.call("start");
      await alice.call("stop");
      await refusesAll();
    },
  },
  {
    title: "stop before start, twice, and twice at the same time is harmless",
    async run(context) {
      const alice = await context.peer("alice");
      await alice.call("stop");
      await alice.call("start");
      await Promise.all([alice.call("stop"), alice.call("stop")]);
      await alice.call("stop");
    },
  },
  {
    title: "stop while start is under way ends it with ERR_CLOSED",
    async run(context) {
      const alice = await context.peer("alice");
      const refused = alice.refuses("ERR_CLOSED", "start");
      await alice.call("stop");
      await refused;
      assert.equal(await alice.call("getLocalPort"), null);
      await alice.call("start");
    },
  },
  {
    title: "after stop, start works again and finds the same peers under the same PeerId",
    async run(context) {
      const [alice, bob] = await context.connected();
      await alice.call("stop");
      await bob.saw({ from: "event", name: "connection", peerId: alice.peerId, status: "disconnected" });
      await alice.call("start");
      await context.connect(alice, bob);
      await alice.deliver(bob, text("back again"));
      assert.equal((await bob.saw({ from: "event", name: "message" })).message?.senderId, alice.peerId);
    },
  },
];
