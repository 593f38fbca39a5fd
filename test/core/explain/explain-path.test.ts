// `explain(peerId)` with whole managers on a simulated network: what it tells at each moment in the life of a path.

import { describe, expect, test } from "vitest";
import { NetworkError } from "../../../src/core/errors.js";
import type { PathReport } from "../../../src/core/explain/report.js";
import { FINDINGS } from "../../../src/core/index.js";
import type { NetworkManagerOptions } from "../../../src/core/options.js";
import type { Transport } from "../../../src/core/path/transport.js";
import { type SimAbilities, SimNetwork, type SimNode } from "../../sim/sim-node.js";

const FAR = { kind: "far", rank: 90, delayMs: 40 };
const NEAR = { kind: "near", rank: 20, delayMs: 1 };
const FAR_ONLY = ["far"];

interface Pair {
  readonly net: SimNetwork;
  readonly a: SimNode;
  readonly b: SimNode;
}

/** Alice dials Bob over the far path, which counts as a relay does. */
async function connected(
  aCan: SimAbilities = {},
  bCan: SimAbilities = {},
  down: readonly string[] = [],
  options: NetworkManagerOptions = {},
): Promise<Pair> {
  const net = new SimNetwork([FAR, NEAR]);
  for (const kind of down) net.down.add(kind);
  const a = await net.node("a", aCan, options);
  const b = await net.node("b", bCan, options);
  const dialled = a.manager.connectToPeer("far://10.0.0.2:1000");
  await net.run(400);
  expect(await dialled).toBe(b.manager.peerId);
  return { net, a, b };
}

const explained = (from: SimNode, about: SimNode): Promise<PathReport> => from.manager.explain(about.manager.peerId);

describe("why a path is what it is", () => {
  test("a session that moved is on the best path, and each path is told with its time and address", async () => {
    const { net, a, b } = await connected({}, { dial: FAR_ONLY });
    await net.run(5_000);
    const { path, why, changes, hints, retryInMs, status, nowMs } = await explained(a, b);
    expect({ path, why, hints, retryInMs, status }).toEqual({
      path: "near",
      why: "WHY_BEST",
      hints: [],
      retryInMs: null,
      status: "connected",
    });
    expect(changes.map((change) => change.path)).toEqual(["far", "near"]);
    expect((changes[0]?.atMs ?? 0) < (changes[1]?.atMs ?? 0) && (changes[1]?.atMs ?? 0) < nowMs).toBe(true);
  });

  test("attempts are told with their way, target, times and outcome", async () => {
    const { net, a, b } = await connected({}, { dial: FAR_ONLY });
    await net.run(5_000);
    const { attempts } = await explained(a, b);
    expect(attempts).toHaveLength(1);
    expect(attempts[0]).toMatchObject({
      kind: "near",
      way: "dial",
      target: "near://10.0.0.2:1000",
      outcome: "opened",
      code: null,
    });
    const [attempt] = attempts;
    expect((attempt?.endedMs ?? 0) - (attempt?.startedMs ?? 0)).toBeGreaterThanOrEqual(2);
  });

  test("what fails is told with its code and a sentence, and when the next try is due", async () => {
    const { net, a, b } = await connected({}, { dial: FAR_ONLY }, ["near"]);
    await net.run(3_000);
    const first = await explained(a, b);
    expect([first.path, first.why]).toEqual(["far", "WHY_RETRY"]);
    expect(first.attempts.at(-1)).toMatchObject({ outcome: "failed", code: "ERR_DIAL_REFUSED" });
    expect(first.attempts.at(-1)?.message).toContain("listens");
    const before = net.dials.length;
    const wait = first.retryInMs as number;
    expect(wait).toBeGreaterThan(0);
    await net.run(wait - 10);
    expect(net.dials.length).toBe(before);
    await net.run(20);
    expect(net.dials.length).toBe(before + 1);
  });

  test("while an attempt runs, that is the reason", async () => {
    const { net, a, b } = await connected({}, { dial: FAR_ONLY }, ["near"]);
    const { retryInMs } = await explained(a, b);
    await net.run((retryInMs as number) + 1);
    const { why, attempts } = await explained(a, b);
    expect(why).toBe("WHY_TRYING");
    expect(attempts.at(-1)).toMatchObject({ outcome: "running", endedMs: null });
  });

  test("an attempt that waits a moment for the other side's is under way already", async () => {
    // Both can dial, and one of them lets the other go first.
    const { a, b } = await connected({}, {}, ["near"]);
    const reports = [await explained(a, b), await explained(b, a)];
    expect(reports.map(({ attempts }) => attempts.length).sort()).toEqual([0, 1]);
    expect(reports.find(({ attempts }) => attempts.length === 0)?.why).toBe("WHY_TRYING");
  });

  test("where only the other side can dial, it is awaited", async () => {
    const { net, a, b } = await connected({ dial: FAR_ONLY }, { listen: FAR_ONLY }, ["near"]);
    await net.run(3_000);
    expect((await explained(a, b)).why).toBe("WHY_AWAITED");
  });

  test("where nobody can dial, there is nothing in common", async () => {
    const { net, a, b } = await connected({ listen: FAR_ONLY }, { listen: FAR_ONLY });
    await net.run(3_000);
    expect((await explained(a, b)).why).toBe("WHY_NOTHING_COMMON");
  });

  test("where the networks allow nothing better, both sides say so, and try again only when one of them changes", async () => {
    let tries = 0;
    const hopeless: Transport = {
      kind: "punched",
      schemes: [],
      rank: 25,
      negotiate: ({ note, sendSignal }) => {
        tries++;
        note("our NAT: random");
        sendSignal("hello");
        return { link: Promise.reject(new NetworkError("ERR_PUNCH_HOPELESS", "random against random")), receiveSignal: () => {} };
      },
    };
    const { net, a, b } = await connected({ listen: FAR_ONLY }, { listen: FAR_ONLY }, [], { transports: [hopeless] });
    await net.run(120_000);
    for (const report of [await explained(a, b), await explained(b, a)]) {
      expect(report).toMatchObject({ path: "far", why: "WHY_HOPELESS", hopeless: ["punched"], retryInMs: null });
      expect(report.attempts).toMatchObject([{ kind: "punched", target: null, outcome: "failed", code: "ERR_PUNCH_HOPELESS" }]);
      expect(report.attempts[0]?.steps.map(({ text }) => text)).toEqual(["our NAT: random"]);
    }
    const ways = [await explained(a, b), await explained(b, a)].map(({ attempts }) => attempts[0]?.way);
    expect(ways.sort()).toEqual(["answer", "offer"]);
    expect(tries).toBe(2);
    a.networkChanged();
    await net.run(1_000);
    expect(tries).toBe(4);
  });

  test("without upgrades the first path stays", async () => {
    const { net, a, b } = await connected({}, {}, [], { upgrade: false });
    await net.run(3_000);
    const { why, remote, attempts } = await explained(a, b);
    expect({ why, remote, attempts }).toEqual({ why: "WHY_FIXED", remote: null, attempts: [] });
  });

  test("a session without a link says when it tries again, and how it tried", async () => {
    const { net, a, b } = await connected();
    await net.run(5_000);
    net.down.add("near").add("far");
    for (const { wire } of net.open) wire.cut();
    await net.run(2_000);
    const lost = await explained(a, b);
    expect(lost).toMatchObject({ status: "reconnecting", path: null, address: null, why: "WHY_NO_LINK" });
    expect(lost.changes.at(-1)).toMatchObject({ path: null });
    expect(lost.retryInMs === null).toBe(lost.attempts.some(({ outcome }) => outcome === "running"));
    expect(new Set(lost.attempts.map(({ kind }) => kind))).toEqual(new Set(["far", "near"]));
    net.down.clear();
    await net.run(10_000);
    const back = await explained(a, b);
    expect(back).toMatchObject({ path: "near", why: "WHY_BEST", retryInMs: null });
    expect(back.changes.slice(0, lost.changes.length)).toEqual(lost.changes);
    expect(back.changes.at(-1)).toMatchObject({ path: "near" });
  });
});

describe("what both sides name", () => {
  test("is told with what we make of it", async () => {
    const { net, a, b } = await connected({ dial: FAR_ONLY }, {});
    await net.run(3_000);
    const { local, remote } = await explained(a, b);
    expect(local).toEqual({ addresses: ["far://10.0.0.1:1000", "near://10.0.0.1:1000"], schemes: ["far"], negotiable: [] });
    expect(remote?.addresses).toEqual(["far://10.0.0.2:1000", "near://10.0.0.2:1000"]);
    expect(remote?.verdicts).toEqual(["dialable", "foreign"]);
  });

  test("addresses that may not be dialled are told as refused", async () => {
    const net = new SimNetwork([FAR]);
    const a = await net.node("a");
    const listen = async () => ({
      port: null,
      addresses: () => ["far://127.0.0.1:1000", "far://169.254.0.1:1000", "far://host.example:1000", "far://10.0.0.9:22"],
      close: async () => undefined,
    });
    const b = await net.node("b", {}, { transports: [{ kind: "odd", schemes: [], rank: 95, listen }] });
    const dialled = a.manager.connectToPeer("far://10.0.0.2:1000");
    await net.run(400);
    await dialled;
    expect((await explained(a, b)).remote?.verdicts).toEqual(["dialable", "refused", "refused", "refused", "refused"]);
  });
});

describe("bounds", () => {
  test("at most 32 attempts and 32 changes are told, the newest", async () => {
    const { net, a, b } = await connected();
    await net.run(5_000);
    for (let round = 0; round < 80; round++) {
      for (const { wire } of net.open) wire.cut();
      await net.run(4_000);
    }
    const { attempts, changes, nowMs } = await explained(a, b);
    expect([attempts.length, changes.length]).toEqual([32, 32]);
    expect(changes.at(-1)?.atMs).toBeGreaterThan(nowMs - 5_000);
  });

  test("the report is plain data that does not change afterwards, and every code in it has a sentence", async () => {
    const { net, a, b } = await connected({}, {}, ["near"]);
    await net.run(3_000);
    const told = await explained(a, b);
    const text = JSON.stringify(told);
    expect(JSON.parse(text)).toEqual(told);
    await net.run(60_000);
    expect(JSON.stringify(told)).toBe(text);
    for (const code of [told.why, ...told.hints]) expect(FINDINGS[code].length).toBeGreaterThan(10);
  });
});

describe("what cannot be told", () => {
  test("a peer without a session is ERR_PEER_UNKNOWN, also one that left", async () => {
    const { net, a, b } = await connected();
    await expect(a.manager.explain("a".repeat(52))).rejects.toMatchObject({ code: "ERR_PEER_UNKNOWN" });
    const gone = b.manager.stop();
    await net.run(3_000);
    await gone;
    await expect(explained(a, b)).rejects.toMatchObject({ code: "ERR_PEER_UNKNOWN" });
    await expect(b.manager.explain()).rejects.toMatchObject({ code: "ERR_STATE_NOT_STARTED" });
  });
});
