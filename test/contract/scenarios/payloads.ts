// What a message may carry, and what is refused before it is sent.

import assert from "node:assert/strict";
import { text } from "linknet";
import { makeCodec, patternOf, TAGS } from "../codec.js";
import type { Scenario } from "../scenario.js";

const MIB = 1024 * 1024;

const codec = makeCodec(() => {
  throw new Error("no signals here");
});

/** Payloads in the form in which they travel to the peer; each must arrive as it was sent. */
const PAYLOADS: Readonly<Record<string, unknown>> = {
  text: "héllo wörld — 你好, мир, 🦊👩‍👩‍👧‍👦, \u0000 and \u2028",
  "empty text": "",
  null: null,
  true: true,
  false: false,
  zero: 0,
  "a fraction": 0.1,
  "the largest safe integer": Number.MAX_SAFE_INTEGER,
  "the smallest safe integer": Number.MIN_SAFE_INTEGER,
  "a large number": 1.7976931348623157e308,
  infinity: TAGS.number(Number.POSITIVE_INFINITY),
  "not a number": TAGS.number(Number.NaN),
  bytes: TAGS.bytes(0, 1, 127, 128, 255),
  "no bytes": TAGS.bytes(),
  "an empty array": [],
  "an empty object": {},
  nested: { list: [1, "two", [3, { four: TAGS.bytes(4, 4) }], null], deep: { er: { est: TAGS.bytes(0xff) } }, "": "no name" },
  "keys that look special": { constructor: 1, toString: "x", length: 3 },
};

export const payloadScenarios: readonly Scenario[] = [
  {
    title: "every kind of payload arrives as it was sent, both ways",
    essential: true,
    async run(context) {
      const [alice, bob] = await context.connected();
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        for (const [type, payload] of Object.entries(PAYLOADS)) assert.equal(await from.send(to, { type, payload }), true, type);
        await to.saw({ from: "event", name: "message" }, Object.keys(PAYLOADS).length);
        for (const { message } of to.all({ from: "event", name: "message" })) {
          assert.ok(message);
          assert.deepStrictEqual(message.payload, codec.decode(JSON.stringify(PAYLOADS[message.type])), message.type);
        }
      }
    },
  },
  {
    title: "members that are undefined are left out, as JSON does",
    async run(context) {
      const [alice, bob] = await context.connected();
      await alice.deliver(bob, { type: "partly", payload: { here: 1, gone: TAGS.undefined } });
      assert.deepEqual((await bob.saw({ from: "event", name: "message" })).message?.payload, { here: 1 });
    },
  },
  {
    title: "ten MiB of bytes arrive bit for bit, both ways at once",
    essential: true,
    async run(context) {
      const [alice, bob] = await context.connected();
      const sizes = [10 * MIB, 10 * MIB + 1] as const;
      await Promise.all([
        alice.deliver(bob, { type: "file", payload: patternOf(sizes[0], 11) }),
        bob.deliver(alice, { type: "file", payload: patternOf(sizes[1], 12) }),
      ]);
      for (const [peer, size, seed] of [
        [bob, sizes[0], 11],
        [alice, sizes[1], 12],
      ] as const) {
        const { message } = await peer.saw({ from: "event", name: "message" });
        assert.ok(message?.payload instanceof Uint8Array, String(message?.payload).slice(0, 200));
        assert.ok(
          Buffer.from(message.payload).equals(codec.pattern(size, seed)),
          `${message.payload.length} bytes, not those that were sent`,
        );
      }
    },
  },
  {
    title: "what cannot be sent throws with a code at the caller, and nothing of it leaves",
    async run(context) {
      const [alice, bob] = await context.connected();
      const bad: Record<string, unknown> = {
        cyclic: { type: "bad", payload: TAGS.cyclic },
        "a function": { type: "bad", payload: TAGS.function },
        "a function inside": { type: "bad", payload: { a: [TAGS.function] } },
        "a bigint": { type: "bad", payload: TAGS.bigint },
        "half a surrogate pair": { type: "bad", payload: "\ud83e" },
        "no type": { payload: 1 },
        "an empty type": { type: "", payload: 1 },
        "a long type": { type: "t".repeat(256), payload: 1 },
        "a type that is no text": { type: 7, payload: 1 },
        "an id of another form": { type: "bad", payload: 1, id: "7" },
        "no message": "hello",
        null: null,
        undefined: TAGS.undefined,
      };
      for (const method of ["sendMessage", "deliver"]) {
        for (const message of Object.values(bad)) await alice.refuses("ERR_MESSAGE_INVALID", method, bob.peerId, message);
      }
      for (const message of Object.values(bad)) await alice.refuses("ERR_MESSAGE_INVALID", "broadcastMessage", message);
      await alice.deliver(bob, text("fine"));
      await bob.caughtUp();
      assert.deepEqual(
        bob.all({ from: "event", name: "message" }).map((entry) => entry.message?.payload),
        ["fine"],
      );
    },
  },
  {
    title: "a message of 17 MiB is ERR_MESSAGE_TOO_LARGE, as bytes and as text, and so is one past a smaller limit",
    async run(context) {
      const [alice, bob] = await context.connected({}, { limits: { maxMessageBytes: 1024 } });
      for (const payload of [patternOf(17 * MIB, 1), { in: patternOf(17 * MIB, 1) }]) {
        await alice.refuses("ERR_MESSAGE_TOO_LARGE", "sendMessage", bob.peerId, { type: "large", payload });
      }
      await bob.refuses("ERR_MESSAGE_TOO_LARGE", "sendMessage", alice.peerId, text("x".repeat(1024)));
      await bob.deliver(alice, text("x".repeat(900)));
    },
  },
];
