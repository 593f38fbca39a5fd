// A process that freezes and thaws, between whole managers: as a laptop's lid, a debugger or SIGSTOP does it.

import { describe, expect, test } from "vitest";
import { text } from "../../../src/core/message/define-message.js";
import { SimNetwork, type SimNode } from "../../sim/sim-node.js";
import type { ThawOrder } from "../../sim/sim-process.js";

/** The bytes that a session may have on their way are few, so that some messages wait behind them. */
const NEAR = { kind: "near", rank: 20, delayMs: 5, inFlightBytes: 16 * 1024 };
const THAWS = ["timers first", "arrivals first"] as const satisfies readonly ThawOrder[];

/** No end of a wire that leads nowhere is told so. */
const NEVER_MS = 1_000_000;

/** A node, the ids of what it has sent, and what it was told of them. */
class Talker {
  readonly node: SimNode;
  readonly sent: string[] = [];
  readonly delivered: string[] = [];
  readonly failed: { readonly id: string; readonly code: string }[] = [];

  constructor(node: SimNode) {
    this.node = node;
    node.manager.on("delivered", ({ messageId }) => this.delivered.push(messageId));
    node.manager.on("failed", ({ messageId, error }) => this.failed.push({ id: messageId, code: error.code }));
  }

  /** Says its next numbers, with `length` letters behind each. */
  say(to: Talker, count: number, length = 10): void {
    for (let i = 0; i < count; i++) {
      const number = this.sent.length;
      const id = `${this.node.name === "a" ? "a" : "b"}${number.toString(16).padStart(31, "0")}`;
      this.sent.push(id);
      const message = { ...text(`${number} ${".".repeat(length)}`), id };
      expect(this.node.manager.sendMessage(to.node.manager.peerId, message)).toBe(true);
    }
  }

  /** The numbers of what has arrived. */
  get heard(): number[] {
    return this.node.messages.map((message) => Number.parseInt(String(message), 10));
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

async function connected() {
  const net = new SimNetwork([NEAR]);
  const alice = new Talker(await net.node("a"));
  const bob = new Talker(await net.node("b"));
  const dialled = alice.node.manager.connectToPeer("near://10.0.0.2:1000");
  await net.run(100);
  await dialled;
  alice.say(bob, 3);
  bob.say(alice, 3);
  await net.run(1_000);
  return { net, alice, bob };
}

/** Every message has arrived once and in order, and both know it. */
function expectWhole(alice: Talker, bob: Talker): void {
  for (const [from, to] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    expect(to.heard).toEqual(numbers(from.sent.length));
    expect(from.delivered).toEqual(from.sent);
    expect(from.failed).toEqual([]);
    expect(from.node.errors).toEqual([]);
  }
}

describe.each(THAWS)("a process that freezes, and thaws with its %s", (order) => {
  test.each([1_000, 8_000])("is not missed within %i ms, and both have every message", async (ms) => {
    const { net, alice, bob } = await connected();
    alice.say(bob, 40, 1_000);
    await net.run(7);
    alice.node.process.freeze();
    bob.say(alice, 40, 1_000);
    await net.run(ms);
    // It has not answered, and nothing was taken for an answer.
    expect(alice.heard.length).toBe(3);
    expect(bob.delivered.length).toBe(3);
    alice.node.process.thaw(order);
    await net.run(2_000);
    expectWhole(alice, bob);
    for (const { node } of [alice, bob]) expect(node.statuses).toEqual(["connecting", "connected"]);
  });

  test.each([
    ["what was under way waits for it", false],
    ["what was under way is lost, as with the machine around it", true],
  ])("for longer than the keep-alive waits is found and comes back, and both have every message: %s", async (_name, lost) => {
    const { net, alice, bob } = await connected();
    alice.say(bob, 40, 1_000);
    await net.run(7);
    alice.node.process.freeze();
    if (lost) for (const { wire } of net.open) wire.cut(NEVER_MS, NEVER_MS);
    bob.say(alice, 40, 1_000);
    await net.run(16_000);
    expect(bob.node.statuses).toEqual(["connecting", "connected", "reconnecting"]);
    await net.run(30_000);
    bob.say(alice, 5);
    alice.node.process.thaw(order);
    alice.say(bob, 5);
    // No longer than the largest pause of a reconnection, and what it takes.
    await net.run(16_000);
    expectWhole(alice, bob);
    expect(bob.node.statuses).toEqual(["connecting", "connected", "reconnecting", "connected"]);
    expect(alice.node.statuses.at(-1)).toBe("connected");
    expect(net.open.length).toBe(1);
  });

  test("for longer than the resume window finds its session lost: each message is reported by id, and none comes twice", async () => {
    const { net, alice, bob } = await connected();
    alice.say(bob, 40, 1_000);
    await net.run(7);
    alice.node.process.freeze();
    bob.say(alice, 40, 1_000);
    await net.run(100_000);
    // The other side has given up, and says which messages may not have arrived.
    expect(bob.node.statuses).toEqual(["connecting", "connected", "reconnecting", "disconnected"]);
    expect(bob.failed.map(({ id }) => id)).toEqual(bob.sent.slice(bob.delivered.length));
    expect(new Set(bob.failed.map(({ code }) => code))).toEqual(new Set(["ERR_CLOSED_TIMEOUT"]));
    const heardByBob = bob.heard.length;

    alice.node.process.thaw(order);
    await net.run(20_000);
    // It comes back by itself, to somebody who has begun anew: what it does not know to have arrived is lost.
    expect(alice.node.statuses).toEqual(["connecting", "connected", "reconnecting", "connected"]);
    expect(bob.node.statuses.slice(4)).toEqual(["connecting", "connected"]);
    expect(alice.delivered.length).toBeGreaterThanOrEqual(3);
    expect(alice.failed.map(({ id }) => id)).toEqual(alice.sent.slice(alice.delivered.length));
    expect(alice.failed.length).toBeGreaterThan(10);
    expect(new Set(alice.failed.map(({ code }) => code))).toEqual(new Set(["ERR_SESSION_LOST"]));
    // Delivered means that it has arrived.
    expect(heardByBob).toBeGreaterThanOrEqual(alice.delivered.length);
    expect(bob.heard).toEqual(numbers(heardByBob));

    // The new session begins where the old one ended; nothing of the old one comes after it, on either side.
    const heardByAlice = alice.heard.length;
    expect(alice.heard).toEqual(numbers(heardByAlice));
    const [saidByAlice, saidByBob] = [alice.sent.length, bob.sent.length];
    alice.say(bob, 5);
    bob.say(alice, 5);
    await net.run(1_000);
    expect(bob.heard).toEqual([...numbers(heardByBob), ...numbers(5).map((i) => saidByAlice + i)]);
    expect(alice.heard).toEqual([...numbers(heardByAlice), ...numbers(5).map((i) => saidByBob + i)]);
    expect(alice.delivered.slice(-5)).toEqual(alice.sent.slice(-5));
    expect(bob.delivered.slice(-5)).toEqual(bob.sent.slice(-5));
  });
});

test("both processes freeze one after the other, again and again, and have every message in the end", async () => {
  const { net, alice, bob } = await connected();
  for (const ms of [200, 12_000, 3_000, 25_000, 50, 40_000]) {
    for (const [sleeper, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      sleeper.say(other, 10, 500);
      await net.run(6);
      sleeper.node.process.freeze();
      other.say(sleeper, 10, 500);
      await net.run(ms);
      sleeper.node.process.thaw();
      await net.run(300);
    }
  }
  await net.run(20_000);
  expectWhole(alice, bob);
});
