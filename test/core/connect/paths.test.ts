// Whole managers on a simulated network: finding better paths, and coming back after a path is lost.

import { describe, expect, test } from "vitest";
import { text } from "../../../src/core/message/define-message.js";
import { type SimAbilities, type SimKind, SimNetwork, type SimNode } from "../../sim/sim-node.js";

const FAR = { kind: "far", rank: 90, delayMs: 40 };
const NEAR = { kind: "near", rank: 20, delayMs: 1 };

interface Pair {
  readonly net: SimNetwork;
  readonly a: SimNode;
  readonly b: SimNode;
}

/** Alice dials Bob over the far path. */
async function connected(
  aCan: SimAbilities = {},
  bCan: SimAbilities = {},
  down: readonly string[] = [],
  kinds: readonly SimKind[] = [FAR, NEAR],
): Promise<Pair> {
  const net = new SimNetwork(kinds);
  for (const kind of down) net.down.add(kind);
  const a = await net.node("a", aCan);
  const b = await net.node("b", bCan);
  const dialled = a.manager.connectToPeer("far://10.0.0.2:1000");
  await net.run(400);
  expect(await dialled).toBe(b.manager.peerId);
  return { net, a, b };
}

/** All links end, and the session comes back over the far path; the better one works again when that is on its way. */
async function loseBetter(net: SimNetwork, kind: string): Promise<void> {
  net.down.add(kind);
  for (const { wire } of net.open) wire.cut();
  while (!net.open.some((one) => one.kind === "far")) await net.run(10);
  net.down.delete(kind);
}

function send(from: SimNode, to: SimNode, words: string): void {
  expect(from.manager.sendMessage(to.manager.peerId, text(words))).toBe(true);
}

const ALL = ["far", "near"];
const FAR_ONLY = ["far"];

describe("a session on a poor path", () => {
  test.each<[string, SimAbilities, SimAbilities]>([
    ["both sides can dial", {}, {}],
    ["only the dialler can be dialled", { listen: ALL }, { listen: FAR_ONLY }],
    ["only the other side can be dialled", { listen: FAR_ONLY }, { listen: ALL }],
    ["only the other side can dial", { dial: FAR_ONLY }, { listen: FAR_ONLY }],
  ])("moves to the better one, which ends as the only link, when %s", async (_name, aCan, bCan) => {
    const { net, a, b } = await connected(aCan, bCan);
    send(a, b, "early");
    await net.run(5_000);
    expect(net.open.map(({ kind }) => kind)).toEqual(["near"]);
    for (const node of [a, b]) {
      expect(node.paths).toEqual(["far", "near"]);
      expect(node.statuses).toEqual(["connecting", "connected"]);
      expect(node.errors).toEqual([]);
    }
    send(b, a, "late");
    await net.run(100);
    expect([b.messages, a.messages]).toEqual([["early"], ["late"]]);
    expect(net.dials.filter(({ kind }) => kind === "near").length).toBe(1);
  });

  test("stays there when nobody can dial, and tries nothing", async () => {
    const { net, a } = await connected({ listen: FAR_ONLY }, { listen: FAR_ONLY });
    await net.run(120_000);
    expect(a.paths).toEqual(["far"]);
    expect(net.dials.length).toBe(1);
  });

  test("tries again with growing pauses, and moves when the path works", async () => {
    const { net, a, b } = await connected({}, { dial: FAR_ONLY }, ["near"]);
    await net.run(300_000);
    const times = net.dials.filter(({ kind }) => kind === "near").map(({ at }) => at);
    const pauses = times.slice(1).map((at, i) => at - (times[i] as number));
    expect(pauses.length).toBeGreaterThan(4);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(5_000);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(61_000);
    net.down.clear();
    await net.run(70_000);
    expect([a.paths.at(-1), b.paths.at(-1)]).toEqual(["near", "near"]);
  });

  test("tries again at once when the network changes", async () => {
    const { net, a } = await connected({}, { dial: FAR_ONLY }, ["near"]);
    await net.run(120_000);
    net.down.clear();
    const before = net.dials.length;
    a.networkChanged();
    await net.run(300);
    expect(net.dials.length).toBe(before + 1);
    expect(a.paths.at(-1)).toBe("near");
  });

  test("tries again at once when it comes back there, however far off the next attempt was", async () => {
    const { net, a } = await connected({}, { dial: FAR_ONLY });
    await net.run(5_000);
    expect(a.paths).toEqual(["far", "near"]);
    await loseBetter(net, "near");
    await net.run(500);
    expect(a.paths).toEqual(["far", "near", "far", "near"]);
  });

  test("pauses before it tries again what was lost as soon as it was found", async () => {
    const { net, a } = await connected({}, { dial: FAR_ONLY });
    await net.run(1_000);
    expect(a.paths).toEqual(["far", "near"]);
    await loseBetter(net, "near");
    await net.run(2_500);
    expect(a.paths).toEqual(["far", "near", "far"]);
    await net.run(10_000);
    expect(a.paths).toEqual(["far", "near", "far", "near"]);
  });

  test.each([
    ["begun with it", 5_050, false],
    ["begun later", 20_000, true],
  ])("tries what it had while an attempt on something better goes on that was %s", async (_name, ms, changes) => {
    const slow = { kind: "slow", rank: 10, delayMs: 3_000 };
    const { net, a } = await connected({}, { dial: FAR_ONLY }, ["slow"], [FAR, NEAR, slow]);
    await net.run(ms);
    expect(a.paths).toEqual(["far", "near"]);
    if (changes) a.networkChanged();
    await net.run(100);
    await loseBetter(net, "near");
    await net.run(300);
    expect(a.paths).toEqual(["far", "near", "far", "near"]);
    // It takes 6 s.
    const begunAt = net.dials.filter(({ kind }) => kind === "slow").at(-1)?.at ?? 0;
    expect(net.clock.now() - begunAt).toBeLessThan(6_000);
  });

  test("stops trying when the session ends", async () => {
    const { net, a, b } = await connected({}, {}, ["near"]);
    const gone = a.manager.disconnectFromPeer(b.manager.peerId);
    await net.run(100);
    await gone;
    const before = net.dials.length;
    await net.run(300_000);
    expect(net.dials.length).toBe(before);
    expect([a.statuses.at(-1), b.statuses.at(-1)]).toEqual(["disconnected", "disconnected"]);
    expect(net.open).toEqual([]);
  });
});

describe("a session that lost its path", () => {
  test("comes back by itself, and every message arrives once and in order", async () => {
    const { net, a, b } = await connected();
    await net.run(5_000);
    for (const { wire } of net.open) wire.cut();
    await net.run(1);
    expect([a.statuses.at(-1), b.statuses.at(-1)]).toEqual(["reconnecting", "reconnecting"]);
    for (const words of ["one", "two", "three"]) send(a, b, words);
    await net.run(10_000);
    expect(b.messages).toEqual(["one", "two", "three"]);
    for (const node of [a, b]) {
      expect(node.statuses).toEqual(["connecting", "connected", "reconnecting", "connected"]);
    }
    expect(net.open.length).toBe(1);
  });

  test("tries with growing pauses up to its window, then gives up and says so", async () => {
    const { net, a, b } = await connected();
    await net.run(5_000);
    net.down.add("near").add("far");
    for (const { wire } of net.open) wire.cut();
    const from = net.dials.length;
    send(a, b, "lost");
    const failed: string[] = [];
    a.manager.on("failed", ({ error }) => failed.push(error.code));
    await net.run(61_000);
    expect(a.statuses.at(-1)).toBe("disconnected");
    expect(failed).toEqual(["ERR_CLOSED_TIMEOUT"]);
    const tries = net.dials.length - from;
    expect(tries).toBeGreaterThan(6);
    expect(tries).toBeLessThan(200);
    await net.run(120_000);
    expect(net.dials.length - from).toBe(tries);
  });

  test("does not wait for its pause when the network changes", async () => {
    const { net, a } = await connected({}, { dial: [] });
    await net.run(5_000);
    net.down.add("near").add("far");
    for (const { wire } of net.open) wire.cut();
    await net.run(40_000);
    net.down.clear();
    a.networkChanged();
    await net.run(500);
    expect(a.statuses.at(-1)).toBe("connected");
  });
});

describe("stop", () => {
  test("tells the peers, leaves no link and no timer, and no late dial brings a session back", async () => {
    const { net, a, b } = await connected();
    await net.run(5_000);
    const c = await net.node("c");
    const late = c.manager.connectToPeer("far://10.0.0.2:1000").catch((error: { code: string }) => error.code);
    await net.run(60);
    const stopped = Promise.all([a, b, c].map(({ manager }) => manager.stop()));
    await net.run(20_000);
    await stopped;
    expect(await late).not.toBe(b.manager.peerId);
    expect(c.statuses.filter((status) => status === "connected")).toEqual([]);
    expect(net.open).toEqual([]);
    expect(net.clock.pendingTimers).toBe(0);
  });
});
