// connectToPeer: by address, PeerId and ticket; everything that can be wrong with these.

import assert from "node:assert/strict";
import { text } from "linknet";
import { TAGS } from "../codec.js";
import type { Scenario } from "../scenario.js";

/** A PeerId of nobody: a hash of nothing in particular. */
const NOBODY = "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpirseizeeyua";
/** A label of more than 63 characters is no name (RFC 1035 §2.3.4), so it never resolves, with or without a network. */
const NO_NAME = `${"x".repeat(64)}.invalid`;
const SILENCE_MS = 400;

export const connectingScenarios: readonly Scenario[] = [
  {
    title: "connectToPeer by address resolves to the proven PeerId",
    needs: "address",
    async run(context) {
      const [alice, bob] = [await context.started("alice", { relays: [] }), await context.started("bob", { relays: [] })];
      const port = await bob.call("getLocalPort");
      assert.equal(await alice.call("connectToPeer", "127.0.0.1", port), bob.peerId);
      // Again, in all the ways in which one address can be written: it is the session there is.
      const scheme = alice.build === "node" ? "tcp" : "ws";
      for (const url of [`127.0.0.1:${port}`, `${scheme}://127.0.0.1:${port}`, `ws://127.0.0.1:${port}`]) {
        assert.equal(await alice.call("connectToPeer", url), bob.peerId);
      }
      await alice.deliver(bob, text("one session"));
      assert.deepEqual(alice.statuses(bob), ["connecting", "connected"]);
      assert.deepEqual(bob.statuses(alice), ["connecting", "connected"]);
    },
  },
  {
    title: "connectToPeer by PeerId goes through the relay",
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      assert.equal(await alice.call("connectToPeer", bob.peerId), bob.peerId);
      await bob.deliver(alice, text("hello"));
      assert.equal((await alice.saw({ from: "event", name: "message" })).message?.senderId, bob.peerId);
    },
  },
  {
    title: "connectToPeer by ticket needs no relay of one's own",
    async run(context) {
      const [alice, bob] = [await context.started("alice", { relays: [] }), await context.started("bob")];
      const ticket = (await bob.call("ticket")) as string;
      assert.equal(await alice.call("connectToPeer", ` ${ticket.toUpperCase()}\n`), bob.peerId);
      await alice.deliver(bob, text("by ticket"));
      assert.equal((await bob.saw({ from: "event", name: "message" })).message?.senderId, alice.peerId);
    },
  },
  {
    title: "a pinned PeerId that another one answers for is ERR_HANDSHAKE_AUTH, and leaves no session",
    needs: "address",
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      const port = await bob.call("getLocalPort");
      await alice.refuses("ERR_HANDSHAKE_AUTH", "connectToPeer", "127.0.0.1", port, { peerId: NOBODY });
      assert.deepEqual(await alice.call("getConnectedPeers"), []);
      assert.equal(await alice.call("connectToPeer", "127.0.0.1", port, { peerId: bob.peerId }), bob.peerId);
      await alice.caughtUp();
      assert.equal(alice.all({ name: "connection", peerId: NOBODY }).length, 0);
    },
  },
  {
    title: "a pinned PeerId that contradicts the target, or is none, is refused",
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      await alice.refuses("ERR_HANDSHAKE_AUTH", "connectToPeer", bob.peerId, { peerId: NOBODY });
      await alice.refuses("ERR_PEER_ID_INVALID", "connectToPeer", bob.peerId, { peerId: "bob" });
    },
  },
  {
    title: "connecting to oneself is ERR_DIAL_SELF",
    async run(context) {
      const alice = await context.started("alice");
      await alice.refuses("ERR_DIAL_SELF", "connectToPeer", alice.peerId);
      await alice.refuses("ERR_DIAL_SELF", "connectToPeer", await alice.call("ticket"));
      if (alice.build === "node")
        await alice.refuses("ERR_DIAL_SELF", "connectToPeer", "127.0.0.1", await alice.call("getLocalPort"));
      await alice.caughtUp();
      assert.equal(alice.all({ name: "connection" }).length, 0);
    },
  },
  {
    title: "an address at which nobody listens is refused at once",
    async run(context) {
      const alice = await context.started("alice");
      // A browser does not tell a page why a WebSocket failed.
      const code = alice.build === "node" ? "ERR_DIAL_REFUSED" : "ERR_DIAL_FAILED";
      const error = await alice.refuses(code, "connectToPeer", "127.0.0.1", await context.closedPort());
      assert.equal(error.retryable, true);
    },
  },
  {
    title: "a name that does not resolve is told",
    async run(context) {
      const alice = await context.started("alice");
      await alice.refuses(alice.build === "node" ? "ERR_DIAL_NAME" : "ERR_DIAL_FAILED", "connectToPeer", NO_NAME, 8080);
    },
  },
  {
    title: "an address that stays silent is ERR_DIAL_TIMEOUT, within the time-out that was asked for",
    async run(context) {
      const alice = await context.started("alice");
      const port = await context.silentPort();
      const begin = performance.now();
      await alice.refuses("ERR_DIAL_TIMEOUT", "connectToPeer", "127.0.0.1", port, { timeoutMs: SILENCE_MS });
      const took = performance.now() - begin;
      assert.ok(took >= SILENCE_MS - 5 && took < SILENCE_MS + 4_000, `${took} ms`);
    },
  },
  {
    title: "what is no address, port, ticket or PeerId is refused with its own code",
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      for (const target of [
        "",
        "not an address",
        bob.peerId.slice(1),
        bob.peerId.toUpperCase(),
        "host",
        7,
        null,
        TAGS.undefined,
        {},
      ]) {
        await alice.refuses("ERR_ADDRESS_INVALID", "connectToPeer", target);
      }
      for (const host of ["", "a b", "a/b", "user@host", "a?b"]) {
        await alice.refuses("ERR_ADDRESS_INVALID", "connectToPeer", host, 8080);
      }
      for (const port of [0, -1, 65_536, 80.5, TAGS.number(Number.NaN)]) {
        await alice.refuses("ERR_PORT_INVALID", "connectToPeer", "127.0.0.1", port);
      }
      await alice.refuses("ERR_PORT_INVALID", "connectToPeer", "127.0.0.1:65536");
      await alice.refuses("ERR_ADDRESS_UNSUPPORTED", "connectToPeer", "gopher://127.0.0.1:70");
      const ticket = (await bob.call("ticket")) as string;
      const wrong = ticket.slice(0, 20) + (ticket[20] === "a" ? "b" : "a") + ticket.slice(21);
      for (const damaged of [wrong, ticket.slice(0, -3), "ln1", `ln1${"a".repeat(5000)}`]) {
        await alice.refuses(["ERR_TICKET_INVALID", "ERR_ADDRESS_INVALID"], "connectToPeer", damaged);
      }
      await alice.refuses("ERR_TICKET_INVALID", "connectToPeer", wrong);
    },
  },
  {
    title: "a peer that is not at the relay is ERR_PEER_UNREACHABLE, quickly",
    async run(context) {
      const alice = await context.started("alice");
      const begin = performance.now();
      const error = await alice.refuses("ERR_PEER_UNREACHABLE", "connectToPeer", NOBODY);
      assert.ok(performance.now() - begin < 3_000);
      assert.equal(error.retryable, true);
    },
  },
  {
    title: "without relays a PeerId is ERR_RELAY_UNAVAILABLE",
    async run(context) {
      const alice = await context.started("alice", { relays: [] });
      await alice.refuses("ERR_RELAY_UNAVAILABLE", "connectToPeer", NOBODY);
      await alice.refuses("ERR_RELAY_UNAVAILABLE", "joinRoom", "room");
    },
  },
  {
    title: "an AbortSignal rejects with its own reason and leaves nothing behind",
    async run(context) {
      const alice = await context.started("alice");
      const port = await context.silentPort();
      const call = alice.call("connectToPeer", "127.0.0.1", port, { signal: TAGS.signal("now") });
      const rejected = assert.rejects(call, /changed my mind/);
      await alice.tell({ do: "abort", signal: "now", reason: "changed my mind" });
      await rejected;
      await assert.rejects(alice.call("connectToPeer", "127.0.0.1", port, { signal: TAGS.signal("now") }), /changed my mind/);
      assert.deepEqual(await alice.call("getConnectedPeers"), []);
      await alice.caughtUp();
      assert.equal(alice.all({ name: "connection" }).length, 0);
    },
  },
  {
    title: "whoever aborts does not take the attempt away from others",
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      const aborted = alice.call("connectToPeer", bob.peerId, { signal: TAGS.signal("mine") });
      const kept = alice.call("connectToPeer", bob.peerId);
      const abortedEnd = aborted.then(
        () => "connected",
        (error: unknown) => String(error),
      );
      await alice.tell({ do: "abort", signal: "mine", reason: "not me" });
      // It may have been faster than the abort.
      assert.match(await abortedEnd, /not me|^connected$/);
      assert.equal(await kept, bob.peerId);
    },
  },
  {
    title: "connects at the same time, from both sides, give one session",
    essential: true,
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      const calls = [0, 1, 2].flatMap(() => [alice.call("connectToPeer", bob.peerId), bob.call("connectToPeer", alice.peerId)]);
      if (context.bobHasAddress) calls.push(alice.call("connectToPeer", "127.0.0.1", await bob.call("getLocalPort")));
      const ids = await Promise.all(calls);
      assert.ok(ids.every((id) => id === alice.peerId || id === bob.peerId));
      for (const [self, other] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        await self.deliver(other, text("hello"));
        await other.saw({ from: "event", name: "message" });
      }
      for (const [self, other] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        await self.caughtUp();
        assert.deepEqual(self.statuses(other), ["connecting", "connected"]);
        assert.equal(((await self.call("getConnectedPeers")) as unknown[]).length, 1);
        assert.equal(self.all({ from: "event", name: "message" }).length, 1);
      }
    },
  },
];
