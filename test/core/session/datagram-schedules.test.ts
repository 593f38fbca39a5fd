// What must hold of messages that may be dropped or replaced, over random schedules and over links that lose, double and reorder
// datagrams. SCHEDULES=100000 runs more of them, SEED=… repeats a failure that was printed with its seed.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Millis } from "../../../src/core/runtime.js";
import type { Freshness } from "../../../src/core/session/late-queue.js";
import type { DatagramFate, MemoryWire } from "../../sim/memory-link.js";
import { SeededRandom } from "../../sim/seeded-random.js";
import { LANE_INTERACTIVE, messageOf, SessionPair, type SimPeer } from "../../sim/session-pair.js";

const RUNS = Math.ceil(Number(process.env.SCHEDULES ?? 10_000) / 8);
const SEED = process.env.SEED === undefined ? undefined : Number(process.env.SEED);
const parameters = { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: SEED }) };

/** Longer than any schedule. */
const LONG_MS: Millis = 1_000_000;

type Who = "alice" | "bob";

type Step =
  | { readonly do: "wait"; readonly ms: Millis }
  | {
      readonly do: "send";
      readonly by: Who;
      readonly key: number | null;
      readonly ttlMs: Millis | null;
      readonly length: number;
      readonly count: number;
    }
  | { readonly do: "plain"; readonly by: Who; readonly length: number }
  | {
      readonly do: "link";
      readonly from: Who;
      readonly rank: number;
      readonly delayMs: Millis;
      readonly datagrams: Weather | null;
    }
  | { readonly do: "cut"; readonly wire: number; readonly noticeMs: Millis }
  | { readonly do: "freeze"; readonly wire: number; readonly direction: "both" | "forth" | "back"; readonly ms: Millis }
  | { readonly do: "stall"; readonly wire: number; readonly ms: Millis }
  | { readonly do: "hold"; readonly by: Who; readonly ms: Millis }
  | { readonly do: "restart"; readonly by: Who };

/** What the path does to datagrams, in percent, and by how much they are late at most. */
interface Weather {
  readonly loss: number;
  readonly double: number;
  readonly refuse: number;
  readonly jitterMs: Millis;
}

const who = fc.constantFrom<Who>("alice", "bob");
const weather = fc.record({
  loss: fc.constantFrom(0, 5, 30, 100),
  double: fc.constantFrom(0, 20),
  refuse: fc.constantFrom(0, 0, 10),
  jitterMs: fc.constantFrom(0, 5, 120, 3_000),
});
const steps = [
  { weight: 6, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(0, 1, 7, 16, 60, 250, 2_000) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      by: who,
      key: fc.constantFrom(null, 0, 0, 1, 2),
      ttlMs: fc.constantFrom(null, LONG_MS, 0, 40, 400),
      length: fc.constantFrom(20, 20, 20, 300, 1_200, 20_000),
      count: fc.constantFrom(1, 1, 3, 40),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("plain" as const), by: who, length: fc.constantFrom(20, 9_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("link" as const),
      from: who,
      rank: fc.constantFrom(20, 40, 40, 90),
      delayMs: fc.constantFrom(0, 2, 25, 120),
      datagrams: fc.option(weather, { nil: null, freq: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("cut" as const), wire: fc.nat(5), noticeMs: fc.constantFrom(0, 30, 4_000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("freeze" as const),
      wire: fc.nat(5),
      direction: fc.constantFrom("both" as const, "forth" as const, "back" as const),
      ms: fc.constantFrom(5, 90, 700, 9_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("stall" as const), wire: fc.nat(5), ms: fc.constantFrom(20, 150, 150, 1_000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("hold" as const), by: who, ms: fc.constantFrom(1, 200, 3_000) }) },
];
const restart = { weight: 2, arbitrary: fc.record({ do: fc.constant("restart" as const), by: who }) };
const size = { minLength: 1, maxLength: 40, size: "max" } as const;
const first = fc.option(weather, { nil: null, freq: 3 });
const schedules = fc.record({ seed: fc.nat(), first, steps: fc.array(fc.oneof(...steps), size) });
const schedulesWithRestarts = fc.record({ seed: fc.nat(), first, steps: fc.array(fc.oneof(...steps, restart), size) });

interface Late {
  readonly by: Who;
  readonly number: number;
  readonly id: string;
  readonly key: number | null;
  readonly ttlMs: Millis | null;
  readonly life: number;
}

class Run {
  readonly pair: SessionPair;
  readonly late: Late[] = [];
  readonly #wires: MemoryWire[];
  readonly #random: SeededRandom;
  #numbers = 0;

  constructor(seed: number, first: Weather | null, resumeWindowMs: Millis) {
    this.#random = new SeededRandom(seed);
    this.pair = new SessionPair({ resumeWindowMs, receiveBufferBytes: 64 * 1024 }, seed);
    this.#wires = [this.pair.connect({ kind: "first", rank: 40, delayMs: 20, ...this.#datagrams(first, 20) })];
  }

  #datagrams(weather: Weather | null, delayMs: Millis): { datagrams?: DatagramFate } {
    return weather ? { datagrams: this.#fate(weather, delayMs) } : {};
  }

  #fate({ loss, double, refuse, jitterMs }: Weather, delayMs: Millis): DatagramFate {
    const happens = (percent: number): boolean => this.#random.below(100) < percent;
    // Sooner than a record, which may wait for others; most are a little late, and few very much.
    const delay = (): Millis => delayMs / 4 + (this.#random.below(256) / 256) ** 4 * jitterMs;
    return () => {
      if (happens(refuse)) return null;
      if (happens(loss)) return [];
      return happens(double) ? [delay(), delay()] : [delay()];
    };
  }

  play(step: Step): void {
    const { pair } = this;
    const wires = this.#wires;
    switch (step.do) {
      case "wait":
        pair.run(step.ms);
        break;
      case "send":
        for (let i = 0; i < step.count; i++) this.#send(step);
        break;
      case "plain":
        if (pair[step.by].session.status !== "disconnected")
          pair[step.by].session.sendMessage(messageOf(this.#numbers++, step.length), LANE_INTERACTIVE);
        break;
      case "link": {
        const { datagrams, ...plan } = step;
        wires.push(pair.link({ ...plan, kind: `rank ${step.rank}`, ...this.#datagrams(datagrams, step.delayMs) }));
        break;
      }
      case "cut":
        wires[step.wire % wires.length]?.cut(step.noticeMs, step.noticeMs);
        break;
      case "freeze": {
        const wire = wires[step.wire % wires.length];
        wire?.freeze(step.direction);
        pair.clock.after(step.ms, () => wire?.thaw());
        break;
      }
      case "stall": {
        const wire = wires[step.wire % wires.length];
        wire?.stall();
        pair.clock.after(step.ms, () => wire?.thaw());
        break;
      }
      case "hold":
        pair[step.by].hold = () => later(pair, step.ms);
        break;
      case "restart":
        pair[step.by].restart();
        for (const wire of wires) wire.cut();
    }
  }

  settle(): void {
    const { alice, bob } = this.pair;
    alice.hold = null;
    bob.hold = null;
    for (const wire of this.#wires) wire.thaw();
    this.pair.run(10_000);
    this.pair.link({ kind: "last", rank: 1, datagrams: () => [1] });
    this.pair.run(60_000);
  }

  #send({ by, key, ttlMs, length }: Step & { do: "send" }): void {
    const peer = this.pair[by];
    if (peer.session.status === "disconnected") return;
    const number = this.#numbers++;
    const id = `m${number}`;
    this.late.push({ by, number, id, key, ttlMs, life: peer.life });
    const freshness: Freshness = {
      ...(ttlMs === null ? {} : { ttlMs }),
      ...(key === null ? {} : { latest: `key ${key}` }),
      ...(ttlMs === null && key === null ? { ttlMs: LONG_MS } : {}),
    };
    peer.session.sendLate(messageOf(number, length), id, freshness);
  }

  faults(processesDie: boolean): string[] {
    const { alice, bob } = this.pair;
    const faults = [...this.#faultsOf(alice, bob, processesDie), ...this.#faultsOf(bob, alice, processesDie)];
    for (const { name, session } of [alice, bob]) {
      if (session.status !== "connected") faults.push(`${name} ended ${session.status}: ${this.pair[name as Who].errors.at(-1)}`);
      if (session.queuedBytes !== 0) faults.push(`${name} holds ${session.queuedBytes} bytes`);
    }
    return faults;
  }

  #faultsOf(sender: SimPeer, receiver: SimPeer, processesDie: boolean): string[] {
    const faults: string[] = [];
    const mine = this.late.filter(({ by }) => by === sender.name);
    const times = new Map<number, number>();
    for (const { number, intact } of receiver.received) {
      times.set(number, (times.get(number) ?? 0) + 1);
      if (!intact) faults.push(`${number} was altered`);
    }
    for (const late of mine) {
      const { id, number } = late;
      if ((times.get(number) ?? 0) > 1) faults.push(`${id} was handed on ${times.get(number)} times`);
      const delivered = sender.delivered.filter((one) => one === id).length;
      const failures = sender.failed.filter((one) => one.id === id).map(({ error }) => error.code);
      const told = delivered + failures.length;
      if (told > 1 || (told === 0 && late.life === sender.life)) faults.push(`${id}: its fate was told ${told} times`);
      if (delivered > 0 && !times.has(number)) faults.push(`${id}: delivered, but not handed on`);
      if (!processesDie && failures[0] && !mayFail(late, failures[0], mine)) faults.push(`${id} failed: ${failures[0]}`);
    }
    for (const key of [0, 1, 2]) {
      const numbers = new Set(mine.filter((late) => late.key === key).map(({ number }) => number));
      const order = receiver.received.map(({ number }) => number).filter((number) => numbers.has(number));
      if (order.some((number, i) => i > 0 && number < (order[i - 1] as number)))
        faults.push(`key ${key} went backwards: ${order}`);
    }
    return faults;
  }
}

/** As long as both processes live, a message fails only for what its sender has asked for. */
function mayFail({ key, number, ttlMs }: Late, code: string, all: readonly Late[]): boolean {
  const newer = all.some((other) => other.key === key && other.number > number);
  if (code === "ERR_MESSAGE_REPLACED") return key !== null && newer;
  return code === "ERR_MESSAGE_EXPIRED" && ttlMs !== null && ttlMs < LONG_MS;
}

/** Like a promise that settles after a time, without microtasks. */
function later(pair: SessionPair, ms: Millis): PromiseLike<void> {
  return {
    // biome-ignore lint/suspicious/noThenProperty: it stands in for a promise
    then: (done) => {
      pair.clock.after(ms, () => done?.());
      return undefined as never;
    },
  };
}

describe("messages that may be dropped or replaced, over random schedules", () => {
  test(`of two live processes come at most once, no key goes backwards, and each fate is told once and truly (${RUNS} schedules)`, {
    timeout: 600_000,
  }, () => {
    fc.assert(
      fc.property(schedules, ({ seed, first, steps }) => {
        const run = new Run(seed, first, 3_600_000);
        for (const step of steps) run.play(step);
        run.settle();
        expect(run.faults(false)).toEqual([]);
      }),
      parameters,
    );
  });

  test(`in which processes die and come back hold the same, and nothing carries over (${RUNS} schedules)`, {
    timeout: 600_000,
  }, () => {
    fc.assert(
      fc.property(schedulesWithRestarts, ({ seed, first, steps }) => {
        const run = new Run(seed, first, 20_000);
        for (const step of steps) run.play(step);
        run.settle();
        expect(run.faults(true)).toEqual([]);
      }),
      parameters,
    );
  });
});
