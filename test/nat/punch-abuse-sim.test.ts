// A proven peer that lies while punching, and strangers that join in: what third parties are made to bear has a bound.

import { describe, expect, test } from "vitest";
import { BIRTHDAY_PAUSE_MS } from "../../src/nat/birthday-gate.js";
import { PROBE_BYTES } from "../../src/nat/probe.js";
import { BIRTHDAY_PROBES } from "../../src/nat/punch.js";
import { run } from "../sim/flush.js";
import type { Sighting } from "../sim/internet.js";
import type { NatKind } from "../sim/nat-model.js";
import { codeOf, PunchScene, type PunchSide } from "./punch-sides.js";

/** Most probes to one endpoint: an opener, and ten that nobody answers. */
const PER_ENDPOINT = 11;
const VICTIM = "192.0.2.66";

type Signal = Record<string, unknown>;

/** An honest side, and one whose signals are rewritten. The honest one answers, unless told otherwise. */
function pair(honestKind: NatKind, lie: (signal: Signal, honest: PunchSide) => unknown, { offers = false, seed = 1 } = {}) {
  const scene = new PunchScene({ seed });
  const [honest, liar] = [scene.side(honestKind), scene.side("none")];
  scene.internet.host("none", [VICTIM]);
  const sent: Sighting[] = [];
  const ownAddresses = [...honest.host.addresses, honest.host.nat?.publicAddress];
  scene.internet.watch((sighting) => {
    if (sighting.fate === "sent" && ownAddresses.includes(sighting.from.host)) sent.push(sighting);
  });
  const tamper = (from: PunchSide, signal: unknown): unknown => (from === liar ? lie(signal as Signal, honest) : signal);
  const begin = () => (offers ? scene.begin(honest, liar, { tamper }) : scene.begin(liar, honest, { tamper }));
  const probes = (): Sighting[] => sent.filter(({ bytes }) => bytes === PROBE_BYTES);
  return { scene, honest, liar, begin, probes, victim: () => scene.internet.traffic(VICTIM) };
}

/** Whatever is behind keys of a signal, replaced. */
const say =
  (lies: Signal) =>
  (signal: Signal): Signal =>
    Object.fromEntries(Object.entries(signal).map(([key, value]) => [key, key in lies ? lies[key] : value]));

describe("a peer that names a victim", () => {
  test("as its own addresses, 10,000 of them: one is probed, ten times", async () => {
    const hosts = Array.from({ length: 10_000 }, (_, i) => `${VICTIM}:${10_000 + i}`);
    const { scene, begin, victim, probes } = pair("port", say({ hosts, nat: "unknown", mapped: null }));
    const outcomes = await scene.finish(begin().both);
    await run(scene.internet.clock, 30_000);
    expect(outcomes.map(codeOf)).toEqual(["ERR_PUNCH_FAILED", "ERR_PUNCH_FAILED"]);
    expect(victim().sent).toBeGreaterThan(5);
    expect(victim().sent).toBeLessThanOrEqual(PER_ENDPOINT);
    const ports = new Set(probes().flatMap(({ to }) => (to.host === VICTIM ? [to.port] : [])));
    expect(ports.size).toBe(1);
    for (const port of ports) expect(scene.internet.traffic(VICTIM, port).sent).toBeLessThanOrEqual(PER_ENDPOINT);
  });

  test.each(["none", "port", "sequential"] as const)("as the endpoint where it is seen, to one behind %s", async (kind) => {
    const { scene, begin, victim } = pair(kind, say({ hosts: [], mapped: `${VICTIM}:5000` }));
    const [, outcome] = await scene.finish(begin().both);
    await run(scene.internet.clock, 30_000);
    expect(outcome.punched?.remote.host).not.toBe(VICTIM);
    expect(victim().sent).toBeGreaterThan(0);
    expect(victim().sent).toBeLessThanOrEqual(PER_ENDPOINT);
    expect(victim().arrivedBytes).toBeLessThanOrEqual(PER_ENDPOINT * PROBE_BYTES);
  });

  test("as the endpoint from which its next probes come: that one, and a few ports beyond, once each", async () => {
    const lies = { hosts: [], nat: "sequential", step: 1, ready: `${VICTIM}:5000` };
    const { scene, begin, victim } = pair("port", say(lies));
    await scene.finish(begin().both);
    await run(scene.internet.clock, 30_000);
    expect(scene.internet.traffic(VICTIM, 5000).sent).toBeLessThanOrEqual(PER_ENDPOINT);
    expect(victim().sent).toBeLessThanOrEqual(PER_ENDPOINT + 3);
  });

  test("as a random NAT: 2,048 probes at most, 34 bytes each and 1,000 a second, by one attempt at a time", async () => {
    const { scene, honest, begin, victim, probes } = pair("port", say({ hosts: [], nat: "random", mapped: `${VICTIM}:5000` }));
    const first = begin().both;
    await run(scene.internet.clock, 500);
    const second = begin().both;
    const [, refused] = await scene.finish(second);
    expect(String(refused.error)).toContain("one attempt at a time");
    await scene.finish(first);
    // Nor soon after it: the address may be that of somebody who has to bear them.
    const [, tooSoon] = await scene.finish(begin().both);
    expect(String(tooSoon.error)).toContain("not soon again");
    await run(scene.internet.clock, BIRTHDAY_PAUSE_MS);
    expect(honest.birthdays).toBe(1);
    expect(victim().sent).toBeGreaterThan(BIRTHDAY_PROBES - 10);
    expect(victim().sent).toBeLessThanOrEqual(BIRTHDAY_PROBES + 3 * PER_ENDPOINT);
    expect(victim().arrivedBytes).toBeLessThanOrEqual((BIRTHDAY_PROBES + 3 * PER_ENDPOINT) * PROBE_BYTES);
    const times = probes().flatMap(({ to, at }) => (to.host === VICTIM ? [at] : []));
    for (const start of times) {
      const within = (ms: number): number => times.filter((at) => at >= start && at < start + ms).length;
      expect(within(10)).toBeLessThanOrEqual(12);
      expect(within(1_000)).toBeLessThanOrEqual(1_012);
    }
  });

  test("again and again: each attempt bears the same bound, and none is left behind", async () => {
    const { scene, honest, begin, victim } = pair("port", say({ hosts: [], mapped: `${VICTIM}:5000` }));
    for (let count = 1; count <= 5; count++) {
      await scene.finish(begin().both);
      expect(victim().sent).toBeLessThanOrEqual(count * PER_ENDPOINT);
    }
    await run(scene.internet.clock, 10_000);
    expect(honest.host.openPorts).toBe(1);
    expect(scene.internet.clock.pendingTimers).toBe(0);
  });
});

describe("addresses that we are not willing to send to", () => {
  const forbidden = ["127.0.0.1:80", "0.0.0.0:80", "169.254.1.1:80", "224.0.0.1:80", "255.255.255.255:80", "240.0.0.1:80"];
  const ports = ["0", "22", "53", "123", "65536", "-1", "1e3", ""].map((port) => `${VICTIM}:${port}`);
  const malformed = [
    "localhost:80",
    "example.com:80",
    VICTIM,
    "",
    "[::1]:80",
    "[fe80::1]:80",
    "[::ffff:127.0.0.1]:80",
    "1.2.3:80",
  ];
  const nonsense = [...forbidden, ...ports, ...malformed];

  test("are never probed, wherever they are named", async () => {
    for (const endpoint of nonsense) {
      const lies = { hosts: [endpoint], mapped: endpoint, nat: "sequential", step: 1, ready: endpoint };
      for (const some of [lies, { ...lies, mapped: `${VICTIM}:5000` }, { ...lies, nat: "random", mapped: endpoint }]) {
        const { scene, liar, begin, probes } = pair("port", say(some));
        await scene.finish(begin().both);
        for (const { to } of probes()) {
          const isNamed = to.host === VICTIM && to.port >= 5000 && to.port <= 5003;
          expect(isNamed || to.host === liar.host.address, `${endpoint}: ${to.host}:${to.port}`).toBe(true);
        }
      }
    }
  });
});

describe("ports that no peer listens on", () => {
  test("are left out where they lie beyond a predicted one", async () => {
    const lies = { hosts: [], nat: "sequential", step: 1, ready: `${VICTIM}:11209` };
    const { scene, begin, probes } = pair("port", say(lies));
    await scene.finish(begin().both);
    const ports = new Set(probes().flatMap(({ to }) => (to.host === VICTIM ? [to.port] : [])));
    expect([...ports].sort()).toEqual([11_209, 11_210, 11_212]);
  });
});

describe("a peer that names our own addresses", () => {
  test.each([true, false])("does not make us agree with ourselves (we offer: %s)", async (offers) => {
    for (const kind of ["none", "full"] as const) {
      const lie = (signal: Signal, honest: PunchSide): Signal => {
        const own = `${honest.host.address}:${honest.port.port}`;
        const outside = `${honest.host.nat?.publicAddress ?? honest.host.address}:${honest.port.port}`;
        return say({ hosts: [own, outside], mapped: outside, ready: outside })(signal);
      };
      const { scene, honest, begin } = pair(kind, lie, { offers });
      const outcome = (await scene.finish(begin().both))[offers ? 0 : 1];
      const remote = outcome.punched?.remote.host;
      expect([honest.host.address, honest.host.nat?.publicAddress]).not.toContain(remote ?? null);
    }
  });
});

describe("signals that no honest side sends", () => {
  test.each<[string, (signal: Signal) => unknown]>([
    ["no object", () => 7],
    ["null", () => null],
    ["a short tag", (signal) => ("tag" in signal ? { ...signal, tag: "00" } : signal)],
    ["a key that is none", (signal) => ("key" in signal ? { ...signal, key: "zz".repeat(32) } : signal)],
    ["no key at all", (signal) => say({ key: undefined })(signal)],
    ["stream 0", (signal) => say({ stream: 0 })(signal)],
    ["an unknown habit", (signal) => say({ nat: "wonderful" })(signal)],
    ["a step of 65", (signal) => say({ step: 65 })(signal)],
    ["a step that is no number", (signal) => say({ step: "1" })(signal)],
  ])("%s: the attempt ends with a code, and nothing is left", async (_name, lie) => {
    const { scene, honest, begin } = pair("port", lie);
    const [, outcome] = await scene.finish(begin().both);
    expect(codeOf(outcome)).toBe("ERR_FRAME_MALFORMED");
    await run(scene.internet.clock, 20_000);
    expect(honest.host.openPorts).toBe(1);
    expect(scene.internet.clock.pendingTimers).toBe(0);
  });

  test("each counts once, however often it comes and whatever it says then", async () => {
    const { scene, honest, liar, begin, victim } = pair("port", (signal) => signal);
    const { both, punchings } = begin();
    await run(scene.internet.clock, 90);
    for (let i = 0; i < 1_000; i++) {
      const endpoint = `${VICTIM}:${2_000 + i}`;
      punchings[1]?.receiveSignal({ tag: "00".repeat(8), key: "00".repeat(32), stream: 1, hosts: [endpoint] });
      punchings[1]?.receiveSignal({ nat: "random", mapped: endpoint, step: 0 });
      punchings[1]?.receiveSignal({ later: endpoint });
    }
    expect((await scene.finish(both)).map(codeOf)).toEqual(["direct", "direct"]);
    expect(victim().sent).toBe(0);
    expect([honest.birthdays, liar.birthdays]).toEqual([0, 0]);
  });
});

describe("strangers", () => {
  /** What the honest side got that was a probe, as a stranger on the way could have copied it. */
  function copies(scene: PunchScene, { port }: PunchSide): Uint8Array[] {
    const seen: Uint8Array[] = [];
    port.subscribe((datagram) => {
      if (datagram.length === PROBE_BYTES && seen.length < 20) seen.push(datagram.slice());
    });
    expect(scene.internet.clock.now()).toBe(0);
    return seen;
  }

  test("that send junk, or probes of another attempt, get no answer", async () => {
    const { scene, honest, begin, probes } = pair("full", (signal) => signal);
    const stranger = scene.internet.host("none", ["192.0.2.99"]).open(40_000);
    const { both } = begin();
    let outside = "";
    scene.internet.watch(({ fate, from }) => {
      if (fate === "lost") outside = from.host;
    });
    for (let at = 100; at < 400; at += 5) {
      scene.internet.clock.after(at, () => {
        const to = { host: honest.host.nat?.publicAddress ?? "", port: honest.port.port };
        for (const length of [0, 1, PROBE_BYTES - 1, PROBE_BYTES, PROBE_BYTES + 1, 1_400]) {
          const bytes = honest.tools.random.bytes(length);
          bytes[0] = 0xc5;
          stranger.send(bytes, to);
        }
      });
    }
    expect((await scene.finish(both)).map(codeOf)).toEqual(["direct", "direct"]);
    await run(scene.internet.clock, 1_000);
    expect(probes().filter(({ to }) => to.host === "192.0.2.99")).toEqual([]);
    expect(outside).toBe("");
  });

  test("that copy a probe and send it on from a hundred forged addresses cause an answer each, and few probes", async () => {
    const { scene, honest, begin, probes } = pair("full", (signal) => say({ hosts: [] })(signal));
    const seen = copies(scene, honest);
    const forger = scene.internet.host("none", ["192.0.2.99"]).open(40_000);
    let forged = 0;
    const stop = honest.port.subscribe((datagram) => {
      if (datagram.length !== PROBE_BYTES || seen.length === 0 || forged > 0) return;
      const to = { host: honest.host.nat?.publicAddress ?? "", port: honest.port.port };
      for (let i = 0; i < 100; i++, forged++) forger.send(seen[0] as Uint8Array, to, 64, `198.18.0.${i}`);
    });
    const outcomes = await scene.finish(begin().both);
    stop();
    await run(scene.internet.clock, 30_000);
    expect(forged).toBe(100);
    const caused = probes().filter(({ to }) => to.host.startsWith("198.18."));
    expect(caused.length).toBeLessThanOrEqual(100 + 8 * PER_ENDPOINT);
    // Whoever only copies is never agreed with.
    expect(outcomes.map(codeOf)).toEqual(["direct", "direct"]);
    expect(outcomes[1].punched?.remote.host).not.toMatch(/^198\.18\./);
  });

  // Today they do: the answering side takes a request to use a path from wherever it comes.
  test("that send on a request to use a path from elsewhere do not become that path", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { scene, honest, liar, begin } = pair("full", (signal) => signal, { seed });
      const forger = scene.internet.host("none", ["192.0.2.99"]).open(40_000);
      // All that the offering side sends is copied at its door, and comes from elsewhere before it comes from there.
      scene.internet.conditions.delayMs = 40;
      const { send } = liar.port;
      liar.port.send = (datagram, to, ttl) => {
        if (datagram.length === PROBE_BYTES) {
          const outside = { host: honest.host.nat?.publicAddress ?? "", port: honest.port.port };
          scene.internet.conditions.delayMs = 20;
          forger.send(datagram, outside);
          scene.internet.conditions.delayMs = 40;
        }
        send.call(liar.port, datagram, to, ttl);
      };
      const [, outcome] = await scene.finish(begin().both);
      expect(outcome.punched?.remote.host, `seed ${seed}`).not.toBe("192.0.2.99");
    }
  });
});
