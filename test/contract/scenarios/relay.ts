// The relay: what happens without it, and that it goes quiet once there is a direct path.

import assert from "node:assert/strict";
import { type NetworkReport, type PathReport, text } from "linknet";
import { patternOf } from "../codec.js";
import { countedRelay } from "../context.js";
import type { Scenario } from "../scenario.js";

const MIB = 1024 * 1024;

export const relayScenarios: readonly Scenario[] = [
  {
    title: "the path turns from relay to direct, an event tells, and the relay carries no later message",
    essential: true,
    async run(context) {
      const relay = await context.relay();
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      await alice.call("connectToPeer", bob.peerId);
      await alice.deliver(bob, text("by whichever path"));
      const direct = context.directPath;
      for (const [self, other] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        const first = await self.saw({ from: "event", name: "path", peerId: other.peerId });
        assert.deepEqual([first.path, first.previous], ["relay", null]);
        const second = await self.saw({ from: "event", name: "path", peerId: other.peerId, path: direct }, 1, 30_000);
        assert.equal(second.previous, "relay");
        assert.equal(((await self.call("getPeer", other.peerId)) as { path: string }).path, direct);
      }
      // What is still on its way over the old path arrives before this is answered.
      await Promise.all([alice.deliver(bob, text("settled")), bob.deliver(alice, text("settled"))]);
      const before = relay.forwardedBytes;
      await Promise.all([
        alice.deliver(bob, { type: "file", payload: patternOf(MIB, 21) }),
        bob.deliver(alice, { type: "file", payload: patternOf(MIB, 22) }),
      ]);
      const after = relay.forwardedBytes - before;
      // The farewell of the old link may still pass; nothing of the messages does.
      assert.ok(after < 4096, `the relay forwarded ${after} more bytes`);
      for (const [self, other] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        await self.caughtUp();
        assert.deepEqual(self.statuses(other), ["connecting", "connected"]);
      }
    },
  },
  {
    title: "with upgrade: false on both sides the session stays on the relay",
    async run(context) {
      const relay = await context.relay();
      const [alice, bob] = [await context.started("alice", { upgrade: false }), await context.started("bob", { upgrade: false })];
      await alice.call("connectToPeer", bob.peerId);
      const before = relay.forwardedBytes;
      await alice.deliver(bob, { type: "file", payload: patternOf(MIB, 23) });
      assert.ok(relay.forwardedBytes - before >= MIB);
      assert.ok((await bob.saw({ from: "event", name: "message" })).message?.payload instanceof Uint8Array);
      await alice.caughtUp();
      assert.deepEqual(
        alice.all({ name: "path" }).map((entry) => entry.path),
        ["relay"],
      );
    },
  },
  {
    title: "a direct session outlives the relay",
    async run(context) {
      const relay = await countedRelay();
      const options = { relays: [relay.url] };
      let open = true;
      context.onEnd(async () => open && relay.close());
      const [alice, bob] = [await context.started("alice", options), await context.started("bob", options)];
      await alice.call("connectToPeer", bob.peerId);
      for (const peer of [alice, bob]) await peer.saw({ from: "event", name: "path", path: context.directPath }, 1, 30_000);
      await relay.close();
      open = false;
      for (const peer of [alice, bob]) await peer.saw({ from: "event", name: "relay", status: "disconnected" } as object);
      await alice.deliver(bob, text("without a relay"));
      await bob.deliver(alice, text("indeed"));
      assert.deepEqual(alice.statuses(bob), ["connecting", "connected"]);
    },
  },
  {
    title: "with the relay down start resolves and the error is told; when it comes up, it is joined",
    async run(context) {
      const relay = await countedRelay();
      await relay.close();
      const options = { relays: [relay.url] };
      const alice = await context.peer("alice", options);
      await alice.call("start");
      await alice.saw({ from: "callback", name: "error", code: "ERR_RELAY_UNAVAILABLE" });
      await alice.saw({ from: "event", name: "relay", status: "disconnected" } as object);
      await alice.refuses("ERR_RELAY_UNAVAILABLE", "connectToPeer", `${"a".repeat(51)}a`, { timeoutMs: 300 });
      const again = await countedRelay(relay.port);
      context.onEnd(() => again.close());
      await alice.saw({ from: "event", name: "relay", status: "connected" } as object, 1, 20_000);
      const bob = await context.started("bob", options);
      assert.equal(await bob.call("connectToPeer", alice.peerId), alice.peerId);
      await bob.deliver(alice, text("found you"));
    },
  },
  {
    title: "explain tells how this side stands, and why a path is what it is, in the same words in every build",
    async run(context) {
      const early = await context.peer("carol");
      await early.refuses("ERR_STATE_NOT_STARTED", "explain");
      const { url } = await context.relay();
      const [alice, bob] = await context.connected();
      const reports: { network: object; path: object }[] = [];
      for (const [self, other] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        const network = (await self.call("explain")) as NetworkReport;
        assert.deepEqual([network.build, network.peerId], [self.build, self.peerId]);
        assert.equal(network.port, await self.call("getLocalPort"));
        assert.deepEqual([network.relays[0]?.url, network.relays[0]?.connected], [`${url}/`, true]);
        assert.ok((network.relays[0]?.rttMs ?? -1) >= 0, "the relay's round trip");
        assert.equal(network.nat, null);
        assert.deepEqual(network.transports.map(({ kind }) => kind).sort(), ["tcp", "udp", "webrtc", "websocket"]);
        const path = (await self.call("explain", other.peerId)) as PathReport;
        assert.deepEqual([path.peerId, path.status], [other.peerId, "connected"]);
        assert.ok(path.changes.length > 0 && path.changes.every(({ atMs }) => atMs >= 0 && atMs <= path.nowMs));
        assert.match(path.why, /^WHY_/);
        reports.push({ network, path });
      }
      for (const about of ["network", "path"] as const) {
        const [ofAlice, ofBob] = reports.map((report) => Object.keys(report[about]).sort());
        assert.deepEqual(ofAlice, ofBob);
      }
      await alice.refuses("ERR_PEER_UNKNOWN", "explain", "a".repeat(52));
    },
  },
];
