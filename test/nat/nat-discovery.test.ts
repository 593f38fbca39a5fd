// NAT discovery in the simulated internet: every kind of NAT is told, in few round trips, with few requests.

import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/nat/datagram-port.js";
import { discoverNat, MAX_STUN_SERVERS, type NatDiscoveryOptions, type NatReport } from "../../src/nat/nat-discovery.js";
import { run, settled } from "../sim/flush.js";
import { type SimHost, SimInternet } from "../sim/internet.js";
import type { NatRules } from "../sim/nat-model.js";
import { SeededRandom } from "../sim/seeded-random.js";
import { stunServer, twoAddressServer } from "./stun-sim.js";

const ONE_WAY_MS = 20;
const ROUND_TRIP_MS = 2 * ONE_WAY_MS;
const PAIR = ["203.0.113.101", "203.0.113.102"] as const;

interface Case {
  readonly internet: SimInternet;
  readonly host: SimHost;
}

function behind(rules: NatRules | "none", conditions: ConstructorParameters<typeof SimInternet>[0] = {}): Case {
  const internet = new SimInternet({ delayMs: ONE_WAY_MS, ...conditions });
  return { internet, host: internet.host(rules === "none" ? "none" : internet.nat(rules)) };
}

/** Runs a discovery to its end; more than 10 s of virtual time are a hang. */
async function discover(
  { internet, host }: Case,
  servers: readonly Endpoint[],
  options: Partial<NatDiscoveryOptions> = {},
): Promise<NatReport> {
  const port = host.open(5000);
  let hasEnded = false;
  const report = discoverNat(port, servers, {
    clock: internet.clock,
    random: new SeededRandom(1),
    localHosts: host.addresses,
    ...options,
  }).finally(() => {
    hasEnded = true;
  });
  report.catch(() => undefined);
  for (let waited = 0; !hasEnded && waited < 10_000; waited += 10) await run(internet.clock, 10);
  // What is on its way arrives; a timer that was left behind would take longer.
  await run(internet.clock, 5 * ONE_WAY_MS);
  expect(internet.clock.pendingTimers).toBe(0);
  return report;
}

const rules = (mapping: NatRules["mapping"], allocation: NatRules["allocation"], more: Partial<NatRules> = {}): NatRules => ({
  mapping,
  allocation,
  filtering: "address-and-port-dependent",
  ...more,
});

describe("two servers with one address each", () => {
  test.each<[string, NatRules, Partial<NatReport>]>([
    [
      "a cone that keeps ports",
      rules("endpoint-independent", "preserving"),
      { mapping: "endpoint-independent", allocation: "preserving" },
    ],
    [
      "a cone that draws ports",
      rules("endpoint-independent", "random"),
      { mapping: "endpoint-independent", allocation: "unknown" },
    ],
    [
      "a sequential NAT",
      rules("address-and-port-dependent", "sequential"),
      { mapping: "address-and-port-dependent", allocation: "sequential", portStep: 1 },
    ],
    [
      "a sequential NAT that steps by two",
      rules("address-and-port-dependent", "sequential", { step: 2 }),
      { allocation: "sequential", portStep: 2 },
    ],
    [
      "a random NAT",
      rules("address-and-port-dependent", "random"),
      { mapping: "address-and-port-dependent", allocation: "random", portStep: 0 },
    ],
  ])("tell %s in one round trip", async (_, nat, expected) => {
    const scene = behind(nat);
    const servers = [stunServer(scene.internet), stunServer(scene.internet)];
    const report = await discover(scene, servers);
    expect(report).toMatchObject({ ...expected, open: false, localPort: 5000, filtering: "unknown", failures: [] });
    expect(report.tookMs).toBe(ROUND_TRIP_MS);
    expect(report.mappedPorts).toEqual(report.observations.map(({ mapped }) => mapped.port));
    expect(report.observations.map(({ server }) => server)).toEqual(servers);
  });

  test("tell that there is no NAT", async () => {
    const scene = behind("none");
    const report = await discover(scene, [stunServer(scene.internet), stunServer(scene.internet)]);
    expect(report).toMatchObject({
      open: true,
      mapping: "endpoint-independent",
      allocation: "preserving",
      mapped: { host: scene.host.address, port: 5000 },
    });
  });

  test("tell the ports in the order asked, so that the next one is known", async () => {
    const scene = behind(rules("address-and-port-dependent", "sequential"));
    const servers = [1, 2, 3, 4].map(() => stunServer(scene.internet));
    const { lastPort, portStep } = await discover(scene, servers);
    const seen: Endpoint[] = [];
    const peer = scene.internet.host();
    peer.open(9).subscribe((_, from) => seen.push({ ...from }));
    scene.host.open().send(new Uint8Array(1), { host: peer.address, port: 9 });
    await run(scene.internet.clock, ROUND_TRIP_MS);
    expect(seen.map(({ port }) => port)).toEqual([(lastPort as number) + portStep]);
  });
});

describe("one server with two addresses", () => {
  test.each<[string, NatRules, Partial<NatReport>]>([
    ["a cone", rules("endpoint-independent", "preserving"), { mapping: "endpoint-independent", allocation: "preserving" }],
    [
      "a NAT that maps by address",
      rules("address-dependent", "sequential"),
      { mapping: "address-dependent", allocation: "sequential" },
    ],
    [
      "a sequential NAT that maps by address and port",
      rules("address-and-port-dependent", "sequential"),
      { mapping: "address-and-port-dependent", allocation: "sequential", portStep: 1 },
    ],
    [
      "a random NAT",
      rules("address-and-port-dependent", "random"),
      { mapping: "address-and-port-dependent", allocation: "random" },
    ],
  ])("tells %s in two round trips", async (_, nat, expected) => {
    const scene = behind(nat);
    const [server] = twoAddressServer(scene.internet, PAIR);
    const report = await discover(scene, [server]);
    expect(report).toMatchObject(expected);
    expect(report.tookMs).toBe(2 * ROUND_TRIP_MS);
    expect(report.observations).toHaveLength(4);
  });

  test("adds samples where a second server alone has left it open", async () => {
    const scene = behind(rules("address-dependent", "random"));
    const [server] = twoAddressServer(scene.internet, PAIR);
    const report = await discover(scene, [stunServer(scene.internet), server]);
    expect(report).toMatchObject({ mapping: "address-dependent", allocation: "random" });
    expect(report.tookMs).toBe(2 * ROUND_TRIP_MS);
  });

  test("is not asked any more where two servers agree", async () => {
    const scene = behind(rules("endpoint-independent", "random"));
    const [server] = twoAddressServer(scene.internet, PAIR);
    const report = await discover(scene, [server, stunServer(scene.internet)]);
    expect(report.observations).toHaveLength(2);
    expect(scene.internet.traffic(PAIR[1]).sent).toBe(0);
  });
});

describe("filtering", () => {
  const kinds = ["endpoint-independent", "address-dependent", "address-and-port-dependent"] as const;

  test.each(kinds)("%s is told, before anything else is asked of the server", async (filtering) => {
    const scene = behind(rules("endpoint-independent", "preserving", { filtering }));
    const [server] = twoAddressServer(scene.internet, PAIR);
    const report = await discover(scene, [server], { filtering: true });
    expect(report).toMatchObject({ filtering, mapping: "endpoint-independent" });
    expect(report.tookMs).toBeLessThanOrEqual(2 * ROUND_TRIP_MS + 800);
  });

  test.each(kinds)("%s is told beside the mapping on a port of its own", async (filtering) => {
    const scene = behind(rules("address-and-port-dependent", "sequential", { filtering }));
    const [server] = twoAddressServer(scene.internet, PAIR);
    const filteringPort = scene.host.open();
    const report = await discover(scene, [server], { filtering: true, filteringPort });
    expect(report).toMatchObject({ filtering, mapping: "address-and-port-dependent" });
    expect(report.tookMs).toBeLessThanOrEqual(2 * ROUND_TRIP_MS + 800);
    expect(filteringPort.isOpen).toBe(true);
  });

  test("is unknown where the second address was asked already, as the NAT is open to it", async () => {
    const scene = behind(rules("endpoint-independent", "preserving"));
    const [server, other] = twoAddressServer(scene.internet, PAIR);
    const report = await discover(scene, [server, other], { filtering: true });
    expect(report).toMatchObject({ filtering: "unknown", mapping: "endpoint-independent" });
    expect(report.tookMs).toBe(ROUND_TRIP_MS);
  });

  test("is unknown where no server has a second address, and where one promises and does not keep", async () => {
    const scene = behind(rules("endpoint-independent", "preserving"));
    const honest = await discover(scene, [stunServer(scene.internet), stunServer(scene.internet)], { filtering: true });
    expect(honest.filtering).toBe("unknown");

    const broken = behind(rules("endpoint-independent", "preserving"));
    const [server] = twoAddressServer(broken.internet, PAIR, { keepsPromise: false });
    expect((await discover(broken, [server], { filtering: true })).filtering).toBe("unknown");
  });
});

describe("the first mapped address", () => {
  test("is told when the first answer comes, and the report does not wait for the dead", async () => {
    const scene = behind(rules("endpoint-independent", "random"));
    const dead = { host: "203.0.113.200", port: 3478 };
    const told: { at: number; mapped: Endpoint }[] = [];
    const onMapped = (mapped: Endpoint) => told.push({ at: scene.internet.clock.now(), mapped });
    const servers = [dead, stunServer(scene.internet), stunServer(scene.internet)];
    const report = await discover(scene, servers, { onMapped });
    expect(told).toEqual([{ at: ROUND_TRIP_MS, mapped: report.mapped }]);
    expect(report.mapped?.host).toBe(scene.host.nat?.publicAddress);
    expect(report).toMatchObject({ mapping: "endpoint-independent", tookMs: ROUND_TRIP_MS, failures: [] });
  });

  test("ends the discovery when its callback throws", async () => {
    const scene = behind(rules("endpoint-independent", "random"));
    const onMapped = () => {
      throw new Error("of the callback");
    };
    const done = discover(scene, [stunServer(scene.internet), stunServer(scene.internet)], { onMapped });
    await expect(done).rejects.toThrow("of the callback");
    expect(scene.internet.clock.pendingTimers).toBe(0);
  });
});

describe("servers that do not answer", () => {
  const dead = (n: number): Endpoint => ({ host: `203.0.113.${200 + n}`, port: 3478 });

  test("are told after 3 s, and the report says that nobody saw us", async () => {
    const scene = behind(rules("endpoint-independent", "preserving", { udp: false }));
    const report = await discover(scene, [stunServer(scene.internet), stunServer(scene.internet)]);
    expect(report).toMatchObject({ mapped: null, open: false, mapping: "unknown", allocation: "unknown", tookMs: 3_000 });
    expect(report.failures.map(({ code }) => code)).toEqual(["ERR_STUN_TIMEOUT", "ERR_STUN_TIMEOUT"]);
  });

  test("leave the mapping unknown where one alone answers, without a second address", async () => {
    const scene = behind(rules("endpoint-independent", "preserving"));
    const report = await discover(scene, [dead(1), stunServer(scene.internet)]);
    expect(report).toMatchObject({ mapping: "unknown", allocation: "preserving", tookMs: 3_000 });
    expect(report.mapped).not.toBeNull();
  });

  test("are replaced by the second address of one that does, after a pause", async () => {
    const scene = behind(rules("endpoint-independent", "preserving"));
    const [server] = twoAddressServer(scene.internet, PAIR);
    const report = await discover(scene, [dead(1), server, dead(2)]);
    expect(report).toMatchObject({ mapping: "endpoint-independent", tookMs: ROUND_TRIP_MS + 250 + ROUND_TRIP_MS });
  });

  test("and those that are none fail at once", async () => {
    const scene = behind("none");
    const report = await discover(scene, [
      { host: "stun.example", port: 3478 },
      { host: "203.0.113.9", port: 0 },
    ]);
    expect(report.failures.map(({ code }) => code)).toEqual(["ERR_ADDRESS_INVALID", "ERR_PORT_INVALID"]);
    expect(report.tookMs).toBe(0);
    expect((await discover(behind("none"), [])).mapping).toBe("unknown");
  });
});

test("loss and wrong order change nothing but the time", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const scene = behind(rules("address-and-port-dependent", "sequential"), { seed, loss: 0.15, reorder: 0.1, jitterMs: 10 });
    const [server] = twoAddressServer(scene.internet, PAIR);
    const report = await discover(scene, [server, stunServer(scene.internet)]);
    expect({ seed, ...report }).toMatchObject({ mapping: "address-and-port-dependent", allocation: "sequential", portStep: 1 });
  }
});

test("a hundred servers, or one a hundred times, cost no more than the first eight", async () => {
  const scene = behind(rules("endpoint-independent", "preserving"));
  const dead = Array.from({ length: 100 }, (_, i) => ({ host: `203.0.113.${100 + i}`, port: 3478 }));
  await discover(scene, dead);
  const asked = dead.filter(({ host }) => scene.internet.traffic(host).sent > 0);
  expect(asked).toHaveLength(MAX_STUN_SERVERS);

  const same = behind(rules("endpoint-independent", "preserving"));
  const server = stunServer(same.internet);
  await discover(
    same,
    Array.from({ length: 100 }, () => server),
  );
  expect(same.internet.traffic(server.host).sent).toBe(1);
});

test("stops when the signal aborts, and leaves nothing behind", async () => {
  for (const filtering of [false, true]) {
    for (const afterMs of [0, 10, 50, 150, 300]) {
      const scene = behind(rules("address-and-port-dependent", "random"));
      const [server] = twoAddressServer(scene.internet, PAIR);
      const abort = new AbortController();
      const filteringPort = filtering ? scene.host.open() : undefined;
      const { clock } = scene.internet;
      const done = discoverNat(scene.host.open(5000), [{ host: "203.0.113.200", port: 1 }, server], {
        clock,
        random: new SeededRandom(1),
        signal: abort.signal,
        filtering,
        filteringPort,
      });
      const refused = expect(done).rejects.toBe("enough");
      await run(clock, afterMs);
      abort.abort("enough");
      await settled();
      await refused;
      await run(clock, 5_000);
      expect(clock.pendingTimers).toBe(0);
    }
  }
});
