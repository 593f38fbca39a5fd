// Who dials and who listens, and which port comes next.

import { describe, expect, test } from "vitest";
import { PORT_HABITS, type PortHabit } from "../../src/nat/punch-plan.js";
import { plannedRemotes, portStep, tcpPunchPlan } from "../../src/nat/tcp-punch-plan.js";

const pairs = PORT_HABITS.flatMap((a) => PORT_HABITS.map((b): [PortHabit, PortHabit] => [a, b]));

describe("the plan for two sides", () => {
  test.each(pairs)("%s × %s: both try or none does, and one alone listens", (a, b) => {
    for (const bothIPv6 of [false, true]) {
      const plans = [tcpPunchPlan(true, a, b, bothIPv6), tcpPunchPlan(false, b, a, bothIPv6)];
      if (plans.includes(null)) expect(plans).toEqual([null, null]);
      else expect(plans.filter((plan) => plan?.listen !== null).length).toBe(1);
    }
  });

  test("gives random ports no chance against ports that are not steady, but by IPv6", () => {
    for (const [ours, theirs] of [
      ["random", "random"],
      ["random", "sequential"],
      ["sequential", "random"],
    ] as const) {
      expect(tcpPunchPlan(true, ours, theirs, false)).toBeNull();
      expect(tcpPunchPlan(true, ours, theirs, true)?.ipv4).toBe(0);
    }
  });

  test.each(["sequential", "random"] as const)("lets the steady side listen for a %s one, whoever offers", (habit) => {
    for (const initiator of [true, false]) {
      expect(tcpPunchPlan(initiator, "steady", habit, false)?.listen).not.toBeNull();
      expect(tcpPunchPlan(initiator, habit, "unknown", false)?.listen).toBeNull();
    }
  });

  test("lets a sequential side dial one IPv4 address, as the next connection has the next port, and any of IPv6", () => {
    const remotes = ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"].map((host) => ({ host, port: 1 }));
    const dialled = (ours: PortHabit, theirs: PortHabit): string[] => {
      const plan = tcpPunchPlan(true, ours, theirs, true);
      return plan ? plannedRemotes(plan, remotes).map(({ host }) => host) : [];
    };
    expect(dialled("sequential", "steady")).toEqual(["192.0.2.1", "2001:db8::1", "2001:db8::2"]);
    expect(dialled("steady", "sequential")).toEqual(remotes.map(({ host }) => host));
    expect(dialled("random", "random")).toEqual(["2001:db8::1", "2001:db8::2"]);
  });
});

describe("the step from port to port", () => {
  test.each<[readonly number[], number | null]>([
    [[5000, 5001, 5002], 1],
    [[5000, 5002, 5004], 2],
    [[5000, 4999, 4998], -1],
    // Somebody else's connection in between.
    [[5000, 5001, 5003], 1],
    [[5000, 5007, 5008], 1],
    [[5000, 5064, 5128], 64],
    [[5000, 5065, 5130], null],
    [[5000, 5001, 5001], null],
    [[5000, 5001, 5000], null],
    [[5000, 41_022, 17_777], null],
    [[5000, 5001], null],
    [[], null],
  ])("%j: %s", (ports, step) => {
    expect(portStep(ports)).toBe(step);
  });
});
