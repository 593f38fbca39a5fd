// Punching by UDP through simulated NATs: which pairs find a path, how fast, and what loss and wrong order do to it.

import { describe, expect, test } from "vitest";
import type { ErrorCode } from "../../src/core/errors.js";
import { run } from "../sim/flush.js";
import type { Fate } from "../sim/internet.js";
import { NAT_KINDS, type NatKind, type NatRules } from "../sim/nat-model.js";
import { codeOf, type Outcome, PunchScene, type PunchSide } from "./punch-sides.js";

const PAIRS = NAT_KINDS.flatMap((a) => NAT_KINDS.map((b) => [a, b] as const));
const isRandom = (kind: NatKind): boolean => kind === "random";
const isSymmetric = (kind: NatKind): boolean => isRandom(kind) || kind === "sequential";

/** What physics allows two kinds. */
function expected(a: NatKind, b: NatKind): "direct" | ErrorCode {
  if (a === "udp-blocked" || b === "udp-blocked") return "ERR_PUNCH_FAILED";
  return (isRandom(a) && isSymmetric(b)) || (isRandom(b) && isSymmetric(a)) ? "ERR_PUNCH_HOPELESS" : "direct";
}

/** Random ports before a NAT that filters by port. */
const isBirthday = (a: NatKind, b: NatKind): boolean => (isRandom(a) && b === "port") || (isRandom(b) && a === "port");
const needsPrediction = (a: NatKind, b: NatKind): boolean =>
  expected(a, b) === "direct" && [a, b].includes("sequential") && ["port", "sequential"].includes(a === "sequential" ? b : a);

/** One attempt between two kinds of NAT. Both sides must make the same of it, and a path must carry. */
async function attempt(a: NatKind, b: NatKind, options: ConstructorParameters<typeof PunchScene>[0] = {}) {
  const scene = new PunchScene(options);
  const sides = [scene.side(a), scene.side(b)] as const;
  const outcomes = await scene.attempt(...sides);
  const about = `${a} × ${b}, seed ${options.seed ?? 1}`;
  const code = await agreed(scene, outcomes, about);
  await cleanedUp(scene, sides, outcomes, about);
  return { code, tookMs: Math.max(...outcomes.map(({ tookMs }) => tookMs)), scene, sides, outcomes };
}

/** Both sides have a path or neither has. @returns what came of it */
async function agreed(scene: PunchScene, outcomes: readonly [Outcome, Outcome], about = ""): Promise<string> {
  const [one, other] = outcomes;
  expect(other.punched !== null, about).toBe(one.punched !== null);
  if (one.punched && other.punched) {
    expect(await scene.carries(one.punched, other.punched), about).toBe(true);
    expect(one.punched.remoteStream).toBe(other.punched.ownStream);
    expect(other.punched.remoteStream).toBe(one.punched.ownStream);
  }
  return codeOf(one);
}

/** Four seconds later nothing is left but the main sockets, and the one that won: no timer, and nobody who listens. */
async function cleanedUp(
  scene: PunchScene,
  sides: readonly PunchSide[],
  outcomes: readonly Outcome[],
  about = "",
): Promise<void> {
  await run(scene.internet.clock, 4_000);
  for (const [i, { host, port, birthdayTaken }] of sides.entries()) {
    const winner = outcomes[i]?.punched?.port;
    expect(host.openPorts, about).toBe(winner && winner !== port ? 2 : 1);
    expect([port.subscribers, birthdayTaken], about).toEqual([0, false]);
  }
  expect(scene.internet.clock.pendingTimers, about).toBe(0);
}

describe("on a quiet network, 20 ms wide, with signals that take 40 ms", () => {
  test.each(PAIRS)("%s × %s", async (a, b) => {
    for (let seed = 1; seed <= 3; seed++) {
      const { code, tookMs, sides, outcomes } = await attempt(a, b, { seed });
      expect(outcomes.map(codeOf)).toEqual([expected(a, b), expected(a, b)]);
      // Signals there and back, an opener and a probe; what has no chance does not go on for long either.
      const limit = isBirthday(a, b) ? 3_000 : code === "direct" ? 500 : code === "ERR_PUNCH_HOPELESS" ? 2_000 : 5_000;
      expect(tookMs).toBeLessThanOrEqual(limit);
      // Any other pair needs no 256 sockets.
      if (!sides.some(({ host }) => host.nat === null) && !isBirthday(a, b)) {
        expect(sides.every(({ notes }) => !notes.join().includes("random ports"))).toBe(true);
      }
    }
  });

  test.each([
    ["random", "port"],
    ["port", "random"],
  ] as const)("%s × %s meet in 49 of 50 birthdays at least, within five seconds", async (a, b) => {
    const times: number[] = [];
    for (let seed = 1; seed <= 50; seed++) {
      const { code, tookMs } = await attempt(a, b, { seed });
      if (code === "direct") times.push(tookMs);
    }
    expect(times.length).toBeGreaterThanOrEqual(49);
    expect(Math.max(...times)).toBeLessThan(5_000);
  });

  test("steps other than one are predicted as well", async () => {
    for (const step of [2, 5, 20]) {
      for (const other of ["port", "sequential"] as const) {
        const scene = new PunchScene();
        const sides = [scene.side(scene.internet.nat("sequential", { step })), scene.side(other)] as const;
        expect(await agreed(scene, await scene.attempt(...sides), `step ${step} × ${other}`)).toBe("direct");
      }
    }
  });

  test("others who take a port between the question and the opener do no harm where the other side is steady", async () => {
    const scene = new PunchScene();
    const sides = [scene.side("sequential"), scene.side("port")] as const;
    const { mappedOf } = sides[0].tools;
    sides[0].tools.mappedOf = async (...call) => {
      const seen = await mappedOf(...call);
      sides[0].host.nat?.crowd(2);
      return seen;
    };
    expect(await agreed(scene, await scene.attempt(...sides))).toBe("direct");
  });

  test.each([0, 5, 200, 500])("signals that take %i ms only cost their time", async (signalMs) => {
    for (const [a, b] of PAIRS.filter(([a, b]) => expected(a, b) === "direct" && !isBirthday(a, b))) {
      const scene = new PunchScene();
      const outcomes = await scene.attempt(scene.side(a), scene.side(b), { signalMs });
      expect(await agreed(scene, outcomes, `${a} × ${b}`)).toBe("direct");
      for (const { tookMs } of outcomes) expect(tookMs).toBeLessThanOrEqual(3 * signalMs + 600);
    }
  });

  test("a second attempt finds the path again, with what is known of the NATs by now", async () => {
    for (const [a, b] of PAIRS.filter(([a, b]) => expected(a, b) === "direct" && !isBirthday(a, b))) {
      const scene = new PunchScene();
      const sides = [scene.side(a), scene.side(b)] as const;
      for (let round = 0; round < 3; round++) {
        expect(await agreed(scene, await scene.attempt(...sides), `${a} × ${b}, round ${round}`)).toBe("direct");
        await run(scene.internet.clock, 1_000);
      }
    }
  });

  test("two attempts on one socket, with two peers at the same time, do not meet", async () => {
    const scene = new PunchScene();
    const [hub, one, other] = [scene.side("port"), scene.side("port"), scene.side("sequential")];
    const attempts = [scene.begin(hub, one), scene.begin(other, hub)];
    for (const { both } of attempts) expect(await agreed(scene, await scene.finish(both))).toBe("direct");
  });
});

describe("nothing strays: no probe comes to a NAT that is not open for it", () => {
  const steady = PAIRS.filter((pair) => pair.every((kind) => ["none", "full", "address", "port"].includes(kind)));

  test.each(steady)("%s × %s", async (a, b) => {
    const scene = new PunchScene();
    const fates: Fate[] = [];
    scene.internet.watch(({ fate }) => fates.push(fate));
    const outcomes = await scene.attempt(scene.side(a), scene.side(b));
    expect(await agreed(scene, outcomes)).toBe("direct");
    expect(fates).not.toContain("filtered");
    if (a !== "none" || b !== "none") expect(fates).toContain("expired");
  });

  test("so NATs that would keep a stray, and give its port away, are punched as well", async () => {
    const keeping: Partial<NatRules> = { mapping: "address-and-port-dependent", overloading: true, strays: "kept" };
    for (let seed = 1; seed <= 10; seed++) {
      const scene = new PunchScene({ seed, jitterMs: 10 });
      const sides = [scene.side(scene.internet.nat("port", keeping)), scene.side(scene.internet.nat("port", keeping))] as const;
      expect(await agreed(scene, await scene.attempt(...sides), `seed ${seed}`)).toBe("direct");
    }
  });
});

describe("with jitter, copies and wrong order", () => {
  test("every pair that can be punched is", async () => {
    const conditions = { jitterMs: 20, duplicate: 0.2, reorder: 0.2 };
    for (const [a, b] of PAIRS.filter((pair) => expected(...pair) === "direct" && !needsPrediction(...pair))) {
      for (let seed = 1; seed <= 3; seed++) {
        const { code } = await attempt(a, b, { seed, ...conditions });
        expect(code, `${a} × ${b}, seed ${seed}`).toBe("direct");
      }
    }
  });
});

describe("with 20 % loss, over 20 seeds", () => {
  test.each(PAIRS.filter((pair) => expected(...pair) === "direct"))("%s × %s", async (a, b) => {
    const codes: string[] = [];
    const times: number[] = [];
    for (let seed = 1; seed <= 20; seed++) {
      const { code, tookMs } = await attempt(a, b, { seed, loss: 0.2 });
      codes.push(code);
      if (code === "direct") times.push(tookMs);
    }
    // A prediction has one try, and what it hangs on may be lost.
    const least = needsPrediction(a, b) ? 0.7 : isBirthday(a, b) ? 0.95 : 1;
    expect(times.length / codes.length).toBeGreaterThanOrEqual(least);
    expect(Math.max(...times)).toBeLessThan(5_000);
  });

  test("half of all lost: both sides still make the same of it", async () => {
    for (const [a, b] of [
      ["port", "port"],
      ["none", "random"],
      ["full", "sequential"],
    ] as const) {
      for (let seed = 1; seed <= 40; seed++) await attempt(a, b, { seed, loss: 0.5 });
    }
  });
});

describe("behind one NAT", () => {
  /** Two sides on one network; `hosts` says whether they name their own addresses. */
  async function together(kind: Exclude<NatKind, "none">, changes: Partial<NatRules>, hosts: boolean) {
    const scene = new PunchScene();
    const nat = scene.internet.nat(kind, changes);
    const sides = [scene.side(nat), scene.side(nat)] as const;
    if (!hosts) for (const { tools } of sides) tools.hosts = [];
    const outcomes = await scene.attempt(...sides);
    return { code: await agreed(scene, outcomes, kind), outcomes, sides };
  }

  test.each(NAT_KINDS.filter((kind) => kind !== "none"))("two peers talk inside, whatever the NAT is: %s", async (kind) => {
    for (const hairpin of [false, true]) {
      const { code, outcomes, sides } = await together(kind, { hairpin }, true);
      expect(code).toBe("direct");
      expect(outcomes[0].punched?.remote.host).toBe(sides[1].host.address);
      expect(outcomes[1].punched?.remote.host).toBe(sides[0].host.address);
      for (const { tookMs } of outcomes) expect(tookMs).toBeLessThan(200);
    }
  });

  test("peers that cannot reach each other inside go round by the outside, where the NAT hairpins", async () => {
    for (const kind of ["full", "address", "port"] as const) {
      expect((await together(kind, { hairpin: true }, false)).code).toBe("direct");
      expect((await together(kind, { hairpin: false }, false)).code).toBe("ERR_PUNCH_FAILED");
    }
  });
});

describe("with less than a NAT's behaviour known", () => {
  test.each([0, 1])("%i STUN servers", async (servers) => {
    for (const [a, b] of [
      ["none", "none"],
      ["none", "port"],
      ["full", "address"],
      ["port", "port"],
      ["full", "random"],
    ] as const) {
      const scene = new PunchScene({}, servers);
      const code = await agreed(scene, await scene.attempt(scene.side(a), scene.side(b)), `${a} × ${b}`);
      // Without any, a public address is all that can be named.
      expect(code, `${a} × ${b}`).toBe(servers === 1 || a === "none" ? "direct" : "ERR_PUNCH_FAILED");
    }
  });
});

describe("changes in the middle", () => {
  test.each([60, 120, 160, 200, 240])(
    "mappings forgotten after %i ms: the attempt ends, and the next one succeeds",
    async (ms) => {
      for (const [a, b] of [
        ["port", "port"],
        ["address", "sequential"],
        ["sequential", "port"],
      ] as const) {
        const scene = new PunchScene();
        const sides = [scene.side(a), scene.side(b)] as const;
        scene.internet.clock.after(ms, () => sides[0].host.nat?.forget());
        const outcomes = await scene.attempt(...sides);
        await cleanedUp(scene, sides, outcomes);
        await run(scene.internet.clock, 20_000);
        expect(await agreed(scene, await scene.attempt(...sides), `${a} × ${b}`)).toBe("direct");
      }
    },
  );

  test("another address after 120 ms: the attempt ends, and the one after a new look at the NAT succeeds", async () => {
    const scene = new PunchScene();
    const sides = [scene.side("port"), scene.side("port")] as const;
    scene.internet.clock.after(120, () => sides[0].host.nat?.roam("198.51.100.77"));
    const outcomes = await scene.attempt(...sides);
    await cleanedUp(scene, sides, outcomes);
    await run(scene.internet.clock, 20_000);
    expect(await agreed(scene, await scene.attempt(...sides))).toBe("direct");
  });
});

describe("an end from outside", () => {
  test.each([0, 30, 100, 170, 250, 400, 700])("after %i ms: the reason is told, and nothing is left", async (ms) => {
    for (const [a, b] of [
      ["port", "port"],
      ["port", "random"],
      ["random", "port"],
      ["sequential", "sequential"],
    ] as const) {
      const scene = new PunchScene();
      const sides = [scene.side(a), scene.side(b)] as const;
      const { both, abort } = scene.begin(...sides);
      const reason = new Error("enough");
      scene.internet.clock.after(ms, () => abort[0].abort(reason));
      const outcomes = await scene.finish(both);
      if (!outcomes[0].punched) expect(outcomes[0].error).toBe(reason);
      await cleanedUp(scene, sides, outcomes, `${a} × ${b}`);
    }
  });

  test("before it began: nothing is sent at all", async () => {
    const scene = new PunchScene();
    const side = scene.side("port");
    const fates: Fate[] = [];
    scene.internet.watch(({ fate }) => fates.push(fate));
    const { both } = scene.begin(side, scene.side("port"), { aborted: true });
    const [one, other] = await scene.finish(both);
    expect([one.error, other.error]).toEqual(["before", "before"]);
    expect(fates).toEqual([]);
  });
});
