// Discovery before simulated NATs: right about each kind, and never wrong for the datagrams that were lost.

import { describe, expect, test } from "vitest";
import type { FilteringBehaviour, MappingBehaviour, NatBehaviour, PortAllocation } from "../../src/nat/nat-behaviour.js";
import { discoverNat, type NatReport } from "../../src/nat/nat-discovery.js";
import { run } from "../sim/flush.js";
import { SimInternet } from "../sim/internet.js";
import { NAT_KINDS, type NatKind } from "../sim/nat-model.js";
import { SeededRandom } from "../sim/seeded-random.js";
import { stunServer, twoAddressServer } from "./stun-sim.js";

type Servers = "three with one address" | "one with two addresses" | "both";
const SERVERS: readonly Servers[] = ["three with one address", "one with two addresses", "both"];
/** With 20 % loss, each kind and each choice of servers. */
const SEEDS = 200;

interface Setting extends NonNullable<ConstructorParameters<typeof SimInternet>[0]> {
  readonly servers: Servers;
  readonly filtering?: boolean;
  /** Changes of the NAT's rules. */
  readonly rules?: Parameters<SimInternet["nat"]>[1];
  /** Mappings that others behind the NAT open, one every so many ms. */
  readonly othersEveryMs?: number;
}

async function discover(kind: NatKind, setting: Setting): Promise<NatReport> {
  const { servers, filtering = false, rules = {}, othersEveryMs, seed = 1, ...conditions } = setting;
  const net = new SimInternet({ seed, ...conditions });
  const endpoints = [
    ...(servers === "one with two addresses" ? [] : Array.from({ length: 3 }, () => stunServer(net))),
    ...(servers === "three with one address" ? [] : twoAddressServer(net, ["192.0.2.1", "192.0.2.2"]).slice(0, 1)),
  ];
  const host = net.host(kind === "none" ? kind : net.nat(kind, rules));
  const port = host.open();
  for (let at = 0; othersEveryMs && at < 1000; at += othersEveryMs) net.clock.after(at, () => host.nat?.crowd(1));
  const report = discoverNat(port, endpoints, {
    clock: net.clock,
    random: new SeededRandom(seed),
    localHosts: host.addresses,
    filtering,
    ...(filtering ? { filteringPort: host.open() } : {}),
  });
  await run(net.clock, 60_000);
  expect(net.clock.pendingTimers).toBe(0);
  return report;
}

const TRUTH: Record<NatKind, NatBehaviour & { readonly filtering: FilteringBehaviour }> = {
  none: { ...say("endpoint-independent", "preserving", 0, "endpoint-independent"), open: true },
  full: say("endpoint-independent", "preserving", 0, "endpoint-independent"),
  address: say("endpoint-independent", "preserving", 0, "address-dependent"),
  port: say("endpoint-independent", "preserving", 0, "address-and-port-dependent"),
  sequential: say("address-and-port-dependent", "sequential", 1, "address-and-port-dependent"),
  random: say("address-and-port-dependent", "random", 0, "address-and-port-dependent"),
  "udp-blocked": say("unknown", "unknown", 0, "unknown"),
};

function say(mapping: MappingBehaviour, allocation: PortAllocation, portStep: number, filtering: FilteringBehaviour) {
  return { open: false, mapping, allocation, portStep, filtering };
}

describe("on a quiet network", () => {
  test.each(SERVERS)("each kind is told right by %s", async (servers) => {
    for (const kind of NAT_KINDS) {
      const report = await discover(kind, { servers, filtering: true });
      const { filtering, ...behaviour } = TRUTH[kind];
      expect(report, kind).toMatchObject(behaviour);
      // Only a second address can tell it.
      expect(report.filtering, kind).toBe(servers === "three with one address" ? "unknown" : filtering);
      expect(report.mapped === null, kind).toBe(kind === "udp-blocked");
    }
  });

  test("one round trip to three servers is enough, and silence is waited out for three seconds", async () => {
    for (const kind of NAT_KINDS) {
      const { tookMs } = await discover(kind, { servers: "three with one address", delayMs: 20 });
      expect(tookMs, kind).toBe(kind === "udp-blocked" ? 3000 : 40);
    }
  });

  test("a mapping that depends on the address alone is told by a server with two ports", async () => {
    const rules = { mapping: "address-dependent", filtering: "address-dependent" } as const;
    const report = await discover("random", { servers: "one with two addresses", rules, filtering: true });
    expect(report).toMatchObject({ mapping: "address-dependent", filtering: "address-dependent" });
    // Three servers with a port each see no more than that it changes, and then the worse is said.
    const fewer = await discover("random", { servers: "three with one address", rules });
    expect(fewer.mapping).toBe("address-and-port-dependent");
  });

  test.each([1, 2, 5])("ports that step by %i are told by the step, also while others take some in between", async (step) => {
    const setting = { servers: "one with two addresses", rules: { step } } as const;
    expect(await discover("sequential", setting)).toMatchObject({ allocation: "sequential", portStep: step });
    const shared = await discover("sequential", { ...setting, othersEveryMs: 15 });
    expect(shared.allocation).toBe("sequential");
    expect(shared.portStep % step).toBe(0);
  });

  test("a NAT that masquerades as Linux does looks endpoint-independent, and filters by port", async () => {
    const rules = { mapping: "address-and-port-dependent", overloading: true } as const;
    const report = await discover("port", { servers: "one with two addresses", rules, filtering: true });
    expect(report).toMatchObject(TRUTH.port);
  });

  test("jitter, copies and wrong order change nothing but the time", async () => {
    for (const kind of NAT_KINDS) {
      for (let seed = 1; seed <= 20; seed++) {
        const setting = { servers: "both", seed, jitterMs: 30, duplicate: 0.3, reorder: 0.3 } as const;
        const { filtering: _, portStep, ...behaviour } = TRUTH[kind];
        const report = await discover(kind, setting);
        expect(report, `${kind}, seed ${seed}`).toMatchObject(behaviour);
        if (kind !== "sequential") expect(report.portStep).toBe(portStep);
      }
    }
  });
});

describe("with 20 % loss", () => {
  const strictness: readonly FilteringBehaviour[] = ["endpoint-independent", "address-dependent", "address-and-port-dependent"];

  /** One discovery, which must not be wrong. @returns in what it was right to the full */
  async function judge(kind: NatKind, servers: Servers, seed: number) {
    const truth = TRUTH[kind];
    const report = await discover(kind, { servers, seed, loss: 0.2, filtering: true });
    const about = `${servers}, seed ${seed}`;
    expect([truth.mapping, "unknown"], about).toContain(report.mapping);
    expect([truth.allocation, "unknown"], about).toContain(report.allocation);
    if (report.mapped) expect(report.open, about).toBe(truth.open);
    // Three losses in a row look like a filter: a NAT may be said to let in less than it does, never more.
    const isStricter = strictness.indexOf(report.filtering) > strictness.indexOf(truth.filtering);
    if (!isStricter) expect([truth.filtering, "unknown"], about).toContain(report.filtering);
    const isRight = report.mapping === truth.mapping && report.allocation === truth.allocation;
    return { isRight, isStepRight: report.portStep === truth.portStep, isStricter };
  }

  test.each(NAT_KINDS)("%s is told right or as unknown over 200 seeds, and nearly always right", async (kind) => {
    for (const servers of SERVERS) {
      const verdicts: Awaited<ReturnType<typeof judge>>[] = [];
      for (let seed = 1; seed <= SEEDS; seed++) verdicts.push(await judge(kind, servers, seed));
      expect(verdicts.filter(({ isRight }) => isRight).length, servers).toBeGreaterThanOrEqual(0.98 * SEEDS);
      // Of three ports the middle one is missing, as its answer was lost twice: the step is then taken for two.
      expect(verdicts.filter(({ isStepRight }) => isStepRight).length, servers).toBeGreaterThanOrEqual(0.88 * SEEDS);
      expect(verdicts.filter(({ isStricter }) => isStricter).length, servers).toBeLessThanOrEqual(0.06 * SEEDS);
    }
  });
});
