// Punching by TCP on the virtual clock: NATs of all kinds, and what two sides make of them.

import { describe, expect, test } from "vitest";
import type { Link } from "../../src/core/path/link.js";
import type { NegotiateContext, Negotiation } from "../../src/core/path/transport.js";
import { MAX_PUNCH_DIALS } from "../../src/nat/tcp-punch-loop.js";
import { GREETING_BYTES } from "../../src/nat/tcp-punch-port.js";
import { MAX_PUNCHES, PUNCH_TIMEOUT_MS, type TcpPunchSettings, tcpPunch } from "../../src/node/tcp-punch.js";
import { run } from "../sim/flush.js";
import { SimInternet } from "../sim/internet.js";
import type { NatKind, NatRules } from "../sim/nat-model.js";
import { SeededRandom } from "../sim/seeded-random.js";
import { type SimSocket, SimTcp } from "./tcp-punch-sim.js";

/** The way of signals: over the relay, so longer than the direct one. */
const signalMs = ({ delayMs = 20 }: Options): number => 2 * delayMs + 5;

interface Options {
  readonly seed?: number;
  readonly delayMs?: number;
  /** STUN servers that answer; more than these are named. Default: 2. */
  readonly servers?: number;
  /** What a side says instead of what it wanted to. */
  readonly change?: (signal: unknown, from: "a" | "b") => unknown;
  readonly mayContact?: (url: string) => boolean;
  readonly settings?: Partial<TcpPunchSettings>;
}

interface Outcome {
  link: Link | null;
  error: unknown;
  at: number;
}

class Side {
  readonly tcp: SimTcp;
  readonly notes: string[] = [];
  readonly sent: { type: string }[] = [];
  readonly abort = new AbortController();
  readonly outcome: Outcome = { link: null, error: null, at: -1 };
  negotiation: Negotiation | null = null;

  constructor(
    readonly name: "a" | "b",
    readonly net: SimInternet,
    behind: NatKind | NatRules,
    readonly stunServers: readonly string[],
    readonly options: Options,
  ) {
    const host = net.host(typeof behind === "string" ? behind : net.nat(behind));
    this.tcp = new SimTcp(net, host);
    this.host = host.address;
  }

  readonly host: string;

  begin(initiator: boolean, sendSignal: (signal: unknown) => void): void {
    const random = new SeededRandom((this.options.seed ?? 1) * 31 + (initiator ? 1 : 2));
    const settings: TcpPunchSettings = {
      clock: this.net.clock,
      random,
      stunBinding: this.tcp.stunBinding,
      freePort: async () => 20_000 + random.below(12_000),
      openPort: (port) => this.tcp.port(port),
      localAddresses: () => [this.host],
      ...this.options.settings,
    };
    const context: NegotiateContext = {
      initiator,
      signal: this.abort.signal,
      stunServers: this.stunServers,
      mayContact: this.options.mayContact ?? (() => true),
      note: (step) => this.notes.push(step),
      sendSignal: (signal) => {
        this.sent.push(JSON.parse(JSON.stringify(signal)));
        sendSignal(this.options.change ? this.options.change(signal, this.name) : signal);
      },
    };
    this.negotiation = tcpPunch(settings)(context);
    const settled = (): void => {
      this.outcome.at = this.net.clock.now();
    };
    this.negotiation.link.then(
      (link) => {
        this.outcome.link = link;
        settled();
        // As the handshake's first message does.
        if (initiator) this.stream?.write(Uint8Array.of(0x4c, 0x4e, 7));
      },
      (error) => {
        this.outcome.error = error;
        settled();
      },
    );
  }

  get stream(): SimSocket | null {
    return this.outcome.link ? (this.outcome.link as unknown as { stream: SimSocket }).stream : null;
  }

  get code(): string {
    return this.outcome.link ? "link" : ((this.outcome.error as { code?: string } | null)?.code ?? String(this.outcome.error));
  }
}

/** Two machines, each behind a NAT of a kind; `a` is the initiator. */
function scene(a: NatKind | NatRules, b: NatKind | NatRules, options: Options = {}) {
  const net = new SimInternet({ seed: options.seed ?? 1, delayMs: options.delayMs ?? 20 });
  const servers = Array.from({ length: 2 }, (_, i) => {
    const host = net.host("none");
    const tcp = new SimTcp(net, host);
    if (i < (options.servers ?? 2)) tcp.stunServer(3478);
    return `stun:${host.address}:3478`;
  });
  const sides = { a: new Side("a", net, a, servers, options), b: new Side("b", net, b, servers, options) };
  const pass = (to: () => Negotiation | null) => (signal: unknown) => {
    net.clock.after(signalMs(options), () => to()?.receiveSignal(signal));
  };
  const start = (): void => {
    sides.a.begin(true, (signal) => {
      if (!sides.b.negotiation) net.clock.after(signalMs(options), () => sides.b.negotiation ?? sides.b.begin(false, backward));
      pass(() => sides.b.negotiation)(signal);
    });
  };
  const backward = pass(() => sides.a.negotiation);
  return { net, ...sides, start };
}

async function punch(a: NatKind | NatRules, b: NatKind | NatRules, options: Options = {}) {
  const made = scene(a, b, options);
  made.start();
  await run(made.net.clock, PUNCH_TIMEOUT_MS + 5_000);
  return made;
}

const SEEDS = [1, 2, 3, 4, 5];
const OPEN = ["none", "full", "address", "port"] as const;

describe("two sides that punch by TCP", () => {
  const met: [NatKind, NatKind][] = [
    ...OPEN.flatMap((a) => OPEN.map((b): [NatKind, NatKind] => [a, b])),
    ...OPEN.flatMap((a): [NatKind, NatKind][] => [
      ["sequential", a],
      [a, "sequential"],
    ]),
    ["sequential", "sequential"],
    ...(["none", "full", "address"] as const).flatMap((a): [NatKind, NatKind][] => [
      ["random", a],
      [a, "random"],
    ]),
  ];

  test.each(met)("%s × %s: agree on one connection, and close all others", async (kindA, kindB) => {
    for (const seed of SEEDS) {
      const { a, b } = await punch(kindA, kindB, { seed });
      expect([a.code, b.code], `seed ${seed}: ${a.notes.join("; ")} | ${b.notes.join("; ")}`).toEqual(["link", "link"]);
      // One socket on each side, and no listener; what one wrote is what the other one reads, without the greetings.
      expect([a.tcp.sockets, b.tcp.sockets]).toEqual([[a.stream], [b.stream]]);
      expect([a.tcp.listening, b.tcp.listening]).toEqual([0, 0]);
      expect(b.stream?.taken).toEqual([0x4c, 0x4e, 7]);
      expect(a.stream?.written.slice(GREETING_BYTES)).toEqual([0x4c, 0x4e, 7]);
      expect(a.outcome.at).toBeLessThan(4_000);
    }
  });

  test.each([
    ["random", "random"],
    ["random", "sequential"],
    ["sequential", "random"],
  ] as const)("%s × %s: do not try", async (kindA, kindB) => {
    const { a, b } = await punch(kindA, kindB);
    expect([a.code, b.code]).toEqual(["ERR_PUNCH_HOPELESS", "ERR_PUNCH_HOPELESS"]);
    expect(a.outcome.at).toBeLessThan(2_000);
    expect(a.tcp.dials.some(({ host }) => host === b.host)).toBe(false);
    expect([...a.tcp.sockets, ...b.tcp.sockets]).toEqual([]);
  });

  test.each([
    ["random", "port"],
    ["port", "random"],
  ] as const)("%s × %s: give up within their bounds, and leave nothing open", async (kindA, kindB) => {
    const { a, b } = await punch(kindA, kindB);
    expect([a.code, b.code]).toEqual(["ERR_PUNCH_FAILED", "ERR_PUNCH_FAILED"]);
    for (const side of [a, b]) {
      expect(side.outcome.at).toBeLessThanOrEqual(PUNCH_TIMEOUT_MS + signalMs({}));
      expect(side.tcp.sockets).toEqual([]);
      expect(side.tcp.listening).toBe(0);
      expect(side.tcp.dials.length).toBeLessThanOrEqual(MAX_PUNCH_DIALS + 8);
    }
  });

  test("begin at the same moment, so that their first packets cross; who listens for a port that nobody knows begins before", async () => {
    const firstDials = async (kindA: NatKind, kindB: NatKind): Promise<number[]> => {
      const { net, a, b } = await punch(kindA, kindB);
      const publicHosts = [a, b].map(({ host }, i) => (host.startsWith("203.") ? host : `198.51.100.${i + 1}`));
      expect(net.clock.now()).toBeGreaterThan(0);
      return [a, b].map(({ tcp }, i) => tcp.dials.find(({ host }) => host === publicHosts[1 - i])?.at ?? Number.NaN);
    };
    const [a = 0, b = 0] = await firstDials("port", "port");
    expect(Math.abs(a - b)).toBeLessThan(1);
    const [steady = 0, random = 0] = await firstDials("address", "random");
    expect(random - steady).toBeGreaterThan(20);
  });

  test.each([0, 1, 5, 100, 250])("meet with %i ms one way", async (delayMs) => {
    for (const [kindA, kindB] of [
      ["port", "port"],
      ["full", "full"],
      ["none", "port"],
    ] as const) {
      const { a, b } = await punch(kindA, kindB, { delayMs });
      expect([a.code, b.code], `${kindA} ${kindB} ${a.notes.join("; ")}`).toEqual(["link", "link"]);
      expect(a.tcp.sockets.length + b.tcp.sockets.length).toBe(2);
    }
  });
});

const GOOD = { type: "here", token: "00112233445566778899aabbccddeeff", ports: "steady", addresses: ["tcp://192.0.2.1:2000"] };

/** Nothing is open, and nobody listens. */
function expectClosed(side: Side): void {
  expect(side.tcp.sockets).toEqual([]);
  expect(side.tcp.listening).toBe(0);
}

/** Alone, without another side: signals come from the test. */
async function alone(initiator: boolean, options: Options = {}) {
  const { net, a, b } = scene("none", "none", options);
  const side = initiator ? a : b;
  side.begin(initiator, () => undefined);
  await run(net.clock, 500);
  return { net, side };
}

describe("what the other side says", () => {
  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["a list", [GOOD]],
    ["a text", "here"],
    ["no type", {}],
    ["a type that is none", { type: 7 }],
    ["a type that is inherited", Object.create({ type: "go", rttMs: 1 })],
    ["a short token", { ...GOOD, token: "0011" }],
    ["a token of other letters", { ...GOOD, token: GOOD.token.toUpperCase() }],
    ["ports of a kind that there is not", { ...GOOD, ports: "constructor" }],
    ["no addresses", { ...GOOD, addresses: undefined }],
    ["an address that is no text", { ...GOOD, addresses: [{}] }],
    ["an endless address", { ...GOOD, addresses: [`tcp://192.0.2.1:${"0".repeat(60)}1`] }],
    ["a round trip before it began", { type: "go", rttMs: -1 }],
    ["a round trip that is no number", { type: "go", rttMs: "1" }],
    ["a round trip of NaN", { type: "go", rttMs: Number.NaN }],
    ["an aim at nothing", { type: "aim" }],
  ])("ends the attempt when it is malformed: %s", async (_name, signal) => {
    for (const initiator of [true, false]) {
      const { net, side } = await alone(initiator);
      expect(() => side.negotiation?.receiveSignal(signal)).not.toThrow();
      await run(net.clock, 1);
      expect(side.code).toBe("ERR_FRAME_MALFORMED");
      expectClosed(side);
      // Whatever comes later finds nobody.
      side.negotiation?.receiveSignal(GOOD);
      await run(net.clock, 20_000);
      expectClosed(side);
    }
  });

  test("ends it when it does not end", async () => {
    const { net, side } = await alone(false);
    for (let i = 0; i < 16; i++) side.negotiation?.receiveSignal({ type: "later-version" });
    await run(net.clock, 1);
    expect(side.code).toBe("null");
    side.negotiation?.receiveSignal({ type: "later-version" });
    await run(net.clock, 1);
    expect(side.code).toBe("ERR_FRAME_MALFORMED");
  });

  test("is passed over where it is unknown: types and members of a later version", async () => {
    const change = (signal: unknown): unknown => ({ ...(signal as object), later: [1, 2, 3] });
    const { a, b, net, start } = scene("port", "port", { change });
    start();
    b.negotiation?.receiveSignal({ type: "later" });
    await run(net.clock, 3_000);
    expect([a.code, b.code]).toEqual(["link", "link"]);
  });

  test("is answered once, however often it is asked", async () => {
    const { side } = await alone(false);
    for (let i = 0; i < 5; i++) side.negotiation?.receiveSignal({ type: "ping" });
    expect(side.sent.filter(({ type }) => type === "pong").length).toBe(1);
  });

  test("names at most four addresses, of which those count that may be dialled", async () => {
    const asked: string[] = [];
    const mayContact = (url: string): boolean => {
      asked.push(url);
      return !url.includes("192.0.2.2");
    };
    const { net, side } = await alone(true, { mayContact });
    const addresses = Array.from({ length: 10_000 }, (_, i) => `tcp://192.0.2.${i % 250}:${2_000 + i}`);
    side.negotiation?.receiveSignal({ type: "pong" });
    side.negotiation?.receiveSignal({ ...GOOD, addresses: ["udp://192.0.2.9:1", ...addresses.slice(1)] });
    await run(net.clock, 15_000);
    expect(side.code).toBe("ERR_PUNCH_FAILED");
    expect(new Set(asked)).toEqual(
      new Set(["udp://192.0.2.9:1", "tcp://192.0.2.1:2001", "tcp://192.0.2.2:2002", "tcp://192.0.2.3:2003"]),
    );
    const dialled = side.tcp.dials.filter(({ host }) => host.startsWith("192.0.2."));
    expect(new Set(dialled.map(({ host, port }) => `${host}:${port}`))).toEqual(new Set(["192.0.2.1:2001", "192.0.2.3:2003"]));
    expect(dialled.length).toBeLessThanOrEqual(MAX_PUNCH_DIALS);
    expectClosed(side);
  });

  test("counts the first time: addresses cannot be exchanged afterwards", async () => {
    const { net, side } = await alone(true);
    side.negotiation?.receiveSignal({ type: "pong" });
    side.negotiation?.receiveSignal(GOOD);
    side.negotiation?.receiveSignal({ ...GOOD, addresses: ["tcp://192.0.2.66:80"] });
    await run(net.clock, 3_000);
    side.negotiation?.receiveSignal({ ...GOOD, addresses: ["tcp://192.0.2.66:80"] });
    await run(net.clock, 10_000);
    const dialled = side.tcp.dials.map(({ host }) => host).filter((host) => host.startsWith("192.0.2."));
    expect(new Set(dialled)).toEqual(new Set(["192.0.2.1"]));
  });

  test("ends it at once when no address is left", async () => {
    const { a, b } = await punch("port", "port", { mayContact: () => false });
    expect(a.code).toBe("ERR_PUNCH_FAILED");
    expect(String(b.outcome.error)).toMatch(/no address that may be dialled/);
    expect(Math.max(a.outcome.at, b.outcome.at)).toBeLessThan(1_000);
  });

  test("and that it stops, is believed at once", async () => {
    const { net, side } = await alone(true);
    side.negotiation?.receiveSignal({ type: "stop" });
    await run(net.clock, 1);
    expect(side.code).toBe("ERR_PUNCH_FAILED");
    expectClosed(side);
  });
});

describe("asking where we are seen from", () => {
  test("is done from the port that dials, and with one server it has to do", async () => {
    for (const kind of ["port", "full", "none"] as const) {
      const { a, b } = await punch(kind, "port", { servers: 1 });
      expect([a.code, b.code]).toEqual(["link", "link"]);
      expect(a.sent.find(({ type }) => type === "here")).toMatchObject({ ports: "steady" });
      // The other one is not waited for until its time is up.
      expect(a.outcome.at).toBeLessThan(1_500);
    }
  });

  test("says unknown of a port that changed, with one server", async () => {
    const { a } = await punch("random", "port", { servers: 1 });
    expect(a.sent.find(({ type }) => type === "here")).toMatchObject({ ports: "unknown" });
  });

  test("without an answer, an own public address serves", async () => {
    const { a, b } = await punch("none", "none", { servers: 0 });
    expect([a.code, b.code]).toEqual(["link", "link"]);
  });

  test("without an answer and behind a NAT, both sides hear soon that nothing comes of it", async () => {
    const { a, b } = await punch("port", "none", { servers: 0 });
    expect([a.code, b.code]).toEqual(["ERR_PUNCH_FAILED", "ERR_PUNCH_FAILED"]);
    expect(String(a.outcome.error)).toMatch(/no STUN server answered by TCP/);
    expect(Math.max(a.outcome.at, b.outcome.at)).toBeLessThan(4_000);
    expectClosed(a);
    expectClosed(b);
  });

  test("names an IPv6 address of ours beside it, and dials from that", async () => {
    const opened: unknown[] = [];
    const settings: Partial<TcpPunchSettings> = {
      localAddresses: () => ["192.168.0.2", "fd00::1", "2001:db8::2", "2001:db8::3"],
      openPort: (_port, ipv6) => {
        opened.push(ipv6);
        return { connect: () => () => undefined, listen: () => () => undefined };
      },
    };
    const { net, side } = await alone(true, { settings });
    expect(side.sent.find(({ type }) => type === "here")).toMatchObject({
      addresses: [expect.stringMatching(/^tcp:..203/), expect.stringMatching(/^tcp:..\[2001:db8::2\]:\d+$/)],
    });
    side.negotiation?.receiveSignal({ type: "pong" });
    side.negotiation?.receiveSignal(GOOD);
    await run(net.clock, 1_000);
    expect(opened).toEqual(["2001:db8::2"]);
  });
});

describe("an attempt that ends early", () => {
  test("leaves nothing open, whenever it is aborted", async () => {
    for (const [kindA, kindB] of [
      ["port", "port"],
      ["sequential", "full"],
    ] as const) {
      for (let at = 0; at < 900; at += 9) {
        const { net, a, b, start } = scene(kindA, kindB);
        start();
        await run(net.clock, at);
        const reason = new Error("no longer wanted");
        const wasOver = a.outcome.at >= 0;
        a.abort.abort(reason);
        a.stream?.destroy();
        await run(net.clock, PUNCH_TIMEOUT_MS + 1_000);
        if (!wasOver) expect(a.outcome.error).toBe(reason);
        expectClosed(a);
        b.stream?.destroy();
        expectClosed(b);
      }
    }
  });

  test("closes what a server answers afterwards", async () => {
    const destroyed: number[] = [];
    const settings: Partial<TcpPunchSettings> = {
      stunBinding: async ({ port, localPort, clock }) => {
        await new Promise<void>((resolve) => clock.after(100 * port, resolve));
        return { mapped: { host: "192.0.2.1", port: localPort }, socket: { destroy: () => destroyed.push(port) } };
      },
    };
    const { net, a } = scene("port", "port", { settings });
    Object.assign(a, { stunServers: ["stun:192.0.2.1:1", "stun:192.0.2.1:9"] });
    a.begin(true, () => undefined);
    await run(net.clock, 700);
    expect(destroyed).toEqual([]);
    a.abort.abort(new Error("no longer wanted"));
    await run(net.clock, 10);
    expect(destroyed).toEqual([1]);
    await run(net.clock, 1_000);
    expect(destroyed).toEqual([1, 9]);
  });

  test("does nothing at all when it was aborted before", async () => {
    const { net, a } = scene("port", "port");
    a.abort.abort(new Error("too late"));
    a.begin(true, () => undefined);
    await run(net.clock, 100);
    expect(String(a.outcome.error)).toBe("Error: too late");
    expect([a.sent, a.tcp.dials]).toEqual([[], []]);
  });

  test("makes no more than eight at a time, and tells the other side of the ninth", async () => {
    const { net, a } = scene("port", "port");
    const negotiate = tcpPunch({
      clock: net.clock,
      random: new SeededRandom(1),
      stunBinding: () => new Promise(() => undefined),
      freePort: async () => 20_000,
      openPort: (port) => a.tcp.port(port),
      localAddresses: () => [],
    });
    const said: unknown[] = [];
    const outcomes: unknown[] = [];
    const begin = (): void => {
      const context = { initiator: false, signal: new AbortController().signal, stunServers: ["stun:192.0.2.1:3478"] };
      const rest = { mayContact: () => true, note: () => undefined, sendSignal: (signal: unknown) => said.push(signal) };
      negotiate({ ...context, ...rest }).link.catch((error) => outcomes.push(error.code));
    };
    for (let i = 0; i <= MAX_PUNCHES; i++) begin();
    await run(net.clock, 1);
    expect([said, outcomes]).toEqual([[{ type: "stop" }], ["ERR_LIMIT_CONNECTIONS"]]);
    await run(net.clock, PUNCH_TIMEOUT_MS);
    begin();
    await run(net.clock, 1);
    expect(outcomes.filter((code) => code === "ERR_LIMIT_CONNECTIONS").length).toBe(1);
  });
});
