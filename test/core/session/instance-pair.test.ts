// Which conversation a hello belongs to: one that goes on, a new one, or one that was left.

import { expect, test } from "vitest";
import { InstancePair } from "../../../src/core/session/instance-pair.js";
import { type Hello, UNKNOWN_INSTANCE } from "../../../src/core/session/record.js";
import { SeededRandom } from "../../sim/seeded-random.js";

const A = new Uint8Array(16).fill(0xaa);
const B = new Uint8Array(16).fill(0xbb);

const hello = (instance: Uint8Array, known: Uint8Array): Hello => ({
  instance,
  known,
  received: [0, 0, 0],
  window: 1024,
  name: "",
});

function pairWith(instance: Uint8Array): InstancePair {
  const pair = new InstancePair(new SeededRandom(1));
  pair.accept(hello(instance, UNKNOWN_INSTANCE));
  return pair;
}

/** Begins anew with this instance, as a session does. */
function move(pair: InstancePair, instance: Uint8Array, weDialled: boolean): void {
  pair.leave(weDialled);
  pair.accept(hello(instance, pair.own));
}

test("the first hello continues, whoever it knows", () => {
  const pair = new InstancePair(new SeededRandom(1));
  expect(pair.remote).toEqual(UNKNOWN_INSTANCE);
  expect(pair.meet(hello(A, B), false)).toBe("continues");
});

test("the same instance continues when it knows us, or nobody yet", () => {
  const pair = pairWith(A);
  expect(pair.meet(hello(A, pair.own), true)).toBe("continues");
  expect(pair.meet(hello(A, UNKNOWN_INSTANCE), true)).toBe("continues");
  expect(pair.meet(hello(A, B), true)).toBe("new");
});

test("another instance is a new conversation", () => {
  const pair = pairWith(A);
  expect(pair.meet(hello(B, pair.own), true)).toBe("new");
  expect(pair.meet(hello(B, UNKNOWN_INSTANCE), false)).toBe("new");
});

test("who has told its instance keeps it, and then an instance that it left is stale", () => {
  const pair = pairWith(A);
  const { own } = pair;
  move(pair, B, true);
  expect(pair.own).toEqual(own);
  expect(pair.meet(hello(A, own), true)).toBe("stale");
});

test("who was dialled draws a new instance, with which no conversation can be stale", () => {
  const pair = pairWith(A);
  const { own } = pair;
  move(pair, B, true);
  // Nothing is told yet on a link that the other side dialled, so this begins anew and need not be turned down.
  expect(pair.meet(hello(A, own), false)).toBe("new");
  move(pair, A, false);
  expect(pair.own).not.toEqual(own);
  expect(pair.meet(hello(B, pair.own), true)).toBe("new");
});

test("an instance that has left sixteen conversations is given up, so that what is remembered stays small", () => {
  const pair = pairWith(A);
  const { own } = pair;
  for (let i = 0; i < 16; i++) move(pair, new Uint8Array(16).fill(i + 1), true);
  expect(pair.own).toEqual(own);
  move(pair, B, true);
  expect(pair.own).not.toEqual(own);
});
