// One session over links that break: what waits is kept, big messages come whole, and each change of status is told once.

import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { next, record } from "../manager/support.js";
import { CUT_KINDS, type Cut, CutPlan } from "./cut-plan.js";
import { strayStatuses } from "./statuses.js";
import { numbersBothWays, proxiedPair, SEED, statusesOf, until } from "./support.js";

const MIB = 1024 * 1024;
/** A session that has lost its path finds another within this time, the slowest of its pauses included, in ms. */
const SOON_MS = 5_000;
/** What the issue asks for: a half-open link is found within 15 s while data waits. */
const HALF_OPEN_MS = 15_000;

const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("a session over links that break", () => {
  test(`big messages arrive bit for bit (LINKNET_SEED=${SEED})`, { timeout: 60_000 }, async () => {
    const cuts = 4 * CUT_KINDS.length;
    const plan = new CutPlan({ seed: SEED, cuts, meanBytes: MIB });
    const { alice, bob, proxy } = await proxiedPair({}, plan);
    const failures = [record(alice, "failed"), record(bob, "failed")];
    const pairs = [
      [alice, bob],
      [bob, alice],
    ] as const;
    const results = await Promise.all(
      pairs.map(async ([from, to]) => {
        const arrivals = record(to, "message");
        const files = Array.from({ length: 4 }, () => randomBytes(5 * MIB));
        for (const payload of files) {
          await from.ready(to.peerId);
          await from.deliver(to.peerId, { type: "file", payload });
        }
        return { sent: files.map(hash), arrived: arrivals.map((message) => hash(message.payload as Uint8Array)) };
      }),
    );
    for (const { sent, arrived } of results) expect(arrived).toEqual(sent);
    expect(failures).toEqual([[], []]);
    expect(proxy.cutCount).toBe(cuts);
  });

  test("what is sent while it is reconnecting is kept, in order, and arrives when there is a link again", async () => {
    const { alice, bob, proxy } = await proxiedPair();
    const arrivals = record(bob, "message");
    const failed = record(alice, "failed");
    const lost = next(alice, "connection", ({ status }) => status === "reconnecting");
    proxy.refuse();
    proxy.reset();
    await lost;
    const payloads = Array.from({ length: 1_000 }, (_, i) => i);
    for (const payload of payloads) expect(alice.sendMessage(bob.peerId, { type: "number", payload })).toBe(true);
    expect(alice.getPeer(bob.peerId)).toMatchObject({ status: "reconnecting", path: null });
    expect(alice.getPeer(bob.peerId)?.queuedBytes).toBeGreaterThan(0);
    expect(arrivals).toEqual([]);
    proxy.acceptAgain();
    await alice.deliver(bob.peerId, { type: "number", payload: payloads.length });
    expect(arrivals.map((message) => message.payload)).toEqual([...payloads, payloads.length]);
    expect(failed).toEqual([]);
    expect(alice.getPeer(bob.peerId)?.queuedBytes).toBe(0);
  });

  test("the callback hears connected and reconnecting in turn, once each", { timeout: 60_000 }, async () => {
    const { alice, bob, proxy } = await proxiedPair();
    const heard = [statusesOf(alice), statusesOf(bob)];
    const cut = [
      () => proxy.reset(),
      () => proxy.close(),
      () => proxy.truncate(5),
      () => proxy.halfClose("dialler"),
      () => proxy.reset(),
    ];
    const traffic = numbersBothWays(alice, bob);
    for (let i = 0; i < 20; i++) {
      const before = heard[0]?.length ?? 0;
      cut[i % cut.length]?.();
      // Two more at the dialler, who sees each of these cuts.
      await until([alice], () => heard[0]?.length === before + 2, `the statuses of cut ${i}`);
    }
    await traffic.settle();
    expect(traffic.faults()).toEqual([]);
    expect(heard[0]).toEqual(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? "reconnecting" : "connected")));
    // Who is dialled may have the new link before the old one has ended: then it has lost none.
    for (const statuses of heard) expect(strayStatuses(["connecting", "connected", ...statuses])).toEqual([]);
    expect(alice.getPeer(bob.peerId)).toMatchObject({ status: "connected", path: "tcp" });
  });

  test("a new link that dies at any byte of its beginning delays the next one by a pause, no more", {
    timeout: 60_000,
  }, async () => {
    let cut: Cut | null = null;
    const cuts = {
      next: () => {
        const now = cut;
        cut = null;
        return now;
      },
    };
    const { alice, bob, proxy } = await proxiedPair({}, cuts);
    const slow: string[] = [];
    // The handshake and the first hello both ways are over by then.
    for (let afterBytes = 0; afterBytes < 1_200; afterBytes += 20) {
      cut = { kind: "reset", afterBytes, forMs: 1, side: "dialler", partBytes: 1 };
      const startedAt = performance.now();
      const back = next(alice, "connection", ({ status }) => status === "connected");
      proxy.reset();
      await back;
      await alice.deliver(bob.peerId, { type: "number", payload: afterBytes });
      const tookMs = Math.round(performance.now() - startedAt);
      if (tookMs > SOON_MS) slow.push(`cut after ${afterBytes} bytes: back after ${tookMs} ms`);
    }
    expect(slow).toEqual([]);
    expect(proxy.cuts.reset).toBeGreaterThan(40);
  });

  test("a half-open link is found within 15 s when data waits, at either side or at both", { timeout: 60_000 }, async () => {
    // At the same time: each of them is mostly waiting.
    const waiting = [["alice"], ["bob"], ["alice", "bob"]] as const;
    const times = await Promise.all(
      waiting.map(async (sides) => {
        const pair = await proxiedPair();
        const { alice, bob, proxy } = pair;
        await Promise.all([alice.ping(bob.peerId), bob.ping(alice.peerId)]);
        const failed = [record(alice, "failed"), record(bob, "failed")];
        proxy.stall();
        const startedAt = performance.now();
        await Promise.all(
          sides.map((side) => {
            const other = side === "alice" ? bob : alice;
            return pair[side].deliver(other.peerId, { type: "waits", payload: side });
          }),
        );
        expect(failed).toEqual([[], []]);
        return performance.now() - startedAt;
      }),
    );
    console.log(`half-open TCP links were found, and replaced, after ${times.map((ms) => (ms / 1000).toFixed(1)).join(", ")} s`);
    for (const ms of times) expect(ms).toBeLessThan(HALF_OPEN_MS);
  });

  test("when the resume window passes, each message is reported by its id, and the session is over", async () => {
    const { alice, bob, proxy } = await proxiedPair({ limits: { resumeWindowMs: 400 } });
    const heard = statusesOf(alice);
    const failed = record(alice, "failed");
    const delivered = record(alice, "delivered");
    const arrivals = record(bob, "message");
    await alice.deliver(bob.peerId, { type: "early", payload: 0 });
    const before = [...delivered];
    proxy.refuse();
    proxy.stall();
    // Some on a link that leads nowhere, some without any link.
    const ids: string[] = [];
    const send = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const id = ids.length.toString(16).padStart(32, "0");
        expect(alice.sendMessage(bob.peerId, { type: "late", payload: ids.length, id })).toBe(true);
        ids.push(id);
      }
    };
    send(50);
    const over = next(alice, "connection", ({ status }) => status === "disconnected");
    const lost = next(alice, "connection", ({ status }) => status === "reconnecting");
    proxy.reset();
    await lost;
    send(50);
    const waiting = alice.deliver(bob.peerId, { type: "late", payload: "last" }).catch((error: unknown) => error);
    const startedAt = performance.now();
    expect((await over).error?.code).toBe("ERR_CLOSED_TIMEOUT");
    expect(performance.now() - startedAt).toBeLessThan(SOON_MS);
    expect(await waiting).toMatchObject({ code: "ERR_CLOSED_TIMEOUT" });
    expect(failed.slice(0, 100).map((event) => event.messageId)).toEqual(ids);
    expect(failed).toHaveLength(101);
    expect(new Set(failed.map((event) => event.error.code))).toEqual(new Set(["ERR_CLOSED_TIMEOUT"]));
    expect(delivered).toEqual(before);
    expect(arrivals).toHaveLength(1);
    expect(heard).toEqual(["reconnecting", "disconnected"]);
    expect(alice.sendMessage(bob.peerId, { type: "late", payload: "too late" })).toBe(false);

    // A new session is no continuation: nothing of the old one comes back.
    proxy.acceptAgain();
    await until([bob], () => bob.getPeer(alice.peerId) === null, "Bob gives up, too");
    await alice.connectToPeer("127.0.0.1", proxy.port);
    await alice.deliver(bob.peerId, { type: "new", payload: 1 });
    expect(arrivals.map((message) => message.type)).toEqual(["early", "new"]);
  });
});
