// How two sides agree on one connection, whatever opens, breaks and lies.

import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/nat/datagram-port.js";
import { MAX_PUNCH_DIALS, type PunchLoopOptions, TcpPunchLoop } from "../../src/nat/tcp-punch-loop.js";
import { tcpPunchPlan } from "../../src/nat/tcp-punch-plan.js";
import { type DialFailure, encodeGreeting, type PunchPort, type PunchStream } from "../../src/nat/tcp-punch-port.js";
import { run } from "../sim/flush.js";
import { SeededRandom } from "../sim/seeded-random.js";
import { VirtualClock } from "../sim/virtual-clock.js";

const TOKEN_A = new Uint8Array(16).fill(0xaa);
const TOKEN_B = new Uint8Array(16).fill(0xbb);
const HELLO = Uint8Array.of(0, 36, 0x4c, 0x4e);

/** One end of a connection. What it writes goes to the other end after a delay, in order. */
class End implements PunchStream {
  other: End | null = null;
  isOpen = true;
  readonly written: number[] = [];
  readonly taken: number[] = [];
  readonly #waiting: Uint8Array[] = [];
  #data: ((bytes: Uint8Array) => void) | null = null;
  #ended: (() => void) | null = null;
  #hasEnded = false;
  #released = false;

  constructor(
    readonly clock: VirtualClock,
    readonly delayMs: number,
    readonly remote: Endpoint = { host: "192.0.2.1", port: 1 },
  ) {}

  write(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    this.written.push(...bytes);
    this.clock.after(this.delayMs, () => this.other?.arrive(bytes));
  }

  read(data: (bytes: Uint8Array) => void, ended: () => void): void {
    this.#data = data;
    this.#ended = ended;
    for (const bytes of this.#waiting.splice(0)) data(bytes);
    if (this.#hasEnded) ended();
  }

  release(rest: Uint8Array): void {
    this.#data = null;
    this.#ended = null;
    this.#released = true;
    this.taken.push(...rest);
  }

  destroy(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#data = null;
    this.#ended = null;
    this.clock.after(this.delayMs, () => this.other?.break());
  }

  arrive(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    if (this.#released) this.taken.push(...bytes);
    else if (this.#data) this.#data(bytes);
    else this.#waiting.push(bytes);
  }

  /** The network or the other side ends it. */
  break(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#hasEnded = true;
    this.#ended?.();
  }
}

/** A port under the test's control: dials wait until the test answers them. */
class FakePort implements PunchPort<End> {
  readonly dials: { readonly to: Endpoint; readonly done: (outcome: End | DialFailure) => void; isOver: boolean }[] = [];
  accepted: ((stream: End) => void) | null = null;
  listens = 0;

  connect(to: Endpoint, done: (outcome: End | DialFailure) => void): () => void {
    const dial = {
      to,
      isOver: false,
      done: (outcome: End | DialFailure) => {
        if (!dial.isOver) done(outcome);
        else if (typeof outcome !== "string") outcome.destroy();
        dial.isOver = true;
      },
    };
    this.dials.push(dial);
    return () => {
      dial.isOver = true;
    };
  }

  listen(accepted: (stream: End) => void): () => void {
    this.listens++;
    this.accepted = accepted;
    return () => {
      this.accepted = null;
    };
  }
}

interface Side {
  readonly loop: TcpPunchLoop<End>;
  readonly port: FakePort;
  readonly chosen: End[];
  failures: number;
}

function side(
  clock: VirtualClock,
  initiator: boolean,
  options: Partial<PunchLoopOptions<End>> & { readonly seed?: number } = {},
): Side {
  const port = new FakePort();
  const chosen: End[] = [];
  const made: Omit<Side, "loop"> = { port, chosen, failures: 0 };
  const plan = tcpPunchPlan(initiator, "steady", "steady", false);
  if (!plan) throw new Error("there is a plan");
  const loop = new TcpPunchLoop<End>({
    port,
    remotes: [{ host: "192.0.2.1", port: 1 }],
    plan,
    initiator,
    ownToken: initiator ? TOKEN_A : TOKEN_B,
    theirToken: initiator ? TOKEN_B : TOKEN_A,
    rttMs: 40,
    clock,
    random: new SeededRandom(options.seed ?? 1),
    chosen: (stream) => {
      chosen.push(stream);
      if (initiator) stream.write(HELLO);
    },
    failed: () => made.failures++,
    note: () => undefined,
    ...options,
  });
  return Object.assign(made, { loop });
}

function wire(clock: VirtualClock, delayMs: number): [End, End] {
  const ends: [End, End] = [new End(clock, delayMs), new End(clock, delayMs)];
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  return ends;
}

const REMOTES = [1, 2, 3, 4].map((port) => ({ host: "192.0.2.1", port }));

describe("agreeing on a connection", () => {
  test("is right whatever opens on both sides or one, in any order, and breaks at any time", async () => {
    let agreements = 0;
    for (let seed = 1; seed <= 400; seed++) {
      const clock = new VirtualClock();
      const random = new SeededRandom(seed);
      const a = side(clock, true, { remotes: REMOTES, seed });
      const b = side(clock, false, { remotes: REMOTES, seed: seed + 1000 });
      const broken = new Set<End>();
      for (let i = 0; i < 6; i++) {
        const [atA, atB] = wire(clock, 1 + random.below(120));
        const isWhole = random.below(3) > 0;
        const open = (port: FakePort, end: End): void => {
          const dial = port.dials.find(({ isOver }) => !isOver);
          if (port.accepted && random.below(2) === 0) port.accepted(end);
          else if (dial) dial.done(end);
          else end.destroy();
        };
        const at = random.below(2_500);
        // Either end may notice much later than the other one, or never.
        clock.after(at, () => open(a.port, atA));
        if (isWhole || random.below(2) === 0) clock.after(at + random.below(150), () => open(b.port, atB));
        if (random.below(3) === 0) {
          clock.after(at + random.below(400), () => {
            broken.add(atA).add(atB);
            atA.break();
            atB.break();
          });
        }
      }
      await run(clock, 9_000);
      const [chosenA, chosenB] = [a.chosen[0], b.chosen[0]];
      const story = `seed ${seed}`;
      expect(a.chosen.length, story).toBeLessThanOrEqual(1);
      expect(b.chosen.length, story).toBeLessThanOrEqual(1);
      if (chosenB) {
        // The responder has none that the initiator has not, and reads there what the handshake begins with.
        expect(chosenB.other, story).toBe(chosenA);
        expect(chosenB.taken, story).toEqual([...HELLO]);
      }
      if (chosenA && !broken.has(chosenA)) expect(chosenB, story).toBe(chosenA.other);
      if (chosenA && chosenB) agreements++;
      a.loop.stop();
      b.loop.stop();
    }
    // The scenes are not all hopeless.
    expect(agreements).toBeGreaterThan(200);
  });

  test("closes everything else at once", async () => {
    const clock = new VirtualClock();
    const a = side(clock, true, { remotes: REMOTES });
    const ends = REMOTES.map(() => new End(clock, 1));
    for (const [i, end] of ends.entries()) a.port.dials[i]?.done(end);
    ends[2]?.arrive(encodeGreeting(TOKEN_B));
    expect(a.chosen).toEqual([ends[2]]);
    expect(ends.map(({ isOpen }) => isOpen)).toEqual([false, false, true, false]);
    await run(clock, 5_000);
    expect(a.port.dials.length).toBe(4);
    expect(clock.pendingTimers).toBe(0);
  });

  test("lets the responder take nothing before the initiator has said more than its token", async () => {
    const clock = new VirtualClock();
    const b = side(clock, false, { remotes: REMOTES });
    const end = new End(clock, 1);
    b.port.dials[0]?.done(end);
    expect(end.written).toEqual([]);
    const greeting = encodeGreeting(TOKEN_A);
    for (const byte of greeting) end.arrive(Uint8Array.of(byte));
    expect(end.written).toEqual([...encodeGreeting(TOKEN_B)]);
    expect(b.chosen).toEqual([]);
    await run(clock, 8_000);
    // Answered is answered: it waits as long as the attempt lasts, and neither dials nor listens meanwhile.
    expect(end.isOpen).toBe(true);
    expect(b.port.dials.length).toBe(4);
    expect(b.port.accepted).toBeNull();
    end.arrive(HELLO.subarray(0, 1));
    end.arrive(HELLO.subarray(1));
    expect(b.chosen).toEqual([end]);
    expect(end.taken).toEqual([...HELLO]);
  });

  test("goes on when a connection that was answered breaks", async () => {
    const clock = new VirtualClock();
    const b = side(clock, false);
    await run(clock, 60);
    const end = new End(clock, 1, { host: "192.0.2.1", port: 777 });
    b.port.accepted?.(end);
    end.arrive(encodeGreeting(TOKEN_A));
    await run(clock, 4_000);
    expect([b.port.dials.length, b.port.listens]).toEqual([1, 1]);
    end.break();
    await run(clock, 100);
    expect([b.port.dials.length, b.port.listens]).toEqual([2, 2]);
    b.loop.stop();
  });
});

describe("somebody else at the address", () => {
  const WRONG: [string, (token: Uint8Array) => Uint8Array[]][] = [
    ["speaks another protocol", () => [new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")]],
    ["says our own token, as a connection to ourselves does", (token) => [encodeGreeting(token)]],
    ["says the token without what comes before it", () => [TOKEN_B, TOKEN_B]],
    ["says more than a greeting", () => [Uint8Array.of(...encodeGreeting(TOKEN_B), 1)]],
    ["says a megabyte", () => Array.from({ length: 16 }, () => new Uint8Array(65_536))],
    ["hangs up", () => []],
  ];

  test.each(WRONG)("that %s is left, and dialled again", async (_name, says) => {
    const clock = new VirtualClock();
    const a = side(clock, true);
    const end = new End(clock, 1);
    a.port.dials[0]?.done(end);
    const bytes = says(TOKEN_A);
    for (const part of bytes) end.arrive(part);
    if (bytes.length === 0) end.break();
    expect(end.isOpen).toBe(false);
    expect(a.chosen).toEqual([]);
    await run(clock, 250);
    expect(a.port.dials.length).toBe(2);
  });

  test("that says nothing is left after two seconds", async () => {
    const clock = new VirtualClock();
    const a = side(clock, true);
    const end = new End(clock, 1);
    a.port.dials[0]?.done(end);
    await run(clock, 1_999);
    expect(end.isOpen).toBe(true);
    await run(clock, 2);
    expect(end.isOpen).toBe(false);
  });

  test("hears from the initiator its own token alone, and from the responder nothing", async () => {
    for (const initiator of [true, false]) {
      const clock = new VirtualClock();
      const one = side(clock, initiator);
      const end = new End(clock, 1);
      one.port.dials[0]?.done(end);
      end.arrive(new TextEncoder().encode("220 mail.example ESMTP ready\r\n"));
      await run(clock, 3_000);
      expect(end.written).toEqual(initiator ? [...encodeGreeting(TOKEN_A)] : []);
    }
  });

  test("that knocks from a host which the other side did not name is not let in", async () => {
    const clock = new VirtualClock();
    const b = side(clock, false);
    await run(clock, 60);
    const stranger = new End(clock, 1, { host: "192.0.2.77", port: 1 });
    b.port.accepted?.(stranger);
    const named = new End(clock, 1, { host: "192.0.2.1", port: 777 });
    b.port.accepted?.(named);
    expect([stranger.isOpen, named.isOpen]).toEqual([false, true]);
  });

  test("that knocks a thousand times has eight connections at most", async () => {
    const clock = new VirtualClock();
    const b = side(clock, false);
    await run(clock, 60);
    const ends = Array.from({ length: 1_000 }, (_, i) => new End(clock, 1, { host: "192.0.2.1", port: 1_000 + i }));
    for (const end of ends) b.port.accepted?.(end);
    expect(ends.filter(({ isOpen }) => isOpen).length).toBe(8);
    b.loop.stop();
    expect(ends.filter(({ isOpen }) => isOpen).length).toBe(0);
    await run(clock, 1);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("dialling", () => {
  test("ends after so many refusals, with pauses in between", async () => {
    const clock = new VirtualClock();
    const a = side(clock, true, { remotes: REMOTES });
    for (let i = 0; i < 10_000 && a.failures === 0; i++) {
      for (const dial of a.port.dials) if (!dial.isOver) dial.done("refused");
      await run(clock, 10);
    }
    expect(a.failures).toBe(1);
    expect(a.port.dials.length).toBe(MAX_PUNCH_DIALS);
    expect(clock.now()).toBeGreaterThan(500);
    expect(clock.pendingTimers).toBe(0);
  });

  test("of a silent address is made anew after less than a second, or two round trips", async () => {
    for (const [rttMs, most] of [
      [40, 1_010],
      [1_500, 3_710],
    ] as const) {
      const clock = new VirtualClock();
      const a = side(clock, true, { rttMs });
      const times: number[] = [];
      while (times.length < 10) {
        if (a.port.dials.length > times.length) times.push(clock.now());
        else if (!clock.runNext()) break;
      }
      const gaps = times.slice(1).map((time, i) => time - (times[i] as number));
      expect(gaps.length).toBe(9);
      for (const gap of gaps) {
        expect(gap).toBeGreaterThanOrEqual(Math.max(300, 2 * rttMs));
        expect(gap).toBeLessThanOrEqual(most);
      }
      a.loop.stop();
    }
  });

  test("of the responder takes turns with listening, and a refusal cuts the listening short", async () => {
    const clock = new VirtualClock();
    const b = side(clock, false);
    expect(b.port.accepted).toBeNull();
    await run(clock, 60);
    expect(b.port.accepted).not.toBeNull();
    b.port.dials[0]?.done("refused");
    await run(clock, 201);
    expect(b.port.dials.length).toBe(2);
    await run(clock, 60);
    expect(b.port.listens).toBe(2);
    await run(clock, 2_000);
    expect(b.port.dials.length).toBeGreaterThan(2);
  });

  test("is not done while listening", async () => {
    const clock = new VirtualClock();
    const b = side(clock, false, { remotes: REMOTES });
    for (let i = 0; i < 500; i++) {
      const before = b.port.dials.length;
      const wasListening = b.port.accepted !== null;
      await run(clock, 10);
      if (wasListening && b.port.accepted !== null && b.port.listens === 1) expect(b.port.dials.length).toBe(before);
    }
    expect(b.port.dials.length).toBeLessThanOrEqual(MAX_PUNCH_DIALS);
    b.loop.stop();
  });
});
