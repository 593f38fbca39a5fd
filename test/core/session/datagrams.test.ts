// Messages that may be dropped or replaced, over links with datagrams: faster where something was lost, and told as truly as ever.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { ByteWriter } from "../../../src/core/bytes.js";
import type { Millis } from "../../../src/core/runtime.js";
import { SEEN_NUMBERS } from "../../../src/core/seen-numbers.js";
import type { Freshness } from "../../../src/core/session/late-queue.js";
import { encodeNumbered, MAX_FLYING, MAX_KEYS } from "../../../src/core/session/numbered.js";
import { EvilPeer } from "../../sim/evil-peer.js";
import type { DatagramFate, MemoryWire } from "../../sim/memory-link.js";
import { LANE_INTERACTIVE, type LinkPlan, messageOf, SessionPair, type SimPeer } from "../../sim/session-pair.js";

const DELAY_MS = 25;
/** Until the first acknowledgement: one and a half of what is taken for a round trip, and the timers' share. */
const FIRST_WAIT_MS = 1.5 * 100 + 20;
const lost: DatagramFate = () => [];
const arrives: DatagramFate = () => [DELAY_MS];

/** Alice and Bob over a wire with datagrams, of which the test says what becomes. */
class Lab {
  readonly pair: SessionPair;
  readonly wire: MemoryWire;
  /** Of Alice's datagrams. */
  fate: DatagramFate = arrives;
  /** Of Bob's. */
  fateBack: DatagramFate = arrives;
  #sent = 0;

  constructor(plan: LinkPlan = {}, options: ConstructorParameters<typeof SessionPair>[0] = {}) {
    this.pair = new SessionPair(options);
    this.wire = this.pair.connect(this.plan(plan));
    this.pair.run(200);
  }

  plan(plan: LinkPlan = {}): LinkPlan {
    return {
      kind: "webrtc",
      rank: 40,
      delayMs: DELAY_MS,
      datagrams: (datagram, index) => this.fate(datagram, index),
      acceptingDatagrams: (datagram, index) => this.fateBack(datagram, index),
      ...plan,
    };
  }

  send(freshness: Freshness, length = 40, by: SimPeer = this.pair.alice): number {
    const number = this.#sent++;
    by.session.sendLate(messageOf(number, length), `m${number}`, freshness);
    return number;
  }

  run(ms: Millis): void {
    this.pair.run(ms);
  }

  /** Numbers of what Bob was handed, in order. */
  get received(): number[] {
    expect(this.pair.bob.received.every(({ intact }) => intact)).toBe(true);
    return this.pair.bob.received.map(({ number }) => number);
  }

  /** What Alice was told of each message, in order: its number, and how it failed. */
  get told(): string[] {
    return this.#told;
  }
  readonly #told: string[] = [];

  /** Writes down what Alice is told from now on. */
  listen(): this {
    const { alice } = this.pair;
    alice.delivered.push = (id) => this.#told.push(id);
    alice.onFailed = (id) => this.#told.push(`${id} ${alice.failed.at(-1)?.error.code}`);
    return this;
  }
}

function lab(plan?: LinkPlan, options?: ConstructorParameters<typeof SessionPair>[0]): Lab {
  return new Lab(plan, options).listen();
}

describe("a message with a time to live or a key", () => {
  test("goes by datagram and is acknowledged by datagram: no record is sent for it", () => {
    const one = lab();
    const records = one.wire.forth.length + one.wire.back.length;
    one.send({ ttlMs: 1_000 });
    one.send({ latest: "cursor" });
    one.run(DELAY_MS + 1);
    expect(one.received).toEqual([0, 1]);
    expect(one.pair.alice.session.queuedBytes).toBeGreaterThan(0);
    one.run(10 + DELAY_MS);
    expect(one.told).toEqual(["m0", "m1"]);
    expect(one.pair.alice.session.queuedBytes).toBe(0);
    expect(one.pair.alice.acknowledgements).toBeGreaterThan(0);
    expect(one.wire.forth.length + one.wire.back.length).toBe(records);
    // One acknowledgement for both, as they came at once.
    expect([one.wire.datagramsForth.length, one.wire.datagramsBack.length]).toEqual([2, 1]);
  });

  test("does not wait for what was lost before it, be it a record or a datagram", () => {
    const one = lab();
    one.fate = (_datagram, index) => (index === 0 ? [] : [DELAY_MS]);
    one.wire.stall();
    one.pair.alice.send(LANE_INTERACTIVE, 100);
    const first = one.send({ ttlMs: 1_000 });
    one.run(1);
    const second = one.send({ ttlMs: 1_000 });
    one.run(DELAY_MS);
    expect([first, second, one.received]).toEqual([0, 1, [1]]);
  });

  test("other messages go by the lane, and so do those that fit into no datagram", () => {
    const one = lab();
    one.send({ ttlMs: 5_000 }, 1_100);
    one.send({ latest: "big" }, 50_000);
    one.pair.alice.session.sendMessage(messageOf(2, 40), LANE_INTERACTIVE);
    one.run(500);
    expect(one.wire.datagramsForth).toEqual([]);
    expect([...one.received].sort()).toEqual([0, 1, 2]);
    expect([...one.told].sort()).toEqual(["m0", "m1", "m2"]);
  });

  test.each([
    ["the datagram", lost, arrives],
    ["its acknowledgement", arrives, lost],
  ] as const)("comes once, by the lane, when %s was lost", (_name, fate, fateBack) => {
    const one = lab();
    one.fate = fate;
    one.fateBack = fateBack;
    one.send({ latest: "cursor" });
    one.run(FIRST_WAIT_MS - 1);
    expect(one.told).toEqual([]);
    one.run(1 + DELAY_MS);
    expect(one.received).toEqual([0]);
    one.run(10 + DELAY_MS);
    expect(one.received).toEqual([0]);
    expect(one.told).toEqual(["m0"]);
    expect(one.pair.alice.session.queuedBytes).toBe(0);
  });

  test("comes once when its datagram comes twice, or long after its copy in the lane", () => {
    const one = lab();
    one.fate = (_datagram, index) => (index === 0 ? [DELAY_MS, DELAY_MS, DELAY_MS + 7, 600] : [DELAY_MS]);
    one.send({ ttlMs: 1_000 });
    one.run(200);
    one.fate = (_datagram, index) => (index === 1 ? [900] : [DELAY_MS]);
    one.send({ ttlMs: 1_000 });
    one.run(2_000);
    expect(one.received).toEqual([0, 1]);
    expect(one.told).toEqual(["m0", "m1"]);
  });

  test("is not sent again when it was lost and is too old by then, which is told", () => {
    const one = lab();
    one.fate = lost;
    one.send({ ttlMs: 60 });
    const records = one.wire.forth.length;
    one.run(FIRST_WAIT_MS - 1);
    expect(one.told).toEqual([]);
    one.run(3_000);
    expect(one.told).toEqual(["m0 ERR_MESSAGE_EXPIRED"]);
    expect(one.received).toEqual([]);
    expect(one.wire.forth.length).toBe(records);
  });

  test("goes by the lane at once when the link drops its datagram before it leaves", () => {
    const one = lab();
    one.fate = () => null;
    one.send({ latest: "cursor" });
    one.send({ ttlMs: 20 });
    one.run(DELAY_MS + 1);
    expect(one.received).toEqual([0, 1]);
    one.run(10 + DELAY_MS);
    expect(one.told).toEqual(["m0", "m1"]);
  });

  test("waits for the window of a slow receiver, and what came beyond it is not held", () => {
    const one = lab({}, { receiveBufferBytes: 1_000 });
    const { bob } = one.pair;
    const release: (() => void)[] = [];
    bob.hold = () => ({
      // biome-ignore lint/suspicious/noThenProperty: it stands in for a promise
      then: (done) => {
        release.push(() => done?.());
        return undefined as never;
      },
    });
    for (let i = 0; i < 30; i++) {
      one.send({ ttlMs: 60_000 }, 200);
      one.run(200);
    }
    // Three of 200 bytes, with what each counts beside them; and what the lane had been allowed before.
    expect(one.received.length).toBeLessThan(9);
    expect(one.pair.alice.session.queuedBytes).toBeGreaterThan(20 * 200);
    for (let i = 0; i < 40; i++) {
      for (const done of release.splice(0)) done();
      one.run(400);
    }
    expect([...one.received].sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(one.told.length).toBe(30);
  });
});

describe("a message of which only the latest counts", () => {
  test("is not handed on behind a newer one that has overtaken it", () => {
    const one = lab();
    one.fate = (_datagram, index) => (index === 0 ? [150] : [DELAY_MS]);
    one.send({ latest: "cursor" });
    one.run(5);
    one.send({ latest: "cursor" });
    one.send({ latest: "scroll" });
    one.run(1_000);
    expect(one.received).toEqual([1, 2]);
    expect(one.told).toEqual(["m1", "m2", "m0 ERR_MESSAGE_REPLACED"]);
  });

  test("is not sent again when it was lost and a newer one is under way, and longer is waited for its acknowledgement", () => {
    const one = lab();
    const records = one.wire.forth.length;
    one.fate = (_datagram, index) => [[], [100], [600]][index] ?? [];
    one.send({ latest: "cursor" });
    one.run(FIRST_WAIT_MS - 10);
    one.send({ latest: "cursor" });
    one.run(500);
    expect(one.told).toEqual(["m1"]);
    expect(one.wire.forth.length).toBe(records);
    one.run(200);
    expect(one.told).toEqual(["m1", "m0 ERR_MESSAGE_REPLACED"]);
    expect(one.received).toEqual([1]);
    // The wait for the next one does not wait for that.
    one.send({ latest: "scroll" });
    one.run(400);
    expect(one.received).toEqual([1, 2]);
    expect(one.told.at(-1)).toBe("m2");
  });

  test("does not overtake one of its key that a datagram has lost and that waits in the lane; other keys do", () => {
    const one = lab();
    one.fate = lost;
    one.wire.stall();
    one.send({ latest: "cursor" });
    one.run(FIRST_WAIT_MS);
    one.fate = arrives;
    one.send({ latest: "cursor" });
    one.send({ latest: "scroll" });
    one.send({ ttlMs: 1_000 });
    one.run(DELAY_MS);
    expect(one.received).toEqual([2, 3]);
    one.wire.thaw();
    one.run(100);
    expect(one.received).toEqual([2, 3, 0, 1]);
    // And flies again as soon as the lane is through.
    const records = one.wire.forth.length;
    one.send({ latest: "cursor" });
    one.run(100);
    expect(one.wire.forth.length).toBe(records);
    expect(one.told).toEqual(["m2", "m3", "m0", "m1", "m4"]);
  });

  test("does not overtake one that went into the lane before there were datagrams", () => {
    const one = new Lab({ datagrams: undefined, acceptingDatagrams: undefined, rank: 90, kind: "relay" }).listen();
    one.wire.freeze("forth");
    one.send({ latest: "cursor" });
    one.run(20);
    // Datagrams are far ahead of records here.
    one.fate = () => [1];
    const direct = one.pair.link(one.plan());
    while (one.pair.alice.session.path !== "webrtc") one.run(1);
    one.send({ latest: "cursor" });
    one.run(10);
    expect(one.received).toEqual([]);
    one.run(1_000);
    expect(one.received).toEqual([0, 1]);
    one.send({ latest: "cursor" });
    one.run(2);
    expect(direct.datagramsForth.length).toBe(1);
    expect(one.received).toEqual([0, 1, 2]);
    one.run(200);
    expect(one.told).toEqual(["m0", "m1", "m2"]);
  });

  test("keeps apart more keys than have a number at a time", () => {
    const one = lab();
    const keys = MAX_KEYS + 300;
    for (let round = 0; round < 2; round++) {
      for (let key = 0; key < keys; key++) {
        one.send({ latest: `key ${key}` });
        if (key % 50 === 49) one.run(120);
      }
      one.run(200);
    }
    expect(one.received).toEqual(Array.from({ length: 2 * keys }, (_, i) => i));
    expect(one.told.every((told) => !told.includes(" "))).toBe(true);
    expect(one.told.length).toBe(2 * keys);
    expect(one.wire.datagramsForth.length).toBe(2 * keys);
  });
});

describe("many messages at once", () => {
  test("fly as far as one acknowledgement tells of them; the others take the lane, and all arrive once", () => {
    const one = lab();
    const count = 3 * SEEN_NUMBERS;
    for (let i = 0; i < count; i++) one.send({ ttlMs: 60_000 });
    one.run(1);
    expect(one.wire.datagramsForth.length).toBe(MAX_FLYING);
    one.run(5_000);
    expect([...one.received].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(one.told.length).toBe(count);
    expect(one.pair.alice.session.queuedBytes).toBe(0);
  });

  test("leave one that waits in the lane within the numbers that the other side can tell apart", () => {
    const one = lab();
    one.fate = (_datagram, index) => (index === 0 ? [] : [DELAY_MS]);
    one.wire.stall();
    for (let i = 0; i < 51; i++) one.send({ ttlMs: 60_000 });
    one.run(300);
    expect(one.received.length).toBe(50);
    for (let i = 0; i < 30; i++) {
      for (let j = 0; j < 40; j++) one.send({ ttlMs: 60_000 });
      one.run(70);
    }
    one.wire.thaw();
    one.run(500);
    expect(one.received).toContain(0);
    expect([...one.received].sort((a, b) => a - b)).toEqual(Array.from({ length: 1_251 }, (_, i) => i));
  });

  test("with keys wait while the other side could not tell them apart any more, and go on after that", () => {
    const one = lab();
    one.fate = lost;
    one.wire.freeze();
    const count = SEEN_NUMBERS + 500;
    for (let i = 0; i < count; i++) one.send({ latest: `key ${i}` });
    one.run(5);
    expect(one.pair.alice.session.queuedBytes).toBeGreaterThan(500 * 40);
    one.run(2_000);
    one.wire.thaw();
    one.run(5_000);
    expect([...one.received].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(new Set(one.told).size).toBe(count);
  });
});

describe("a path on which datagrams do not get through", () => {
  test("delays each message by some round trips at most, and heals at once", () => {
    const one = lab();
    one.fate = lost;
    const delays: number[] = [];
    const sendAndTime = (): void => {
      const sentAt = one.pair.clock.now();
      one.send({ ttlMs: 60_000 });
      one.pair.bob.onMessage = () => delays.push((one.pair.bob.received.at(-1)?.at ?? 0) - sentAt);
      one.run(2_000);
    };
    for (let i = 0; i < 10; i++) sendAndTime();
    // First by what is taken for a round trip without knowing it; the wait grows to one and a half seconds, and stays there.
    expect(delays[0]).toBeCloseTo(1.5 * 100 + 20 + DELAY_MS, 0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1_500 + 20 + DELAY_MS);
    one.fate = arrives;
    sendAndTime();
    expect(delays.at(-1)).toBe(DELAY_MS);
    expect(one.received).toEqual(Array.from({ length: 11 }, (_, i) => i));
    expect(one.told.length).toBe(11);
  });

  test("a round trip that grows tenfold is learnt, and what it delayed is handed on once", () => {
    const one = lab();
    one.fate = () => [10 * DELAY_MS];
    for (let i = 0; i < 60; i++) {
      one.send({ ttlMs: 60_000 });
      one.run(50);
    }
    one.run(2_000);
    const records = one.wire.forth.length;
    for (let i = 0; i < 20; i++) {
      one.send({ ttlMs: 60_000 });
      one.run(50);
    }
    one.run(1_000);
    expect(one.wire.forth.length - records).toBeLessThan(3);
    expect([...one.received].sort((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, i) => i));
  });
});

describe("when links change", () => {
  test("what flew on a link that died comes by the next one, once", () => {
    const one = lab();
    one.fate = (_datagram, index) => (index === 0 ? [DELAY_MS] : []);
    one.send({ ttlMs: 60_000 });
    one.run(DELAY_MS + 1);
    one.send({ ttlMs: 60_000 });
    one.send({ latest: "cursor" });
    one.send({ ttlMs: 500 });
    one.wire.cut();
    one.run(3_000);
    expect(one.pair.alice.session.status).toBe("reconnecting");
    one.send({ latest: "cursor" });
    one.pair.connect({ rank: 90, kind: "relay" });
    one.run(500);
    expect(one.received).toEqual([0, 1, 2, 4]);
    expect([...one.told].sort()).toEqual(["m0", "m1", "m2", "m3 ERR_MESSAGE_EXPIRED", "m4"]);
  });

  test("a migration to a link without datagrams and back loses nothing and doubles nothing", () => {
    const one = lab();
    for (let i = 0; i < 200; i++) {
      one.send(i % 2 ? { ttlMs: 60_000 } : { latest: `key ${i % 8}` });
      if (i === 60) one.pair.link({ rank: 20, kind: "tcp", delayMs: 3 });
      if (i === 120) one.pair.link(one.plan({ rank: 10, delayMs: 4 }));
      one.run(5);
    }
    one.run(2_000);
    expect(new Set(one.received).size).toBe(one.received.length);
    expect(one.told.filter((told) => told.includes(" ")).every((told) => told.endsWith("REPLACED"))).toBe(true);
    expect(one.told.length).toBe(200);
    for (let key = 0; key < 8; key += 2) {
      const ofKey = one.received.filter((number) => number % 8 === key && number % 2 === 0);
      expect(ofKey).toEqual([...ofKey].sort((a, b) => a - b));
    }
  });

  test("nothing carries over to a process that was restarted: what flew is reported, and numbers begin anew", () => {
    const one = lab();
    one.fate = lost;
    one.send({ latest: "cursor" });
    one.send({ ttlMs: 60_000 });
    one.run(5);
    one.pair.bob.restart();
    one.wire.cut();
    one.run(10);
    one.fate = arrives;
    one.pair.connect(one.plan());
    one.run(100);
    expect([...one.told].sort()).toEqual(["m0 ERR_SESSION_LOST", "m1 ERR_SESSION_LOST"]);
    one.send({ latest: "cursor" });
    one.run(200);
    expect(one.received).toEqual([2]);
    expect(one.told.at(-1)).toBe("m2");
  });

  test("a session that ends reports what flew, once", () => {
    const one = lab();
    one.fate = lost;
    one.send({ latest: "cursor" });
    one.run(5);
    one.pair.alice.session.close("done", null);
    one.run(5_000);
    expect(one.told).toEqual(["m0 ERR_CLOSED"]);
    expect(one.pair.clock.pendingTimers).toBe(0);
  });

  test("who waits for everything to arrive waits for what flies and what waits as well", () => {
    const one = lab();
    one.fate = lost;
    one.send({ latest: "cursor" });
    one.send({ ttlMs: 60_000 });
    one.run(5);
    one.send({ ttlMs: 60_000 }, 2_000);
    let flushedAt: Millis | null = null;
    const askedAt = one.pair.clock.now();
    one.pair.alice.session.whenFlushed(() => {
      flushedAt = one.pair.clock.now() - askedAt;
    });
    one.run(200);
    expect(flushedAt).toBe(2 * DELAY_MS + 10);
    expect([...one.told].sort()).toEqual(["m0", "m1", "m2"]);
    expect([...one.received].sort()).toEqual([0, 1, 2]);
  });

  test("an application that ends the session when it is told of one message is told of each other once", () => {
    const one = lab();
    one.fate = lost;
    const told: string[] = [];
    const { alice } = one.pair;
    alice.onFailed = (id) => {
      told.push(id);
      alice.session.close("done", null);
    };
    for (let i = 0; i < 4; i++) one.send({ ttlMs: 30 });
    one.run(FIRST_WAIT_MS - 5 - DELAY_MS);
    // Something to acknowledge, so that there is a record under way from which she is told.
    one.pair.bob.send(LANE_INTERACTIVE, 10);
    one.run(1_000);
    expect([...told].sort()).toEqual(["m0", "m1", "m2", "m3"]);
  });

  test("an application that sends a lot when it is told of one message does not disturb the record that is being filled", () => {
    const one = lab();
    one.fate = lost;
    const { alice, bob } = one.pair;
    alice.onFailed = () => {
      // More than leaves before a turn ends.
      for (let i = 0; i < 4; i++) alice.send(LANE_INTERACTIVE, 60_000);
    };
    for (let i = 0; i < 2; i++) one.send({ ttlMs: 30 });
    one.run(FIRST_WAIT_MS - 5 - DELAY_MS);
    const id = bob.send(LANE_INTERACTIVE, 10);
    one.run(2_000);
    expect(alice.failed.length).toBe(2);
    // Its acknowledgement stood in that record already.
    expect(bob.delivered).toEqual([id]);
    expect(bob.received.filter(({ length, intact }) => length === 60_000 && intact).length).toBe(8);
    expect(alice.received.length).toBe(1);
    expect(alice.session.status).toBe("connected");
  });
});

describe("somebody with a proven key", () => {
  function evil(): { peer: EvilPeer; pair: SessionPair; send(...datagrams: Uint8Array[]): void } {
    const pair = new SessionPair();
    const peer = new EvilPeer(pair, { datagrams: arrives });
    pair.run(1);
    const send = (...datagrams: Uint8Array[]): void => {
      for (const datagram of datagrams) peer.wire.dialling.datagrams?.send(datagram);
      pair.run(DELAY_MS + 1);
    };
    return { peer, pair, send };
  }

  const numbered = (number: number, key = 0): Uint8Array => encodeNumbered(number, key, messageOf(number, 20));
  const ack = (number: number): Uint8Array => new ByteWriter(7).u8(0x81).u48(number).done();

  test("whose datagram comes before the hello is not heard", () => {
    const { peer, pair, send } = evil();
    send(numbered(0));
    expect(pair.bob.received).toEqual([]);
    expect(pair.bob.session.status).toBe("connecting");
    peer.greet();
    send(numbered(0));
    expect(pair.bob.received.map(({ number }) => number)).toEqual([0]);
  });

  test.each<readonly [string, Uint8Array[]]>([
    ["acknowledges what was never sent", [ack(0)]],
    ["acknowledges number 2^48-1", [ack(2 ** 48 - 1)]],
    ["cuts an acknowledgement short", [ack(0).subarray(0, 6)]],
    ["makes an acknowledgement longer", [Uint8Array.of(0x81, 0)]],
    ["sends a datagram of no kind", [Uint8Array.of(0x82)]],
    ["sends an empty datagram", [new Uint8Array(0)]],
    ["sends an envelope without a number", [messageOf(1, 20)]],
    ["cuts a number short", [numbered(0).subarray(0, 8)]],
    ["uses a key beyond the last", [numbered(0, MAX_KEYS + 1)]],
  ])("who %s breaks the protocol", (_name, datagrams) => {
    const { peer, pair, send } = evil();
    peer.greet();
    send(numbered(7), ...datagrams);
    expect(pair.bob.session.status).toBe("disconnected");
    expect(pair.bob.errors.at(-1)?.code).toMatch(/^ERR_FRAME_(MALFORMED|SEQUENCE)$/);
    pair.run(10);
    expect(peer.goodbyes).toEqual(["protocol"]);
  });

  test("who acknowledges nothing, or what was acknowledged before, says nothing new", () => {
    const { peer, pair, send } = evil();
    peer.greet();
    pair.run(5);
    pair.bob.session.sendLate(messageOf(0, 20), "b0", { latest: "cursor" });
    pair.run(1);
    send(Uint8Array.of(0x81), ack(0), ack(0), ack(0));
    expect(pair.bob.delivered).toEqual(["b0"]);
    expect(pair.bob.session.status).toBe("connected");
  });

  test("who jumps with its numbers, or repeats them, is handed on once each, and what it skipped counts as old", () => {
    const { peer, pair, send } = evil();
    peer.greet();
    send(numbered(5), numbered(5), numbered(2 ** 31), numbered(2 ** 31 - SEEN_NUMBERS), numbered(2 ** 31 - 1), numbered(6));
    send(numbered(2 ** 31), numbered(2 ** 31 - 1));
    expect(pair.bob.received.map(({ number }) => number)).toEqual([5, 2 ** 31, 2 ** 31 - 1]);
  });

  test("who sends 400,000 messages by datagram and takes no acknowledgement makes nobody's memory grow", {
    timeout: 60_000,
  }, () => {
    const { peer, pair } = evil();
    peer.greet();
    pair.run(5);
    let handed = 0;
    pair.bob.received.push = () => ++handed;
    pair.bob.onMessage = null;
    const count = 200_000;
    // biome-ignore lint/complexity/useLiteralKeys: it is protected
    const deliver = (bytes: Uint8Array): void => peer.wire.accepting["deliverDatagram"](bytes);
    const flood = (from: number): void => {
      for (let i = from; i < from + count; i++) {
        deliver(numbered(i, 1 + (i % MAX_KEYS)));
        if (i % 1_000 === 0) pair.run(11);
      }
    };
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    flood(0);
    collect();
    const before = process.memoryUsage().heapUsed;
    flood(count);
    collect();
    expect(handed).toBe(2 * count);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4 * 1024 * 1024);
    expect(pair.bob.session.queuedBytes).toBe(0);
  });

  test("who says hello on a link without datagrams and numbers messages in its lane is understood", () => {
    const pair = new SessionPair();
    const peer = new EvilPeer(pair);
    pair.run(1);
    peer.greet();
    const bodies = [numbered(3, 1), numbered(2, 1), numbered(3, 1), numbered(4, 2)];
    const bytes = new ByteWriter(1_000);
    for (const body of bodies) bytes.u32(body.length).bytes(body);
    peer.say((writer) => writer.u8(1).u8(1).u48(0).u16(bytes.length).bytes(bytes.done()));
    pair.run(5);
    expect(pair.bob.received.map(({ number }) => number)).toEqual([3, 4]);
  });
});
