// Streams: bytes both ways, who holds back whom, how each side ends them, and what else passes meanwhile.

import assert from "node:assert/strict";
import { text } from "linknet";
import { patternOf } from "../codec.js";
import type { ContractContext } from "../context.js";
import type { ContractPeer } from "../contract-peer.js";
import type { Scenario } from "../scenario.js";

const MIB = 1024 * 1024;
const PIECE = 64 * 1024;
/** What a writer may be ahead of a reader that has read nothing: what it keeps, the first window, and the piece in between. */
const MOST_AHEAD = MIB + 2 * PIECE;

/** Alice and Bob, connected, with a stream that Alice opened. Bob gets it with the first bytes, or before. */
async function withStream(context: ContractContext): Promise<[ContractPeer, ContractPeer]> {
  const [alice, bob] = await context.connected();
  await bob.tell({ do: "takeStreams" });
  await alice.stream("one", { act: "open", peerId: bob.peerId });
  await bob.saw({ from: "event", name: "stream", stream: "one", peerId: alice.peerId });
  return [alice, bob];
}

/** Reads to the end. A pattern that is not whole, or not the one that was sent, comes back as something else. */
async function readsPattern(peer: ContractPeer, length: number, seed: number): Promise<void> {
  const bytes = await peer.stream("one", { act: "read", most: null });
  assert.ok(bytes instanceof Uint8Array, String(bytes));
  assert.deepEqual([bytes.length, new DataView(bytes.buffer).getUint32(0)], [length, seed]);
}

export const streamScenarios: readonly Scenario[] = [
  {
    title: "a stream carries a megabyte bit for bit each way, and each direction ends on its own",
    essential: true,
    async run(context) {
      const [alice, bob] = await withStream(context);
      await alice.stream("one", { act: "pour", data: patternOf(MIB, 31), pieceBytes: PIECE });
      await readsPattern(bob, MIB, 31);
      // Its end is told when the other side has everything.
      await alice.saw({ from: "stream", name: "poured", stream: "one" });
      await bob.stream("one", { act: "pour", data: patternOf(MIB + 1, 32), pieceBytes: 99_999 });
      await readsPattern(alice, MIB + 1, 32);
      await bob.saw({ from: "stream", name: "poured", stream: "one" });
    },
  },
  {
    title: "a reader that does not read holds the writer back, and messages pass meanwhile",
    essential: true,
    async run(context) {
      const [alice, bob] = await withStream(context);
      const size = 4 * MIB;
      await alice.stream("one", { act: "pour", data: patternOf(size, 33), pieceBytes: PIECE });
      await alice.saw((entry) => entry.name === "written" && (entry.bytes ?? 0) >= MIB);
      for (let i = 0; i < 50; i++) await Promise.all([alice.deliver(bob, text("there")), bob.deliver(alice, text("back"))]);
      await alice.caughtUp();
      const written = alice.all({ from: "stream", name: "written" }).at(-1)?.bytes ?? 0;
      assert.ok(written <= MOST_AHEAD, `${written} bytes were taken though nobody reads`);
      await readsPattern(bob, size, 33);
      await alice.saw({ from: "stream", name: "poured" });
    },
  },
  {
    title: "a stream carries on while the path moves from the relay to a direct one",
    essential: true,
    async run(context) {
      const [alice, bob] = [await context.started("alice"), await context.started("bob")];
      await bob.tell({ do: "takeStreams" });
      await alice.call("connectToPeer", bob.peerId);
      await alice.stream("one", { act: "open", peerId: bob.peerId });
      // More than is taken without a reader: this one is under way when the path moves.
      await alice.stream("one", { act: "pour", data: patternOf(3 * MIB, 34), pieceBytes: PIECE });
      for (const peer of [alice, bob]) await peer.saw({ from: "event", name: "path", path: context.directPath }, 1, 30_000);
      await readsPattern(bob, 3 * MIB, 34);
      await alice.saw({ from: "stream", name: "poured" });
      assert.deepEqual(alice.all({ from: "stream", name: "failed" }), []);
    },
  },
  {
    title: "an aborted writer fails the reader with ERR_STREAM_ABORTED; the other direction goes on",
    async run(context) {
      const [alice, bob] = await withStream(context);
      await alice.stream("one", { act: "write", data: patternOf(1000, 35) });
      assert.equal(((await bob.stream("one", { act: "read", most: 1000 })) as Uint8Array).length, 1000);
      await alice.stream("one", { act: "abort" });
      await bob.fails("ERR_STREAM_ABORTED", "read", bob.stream("one", { act: "read", most: null }));
      await bob.stream("one", { act: "pour", data: patternOf(5000, 36), pieceBytes: 1000 });
      await readsPattern(alice, 5000, 36);
    },
  },
  {
    title: "a cancelled reader fails the writer with ERR_STREAM_CANCELLED, also one that is held back",
    essential: true,
    async run(context) {
      const [alice, bob] = await withStream(context);
      await alice.stream("one", { act: "pour", data: patternOf(4 * MIB, 37), pieceBytes: PIECE });
      await alice.saw((entry) => entry.name === "written" && (entry.bytes ?? 0) >= MIB);
      await bob.stream("one", { act: "cancel" });
      await alice.saw({ from: "stream", name: "failed", stream: "one", code: "ERR_STREAM_CANCELLED" });
      const write = alice.stream("one", { act: "write", data: patternOf(1000, 38) });
      await alice.fails("ERR_STREAM_CANCELLED", "write", write);
      await bob.stream("one", { act: "pour", data: patternOf(5000, 39), pieceBytes: 1000 });
      await readsPattern(alice, 5000, 39);
    },
  },
  {
    title: "where nobody takes streams they fail with ERR_STREAM_REFUSED, and messages are none the worse",
    async run(context) {
      const [alice, bob] = await context.connected();
      await alice.stream("one", { act: "open", peerId: bob.peerId });
      await alice.fails("ERR_STREAM_REFUSED", "read", alice.stream("one", { act: "read", most: null }));
      const write = alice.stream("one", { act: "write", data: patternOf(1000, 40) });
      await alice.fails("ERR_STREAM_REFUSED", "write", write);
      await alice.deliver(bob, text("still here"));
    },
  },
  {
    title: "openStream refuses unknown peers and names above 255 bytes",
    async run(context) {
      const [alice, bob] = await context.connected();
      await alice.refuses("ERR_PEER_UNKNOWN", "openStream", "nonsense", "one");
      await alice.refuses("ERR_OPTION_INVALID", "openStream", bob.peerId, "é".repeat(128));
      await alice.refuses("ERR_OPTION_INVALID", "openStream", bob.peerId, 7);
      await bob.tell({ do: "takeStreams" });
      const longest = `${"é".repeat(127)}e`;
      await alice.stream(longest, { act: "open", peerId: bob.peerId });
      await bob.saw({ from: "event", name: "stream", stream: longest });
    },
  },
  {
    title: "the end of the session fails both directions of a stream on both sides",
    async run(context) {
      const [alice, bob] = await withStream(context);
      await alice.stream("one", { act: "pour", data: patternOf(4 * MIB, 41), pieceBytes: PIECE });
      await alice.saw((entry) => entry.name === "written" && (entry.bytes ?? 0) >= MIB);
      const reading = alice.stream("one", { act: "read", most: null });
      const refused = alice.fails(["ERR_CLOSED", "ERR_CLOSED_BY_PEER"], "read", reading);
      await bob.call("disconnectFromPeer", alice.peerId);
      await refused;
      const { code } = await alice.saw({ from: "stream", name: "failed" });
      assert.match(code ?? "", /^ERR_CLOSED/);
      await bob.fails("ERR_CLOSED", "read", bob.stream("one", { act: "read", most: null }));
      await bob.fails("ERR_CLOSED", "write", bob.stream("one", { act: "write", data: patternOf(1000, 42) }));
      await alice.refuses("ERR_PEER_UNKNOWN", "openStream", bob.peerId, "two");
    },
  },
];
