// PeerSession over links that come, go and misbehave.

import { describe, expect, test } from "vitest";
import { type RecordVisitor, readRecord } from "../../../src/core/session/record.js";
import { EvilPeer } from "../../sim/evil-peer.js";
import { MemoryWire } from "../../sim/memory-link.js";
import { PlainChannel } from "../../sim/plain-channel.js";
import { faultsOf } from "../../sim/schedule.js";
import { LANE_BULK, LANE_CONTROL, LANE_INTERACTIVE, SessionPair } from "../../sim/session-pair.js";

function expectWhole(pair: SessionPair): void {
  expect([...faultsOf(pair.alice, pair.bob), ...faultsOf(pair.bob, pair.alice)]).toEqual([]);
}

/** What the entries of a record are, in order. */
function entriesOf(record: Uint8Array): string[] {
  const kinds: string[] = [];
  const visitor = new Proxy({}, { get: (_, kind) => () => kinds.push(String(kind)) });
  readRecord(record, visitor as RecordVisitor);
  return kinds;
}

describe("what a link has to say", () => {
  test("leaves in one record with the data of that turn: the answer to the first hello", () => {
    const pair = new SessionPair();
    pair.bob.onStatus = () => pair.bob.send(LANE_INTERACTIVE, 100);
    const wire = pair.connect();
    expect(entriesOf(wire.back[0] as Uint8Array)).toEqual(["hello", "ping", "ack", "ack", "ack", "data"]);
    expectWhole(pair);
  });

  test("leaves in one record with the data of that turn: the answer to a ping", () => {
    const pair = new SessionPair();
    const wire = pair.connect();
    const before = wire.back.length;
    pair.bob.onMessage = () => pair.bob.send(LANE_INTERACTIVE, 10);
    pair.alice.session.ping(() => undefined);
    pair.alice.send(LANE_INTERACTIVE, 10);
    pair.run(5);
    expect(entriesOf(wire.back[before] as Uint8Array)).toEqual(["pong", "ack", "data"]);
    expectWhole(pair);
  });

  test("leaves by a link that carries no data as well", () => {
    const pair = new SessionPair();
    pair.connect({ rank: 20 });
    const worse = pair.link({ rank: 30 });
    pair.run(5);
    const entries = [...worse.forth, ...worse.back].flatMap(entriesOf);
    expect(entries.filter((kind) => kind === "hello").length).toBe(2);
    expect(entries.filter((kind) => kind === "ping").length).toBeGreaterThan(0);
    expect(entries.filter((kind) => kind === "pong").length).toBe(entries.filter((kind) => kind === "ping").length);
  });
});

describe("a session whose link dies", () => {
  test("reconnects on the next link, and every message arrives once and in order", () => {
    const pair = new SessionPair();
    const wire = pair.connect({ delayMs: 10 });
    for (let i = 0; i < 20; i++) pair.alice.send(LANE_INTERACTIVE, 100);
    pair.run(5);
    wire.cut();
    pair.run(1);
    for (let i = 0; i < 20; i++) pair.bob.send(LANE_INTERACTIVE, 100);
    expect(pair.alice.session.status).toBe("reconnecting");
    expect(pair.bob.received).toEqual([]);
    pair.run(5_000);
    pair.link({ from: "bob", delayMs: 10 });
    pair.run(1_000);
    for (const peer of [pair.alice, pair.bob]) {
      expect(peer.statuses).toEqual(["connecting", "connected", "reconnecting", "connected"]);
    }
    expect(pair.alice.errors.map((error) => error?.code)).toEqual([undefined, "ERR_CLOSED_ABORTED", undefined]);
    expectWhole(pair);
  });

  test("announces the window that it has then: what had arrived unacknowledged is room again", () => {
    const pair = new SessionPair({ receiveBufferBytes: 64 * 1024 });
    const wire = pair.connect({ delayMs: 1 });
    for (let i = 0; i < 10; i++) pair.alice.send(LANE_INTERACTIVE, 30_000);
    // The data has arrived, its acknowledgement has not.
    pair.run(3);
    wire.cut();
    pair.run(10);
    pair.connect();
    pair.run(1_000);
    expectWhole(pair);
  });

  test("ends when the resume window passes, and reports each message by id", () => {
    const pair = new SessionPair();
    const wire = pair.connect();
    wire.cut();
    pair.run(1);
    const ids = [pair.alice.send(LANE_INTERACTIVE, 10), pair.alice.send(LANE_BULK, 10)];
    pair.run(59_990);
    expect(pair.alice.session.status).toBe("reconnecting");
    pair.run(20);
    expect(pair.alice.statuses.at(-1)).toBe("disconnected");
    expect(pair.alice.failed.map(({ id, error }) => [id, error.code])).toEqual(ids.map((id) => [id, "ERR_CLOSED_TIMEOUT"]));
  });

  test("finds a frozen link in the stated time and goes on over another", () => {
    for (const [kind, limitMs] of [
      // The silence before a ping, and the least time for an answer, as the round trip is short.
      ["tcp", 13_000],
      ["relay", 13_000],
      ["webrtc", 8_000],
    ] as const) {
      const pair = new SessionPair();
      const wire = pair.connect({ kind });
      pair.run(100);
      wire.freeze();
      pair.alice.send(LANE_INTERACTIVE, 10);
      pair.run(limitMs - 200);
      expect(pair.alice.session.status, kind).toBe("connected");
      pair.run(300);
      expect(pair.alice.session.status, kind).toBe("reconnecting");
      expect(pair.alice.errors.at(-1)?.code).toBe("ERR_CLOSED_TIMEOUT");
      pair.connect();
      pair.run(100);
      expectWhole(pair);
    }
  });

  test("finds it no later when the application asks for the round-trip time again and again", () => {
    const pair = new SessionPair();
    const wire = pair.connect();
    wire.freeze();
    for (let i = 0; i < 22; i++) {
      pair.alice.session.ping(() => {});
      pair.run(1_000);
    }
    expect(pair.alice.session.status).toBe("reconnecting");
  });

  test("keeps a quiet link for hours with a ping now and then", () => {
    const pair = new SessionPair();
    const wire = pair.connect({ delayMs: 0 });
    pair.run(3_600_000);
    expect(pair.alice.statuses).toEqual(["connecting", "connected"]);
    expect(wire.forth.length).toBeLessThan(3_600 / 4);
    expect(pair.alice.session.rttMs).toBe(0);
  });

  test("goes back to a link that it had stood down from, when the better one dies at once", () => {
    const pair = new SessionPair();
    pair.connect({ kind: "relay", rank: 90, delayMs: 50 });
    const better = pair.link({ kind: "tcp", rank: 20, delayMs: 1 });
    // Both have moved over; over the slow link, neither has heard that the other stands down.
    pair.run(8);
    expect(pair.alice.session.path).toBe("tcp");
    better.cut();
    pair.run(5);
    expect(pair.alice.session.path).toBe("relay");
    pair.alice.send(LANE_INTERACTIVE, 10);
    pair.run(500);
    expect(pair.alice.statuses).toEqual(["connecting", "connected"]);
    expectWhole(pair);
  });

  test("asks the link that takes over from a silent one at once: it may have died with it", () => {
    const pair = new SessionPair();
    const standby = pair.connect({ kind: "relay", rank: 90, delayMs: 50 });
    const better = pair.link({ kind: "webrtc", rank: 40, delayMs: 1 });
    pair.run(8);
    for (const wire of [standby, better]) wire.freeze();
    pair.run(8_100);
    expect(pair.alice.paths).toEqual(["relay", "webrtc", "relay"]);
    pair.run(2_500);
    expect(pair.alice.statuses.at(-1)).toBe("reconnecting");
  });
});

describe("migration", () => {
  const ranks = [
    ["relay", 90],
    ["tcp", 20],
    ["webrtc", 40],
  ] as const;

  test.each(["alice", "bob"] as const)("moves both sides to the better link while traffic flows: dialled by %s", (from) => {
    const pair = new SessionPair();
    pair.connect({ kind: "relay", rank: 90, delayMs: 40, bytesPerMs: 500 });
    for (let i = 0; i < 40; i++) {
      pair.alice.send(i % 2 ? LANE_BULK : LANE_INTERACTIVE, 9_000);
      pair.bob.send(LANE_INTERACTIVE, 5_000);
      if (i === 10) pair.link({ from, kind: "webrtc", rank: 40, delayMs: 5 });
      if (i === 20) pair.link({ from, kind: "tcp", rank: 20, delayMs: 1 });
      pair.run(7);
    }
    pair.run(5_000);
    for (const peer of [pair.alice, pair.bob]) {
      expect(peer.paths).toEqual(["relay", "webrtc", "tcp"]);
      expect(peer.statuses).toEqual(["connecting", "connected"]);
    }
    expectWhole(pair);
  });

  test("falls back from any kind to any other", () => {
    for (const [first, firstRank] of ranks) {
      for (const [second, secondRank] of ranks) {
        const pair = new SessionPair();
        const wire = pair.connect({ kind: first, rank: firstRank });
        for (let i = 0; i < 10; i++) pair.alice.send(LANE_INTERACTIVE, 3_000);
        pair.run(1);
        wire.cut(0, 30);
        pair.link({ kind: second, rank: secondRank, from: "bob" });
        pair.run(30_000);
        expectWhole(pair);
        expect(pair.alice.session.path).toBe(second);
      }
    }
  });

  test("does not leave a path that works for one that carries nothing back", () => {
    const pair = new SessionPair();
    pair.connect({ kind: "relay", rank: 90 });
    const half = pair.link({ kind: "tcp", rank: 20 });
    half.freeze("back");
    pair.run(5_000);
    pair.bob.send(LANE_INTERACTIVE, 10);
    pair.run(100);
    expect(pair.bob.session.path).toBe("relay");
    expect(pair.alice.received.length).toBe(1);
    pair.run(60_000);
    expect(pair.bob.statuses).toEqual(["connecting", "connected"]);
    expect(half.ended).toBe(true);
  });

  test("does not turn a worse link down before its own has answered: the other side may know more", () => {
    const pair = new SessionPair();
    const dead = pair.connect({ kind: "tcp", rank: 20 });
    dead.freeze();
    pair.link({ kind: "relay", rank: 90, from: "bob" });
    pair.run(3_000);
    expect(pair.alice.session.path).toBe("relay");
    expect(pair.alice.statuses).toEqual(["connecting", "connected"]);
  });
});

describe("two links at the same time", () => {
  test.each([0, 1, 5, 40])("end as one, the same on both sides, without a flap (%i ms apart)", (apartMs) => {
    const pair = new SessionPair();
    const wires = [pair.link({ from: "alice", delayMs: 10 })];
    pair.run(apartMs);
    wires.push(pair.link({ from: "bob", delayMs: 10 }));
    pair.alice.send(LANE_INTERACTIVE, 10);
    pair.bob.send(LANE_INTERACTIVE, 10);
    pair.run(5_000);
    expect(wires.map((wire) => wire.ended)).toEqual([false, true]);
    for (const peer of [pair.alice, pair.bob]) {
      expect(peer.statuses).toEqual(["connecting", "connected"]);
      expect(peer.paths).toEqual(["tcp"]);
    }
    expectWhole(pair);
  });

  test("that one side dialled both, and that arrive in another order, end as one as well", () => {
    const pair = new SessionPair();
    const wires = [pair.link({ delayMs: 50, acceptAfterMs: 60 }), pair.link({ delayMs: 1, acceptAfterMs: 2 })];
    pair.run(10_000);
    expect(wires.filter((wire) => !wire.ended).length).toBe(1);
    expect(pair.alice.statuses).toEqual(["connecting", "connected"]);
  });

  test("a peer that opens links without end holds four at most, and the session lives", () => {
    const pair = new SessionPair();
    const wires = [pair.connect()];
    for (let i = 0; i < 50; i++) {
      const wire = new MemoryWire(pair.clock, {});
      wires.push(wire);
      new PlainChannel(wire.accepting, false).join(pair.bob.session, 90);
    }
    expect(wires.filter((wire) => !wire.accepting.ended).length).toBeLessThanOrEqual(4);
    pair.alice.send(LANE_INTERACTIVE, 10);
    pair.run(20_000);
    expectWhole(pair);
    expect(wires.filter((wire) => !wire.accepting.ended).length).toBe(1);
  });
});

describe("a peer that restarted", () => {
  test.each(["alice", "bob"] as const)(
    "is noticed: what was under way is reported lost by id, and a new session works (%s dials)",
    (from) => {
      const pair = new SessionPair();
      const wire = pair.connect({ delayMs: 20 });
      pair.alice.send(LANE_INTERACTIVE, 10);
      pair.run(100);
      const lost = [pair.alice.send(LANE_INTERACTIVE, 10), pair.alice.send(LANE_BULK, 10)];
      pair.bob.restart();
      wire.cut();
      pair.run(10);
      pair.link({ from, delayMs: 5 });
      pair.run(200);
      expect(pair.alice.failed.map(({ id, error }) => [id, error.code])).toEqual(lost.map((id) => [id, "ERR_SESSION_LOST"]));
      const id = pair.alice.send(LANE_INTERACTIVE, 10);
      const back = pair.bob.send(LANE_INTERACTIVE, 10);
      pair.run(100);
      expect(pair.alice.delivered.at(-1)).toBe(id);
      expect(pair.bob.delivered).toEqual([back]);
      expect(pair.alice.statuses).toEqual(["connecting", "connected", "reconnecting", "connected"]);
    },
  );

  test("is noticed while the old link seems alive, and what a callback sends meanwhile is not lost", () => {
    const pair = new SessionPair();
    pair.connect().freeze();
    pair.alice.send(LANE_INTERACTIVE, 10);
    let again: string | null = null;
    pair.alice.onStatus = (status) => {
      if (status === "reconnecting") again = pair.alice.send(LANE_INTERACTIVE, 20);
    };
    pair.alice.onFailed = (id) => {
      if (id === "alice-1-0") pair.alice.send(LANE_INTERACTIVE, 30);
    };
    pair.bob.restart();
    pair.link({ from: "bob" });
    pair.run(1_000);
    expect(again).toBe("alice-1-1");
    expect(pair.alice.delivered).toEqual(["alice-1-1", "alice-1-2"]);
    expect(pair.alice.failed.map(({ id }) => id)).toEqual(["alice-1-0"]);
  });
});

describe("the end of a session", () => {
  test("is told to the other side, which is disconnected at once and reports its messages", () => {
    const pair = new SessionPair();
    const wire = pair.connect({ delayMs: 5 });
    const id = pair.bob.send(LANE_INTERACTIVE, 10);
    pair.alice.session.close("done", null);
    pair.run(6);
    expect(pair.alice.statuses.at(-1)).toBe("disconnected");
    expect(pair.bob.statuses.at(-1)).toBe("disconnected");
    expect(pair.bob.errors.at(-1)?.code).toBe("ERR_CLOSED_BY_PEER");
    expect(pair.bob.failed.map((failure) => failure.id)).toEqual([id]);
    pair.run(10);
    expect(wire.ended).toBe(true);
    pair.run(100_000);
    expect(pair.clock.pendingTimers).toBe(0);
    expect(pair.bob.statuses.filter((status) => status === "disconnected").length).toBe(1);
  });

  test("answers whoever waits for a delivery, also when asked afterwards", () => {
    const pair = new SessionPair();
    pair.connect().freeze();
    pair.alice.send(LANE_INTERACTIVE, 10);
    pair.alice.send(LANE_BULK, 10);
    const told: (string | null)[] = [];
    let flushed = 0;
    pair.alice.session.whenDelivered(LANE_BULK, (error) => told.push(error?.code ?? null));
    pair.alice.session.whenFlushed(() => flushed++);
    pair.alice.session.close("leaving", null);
    pair.alice.session.whenDelivered(LANE_BULK, (error) => told.push(error?.code ?? null));
    expect(told).toEqual(["ERR_CLOSED", "ERR_CLOSED"]);
    expect(flushed).toBe(1);
    expect(() => pair.alice.send(LANE_INTERACTIVE, 10)).toThrow();
  });

  test("by a handler lets no further message of the same record through", () => {
    const pair = new SessionPair();
    pair.connect();
    for (let i = 0; i < 5; i++) pair.alice.send(LANE_INTERACTIVE, 10);
    pair.bob.onMessage = () => pair.bob.session.close("done", null);
    pair.run(10);
    expect(pair.bob.received.length).toBe(1);
    expect(pair.bob.statuses.at(-1)).toBe("disconnected");
  });

  test("leaves each message with one fate", () => {
    const pair = new SessionPair();
    pair.connect({ delayMs: 5 });
    const ids = Array.from({ length: 30 }, () => pair.alice.send(LANE_INTERACTIVE, 3_000));
    pair.run(17);
    pair.alice.session.close("done", null);
    pair.run(100);
    expect([...pair.alice.delivered, ...pair.alice.failed.map(({ id }) => id)].sort()).toEqual([...ids].sort());
  });
});

describe("lanes", () => {
  test("a bulk transfer of 8 MiB delays other messages by a few records, not by itself", () => {
    for (const inFlightBytes of [4 * 1024 * 1024, 256 * 1024]) {
      const pair = new SessionPair();
      // 1 MB/s: a record takes 65 ms. The link buffers two.
      pair.connect({ bytesPerMs: 1_000, highWaterBytes: 128 * 1024, inFlightBytes, delayMs: 50 });
      for (let i = 0; i < 8; i++) pair.alice.send(LANE_BULK, 1024 * 1024);
      pair.run(2_000);
      const sentAt = pair.clock.now();
      pair.alice.send(LANE_INTERACTIVE, 100);
      pair.alice.send(LANE_CONTROL, 100);
      pair.run(15_000);
      expect((pair.bob.receivedIn(LANE_INTERACTIVE)[0]?.at ?? Number.POSITIVE_INFINITY) - sentAt).toBeLessThan(50 + 5 * 66);
      expect((pair.bob.control[0]?.at ?? Number.POSITIVE_INFINITY) - sentAt).toBeLessThan(50 + 5 * 66);
      expectWhole(pair);
    }
  });

  test("bulk data that waits for its acknowledgement on a long path leaves room for others", () => {
    const pair = new SessionPair();
    pair.connect({ delayMs: 1_000, inFlightBytes: 256 * 1024 });
    pair.run(5_000);
    pair.alice.send(LANE_BULK, 2 * 1024 * 1024);
    pair.run(500);
    const sentAt = pair.clock.now();
    pair.alice.send(LANE_INTERACTIVE, 100);
    pair.run(60_000);
    expect((pair.bob.receivedIn(LANE_INTERACTIVE)[0]?.at ?? Number.POSITIVE_INFINITY) - sentAt).toBeLessThan(1_010);
    expectWhole(pair);
  });

  test("bulk data keeps its share when the interactive lane could fill everything", () => {
    const pair = new SessionPair();
    pair.connect({ bytesPerMs: 1_000, highWaterBytes: 128 * 1024 });
    pair.alice.send(LANE_BULK, 200_000);
    for (let i = 0; i < 40; i++) pair.alice.send(LANE_INTERACTIVE, 60_000);
    pair.run(10_000);
    const order = pair.bob.received.map((message) => message.number);
    expect(order.indexOf(0)).toBeLessThan(order.length - 10);
    expectWhole(pair);
  });
});

describe("the window", () => {
  test("stops the sender while messages are held, and lets it go on when they are released", () => {
    const pair = new SessionPair({ receiveBufferBytes: 256 * 1024 });
    pair.connect();
    const held: (() => void)[] = [];
    // biome-ignore lint/suspicious/noThenProperty: it stands in for a promise
    pair.bob.hold = () => ({ then: (done) => void held.push(() => done?.()) as never });
    for (let i = 0; i < 64; i++) pair.alice.send(LANE_INTERACTIVE, 64 * 1024);
    pair.run(10_000);
    const stopped = pair.bob.received.length;
    expect(stopped).toBeGreaterThan(2);
    expect(stopped).toBeLessThan(10);
    pair.run(60_000);
    expect(pair.bob.received.length).toBe(stopped);
    expect(pair.alice.session.status).toBe("connected");
    pair.bob.hold = null;
    for (const release of held) release();
    pair.run(5_000);
    expectWhole(pair);
  });

  test("is released by a handler that rejects as well", async () => {
    const pair = new SessionPair({ receiveBufferBytes: 256 * 1024 });
    pair.connect();
    pair.bob.hold = () => Promise.reject(new Error("a handler that fails"));
    for (let i = 0; i < 20; i++) pair.alice.send(LANE_INTERACTIVE, 64 * 1024);
    for (let i = 0; i < 100; i++) {
      pair.run(20);
      await Promise.resolve();
    }
    expectWhole(pair);
  });

  test("a peer that never acknowledges gets no more than the window, and our queue tells", () => {
    const pair = new SessionPair();
    const evil = new EvilPeer(pair);
    evil.greet({ window: 100_000 });
    pair.run(10);
    for (let i = 0; i < 10; i++) pair.bob.send(LANE_INTERACTIVE, 64 * 1024);
    pair.run(1_000);
    expect(evil.dataBytes).toBe(100_000);
    expect(pair.bob.session.queuedBytes).toBe(10 * (64 * 1024 + 4));
  });
});
