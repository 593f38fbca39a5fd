// WebRTC through the kernel's own NAT, between Chromium and Node with @roamhq/wrtc, and between two Chromiums. Nobody is given a STUN
// server: they learn of the relay's. What changes below the session costs no message.
//
//   LAB_SOURCES=1   the sources instead of dist

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findBrowser } from "../../scripts/lib/browsers.mjs";
import { ensureCoturn } from "../../scripts/lib/coturn.mjs";
import { natLabProblem } from "../../scripts/lib/nat-tools.mjs";
import { Lab } from "./lab/lab.js";
import { now } from "./lab/lines.mjs";
import { labModules, type Modules } from "./lab/modules.js";
import type { NatKind } from "./lab/nat-kinds.js";
import { type BrowserBuild, browserBuild, startPage } from "./lab/page.js";
import { type Agent, type AgentReport, reportOf, settle, startAgent, startRelay, Turns, waitForDirect } from "./lab/pair.js";
import type { LabOptions } from "./lab/topology.js";
import { TurnServer } from "./lab/turn.js";

const problem = natLabProblem() ?? ((await findBrowser("chromium")) ? null : "there is no Chromium");
if (problem) console.warn(`\n!!!!!!!!!! SKIPPED: WebRTC through real NATs (${problem}) !!!!!!!!!!\n`);
const withTurn = problem === null && (await ensureCoturn());
if (problem === null && !withTurn) {
  console.warn("\n!!!!!!!!!! SKIPPED: TURN, as coturn is not installed here, and could not be !!!!!!!!!!\n");
}

/** From the call of `connectToPeer` to WebRTC on both sides: candidates that lead nowhere are tried first for a second. */
const FOUND_MS = 15_000;
/**
 * For messages to flow again after a move, where no event tells of it, as it happens in browsers: 8 s until the silence is noticed, 2.5 s
 * until the relay is given up as well, and what it takes to dial it anew.
 */
const RESUMED_MS = 16_000;
/** Before a move, whose loss is noticed after 2.5 s at the earliest: a path that was lost within 5 s is not looked for again at once. */
const HELD_MS = 3_000;
/** For a new WebRTC connection once messages flow again. */
const FOUND_AGAIN_MS = 10_000;
/** A negotiation is given up after 15 s. */
const GIVEN_UP_MS = 17_000;

const PATIENCE_MS = 150_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Kind = "page" | "Node peer";
type Side = "a" | "b";

/** The PeerId that comes of the first is the smaller one, and that side makes the offers. */
const SEEDS = ["offers", "answers"] as const;

interface Pair {
  readonly lab: Lab;
  readonly a: Agent;
  readonly b: Agent;
}

interface Plan {
  readonly a: Kind;
  readonly b: Kind;
  readonly offers: Side;
  /** Beside the relay, for both. */
  readonly options?: { readonly iceServers?: readonly object[] };
}

interface Met extends Pair {
  readonly firstMessageMs: number;
  /** `null` where they stayed on the relay. */
  readonly webrtcMs: number | null;
}

describe.skipIf(problem !== null)("WebRTC through real NATs", () => {
  // The processor is small: one scene at a time is built, and one looks at the clock.
  const building = new Turns();
  const connecting = new Turns();
  let modules: Modules;
  let sdk: BrowserBuild;

  beforeAll(async () => {
    [modules, sdk] = await Promise.all([labModules(), browserBuild()]);
  });
  afterAll(() => {
    modules.remove();
    sdk.remove();
  });

  /** By turns as well, so that those which take longest begin first. */
  const openLab = (options: LabOptions): Promise<Lab> => building.take(() => Lab.open(options));

  function start(lab: Lab, side: Side, plan: Plan): Promise<Agent> {
    const seed = SEEDS[plan.offers === side ? 0 : 1];
    if (plan[side] === "page") return startPage(lab, side, sdk, seed, { ...plan.options });
    return startAgent(lab, side, modules, seed, { wrtc: true, stunServers: undefined, ...plan.options });
  }

  /** Starts both; `a` dials, and they have so long to leave the relay. */
  async function meet(lab: Lab, plan: Plan, timeoutMs: number, turn?: TurnServer): Promise<Met> {
    const [a, b] = await building.take(async () => {
      await startRelay(lab, modules);
      return Promise.all([start(lab, "a", plan), start(lab, "b", plan)]);
    });
    expect(a.peerId < b.peerId).toBe(plan.offers === "a");
    await turn?.reachedBy(b.program);
    return connecting.take(async () => {
      const { startedAt } = await a.program.request<{ startedAt: number }>("connect", { target: b.peerId });
      const first = await b.program.waitFor((one) => one.event === "first");
      const webrtcAt = await waitForDirect(a, b, { over: ["webrtc"] }, timeoutMs);
      return {
        ...{ lab, a, b },
        firstMessageMs: Number(first.at) - startedAt,
        webrtcMs: webrtcAt === null ? null : webrtcAt - startedAt,
      };
    });
  }

  const reports = ({ a, b }: Pair): Promise<[AgentReport, AgentReport]> => Promise.all([reportOf(a, b), reportOf(b, a)]);

  /** When as many messages more had come on both sides, all while both were on this path if one is named; or `null`. */
  async function messagesCome(pair: Pair, count: number, timeoutMs: number, path?: string): Promise<number | null> {
    const deadline = now() + timeoutMs;
    let before: readonly AgentReport[] = await reports(pair);
    for (;;) {
      await pause(20);
      const after = await reports(pair);
      if (path !== undefined && after.some((one) => one.path !== path)) before = after;
      else if (after.every(({ received }, i) => received >= (before[i] as AgentReport).received + count)) return now();
      if (now() > deadline) return null;
    }
  }

  async function expectNothingLost({ a, b }: Pair): Promise<[AgentReport, AgentReport]> {
    const [atA, atB] = await settle(a, b);
    expect({ received: atA.received, faults: atA.faults }).toEqual({ received: atB.sent, faults: 0 });
    expect({ received: atB.received, faults: atB.faults }).toEqual({ received: atA.sent, faults: 0 });
    expect(Math.min(atA.sent, atB.sent)).toBeGreaterThan(20);
    return [atA, atB];
  }

  const ms = (time: number | null): string => (time === null ? "never" : `${time.toFixed(0)} ms`);

  function tell(what: string, { firstMessageMs, webrtcMs }: Met, [atA, atB]: readonly [AgentReport, AgentReport]): void {
    const gap = Math.max(atA.longestGapMs, atB.longestGapMs);
    const sums = `${atA.sent} + ${atB.sent} messages, longest gap ${ms(gap)}`;
    console.log(`${what}: first message after ${ms(firstMessageMs)}, WebRTC ${ms(webrtcMs)}; ${sums}`);
  }

  const hostOf = ({ address }: AgentReport): string | null => address?.split(":")[0] ?? null;

  // The longest first.
  test.concurrent.each<[Kind, Kind]>([
    ["page", "Node peer"],
    ["Node peer", "page"],
  ])(
    "a %s that moves to another network and back goes on with a %s over the relay, then by WebRTC anew",
    async (a, b) => {
      await using lab = await openLab({ a: "port", b: "port", mobile: "port" });
      const met = await meet(lab, { a, b, offers: "a" }, FOUND_MS);
      expect(met.webrtcMs, "WebRTC in the first place").not.toBeNull();
      expect(await messagesCome(met, 20, 5_000, "webrtc"), "messages over it").not.toBeNull();
      for (const uplink of ["mobile", "home"] as const) {
        await pause(HELD_MS);
        const told = met.a.program.events.length;
        const movedAt = now();
        await lab.roam(uplink);
        const resumedAt = await messagesCome(met, 10, RESUMED_MS);
        expect(resumedAt, `messages come again, ${uplink}`).not.toBeNull();
        const foundAt = await messagesCome(met, 20, FOUND_AGAIN_MS, "webrtc");
        expect(foundAt, `WebRTC again, ${uplink}`).not.toBeNull();
        const paths = met.a.program.events.slice(told).filter(({ event }) => event === "path");
        expect(paths.map(({ path }) => path).slice(-2)).toEqual(["relay", "webrtc"]);
        const [resumed, found] = [resumedAt, foundAt].map((at) => ms(at && at - movedAt));
        console.log(`${a} that moves (${uplink}) × ${b}: messages again after ${resumed}, by WebRTC after ${found}`);
        expect([lab.publicAddress("a"), null]).toContain(hostOf(await reportOf(met.b, met.a)));
      }
      tell(`${a} that moved × ${b}`, met, await expectNothingLost(met));
    },
    PATIENCE_MS,
  );

  test.concurrent(
    "a page and a Node peer behind random NATs stay on the relay without a TURN server, which costs no message",
    async () => {
      await using lab = await openLab({ a: "random", b: "random" });
      const met = await meet(lab, { a: "page", b: "Node peer", offers: "b" }, 0);
      await pause(GIVEN_UP_MS);
      expect((await reports(met)).map(({ path }) => path)).toEqual(["relay", "relay"]);
      expect(await messagesCome(met, 20, 5_000), "messages").not.toBeNull();
      tell("page × Node peer, random × random", met, await expectNothingLost(met));
    },
    PATIENCE_MS,
  );

  test.skipIf(!withTurn).concurrent.each<[NatKind, "udp" | "tcp"]>([
    ["random", "udp"],
    ["udp-blocked", "tcp"],
  ])(
    "a page and a Node peer behind %s NATs meet at a TURN server, which they reach by %s",
    async (kind, transport) => {
      await using lab = await openLab({ a: kind, b: kind });
      await using turn = TurnServer.start(lab);
      const plan: Plan = { a: "page", b: "Node peer", offers: "a", options: { iceServers: turn.iceServers(transport) } };
      const met = await meet(lab, plan, FOUND_MS, turn);
      expect(met.webrtcMs, "WebRTC on both sides").not.toBeNull();
      expect(await messagesCome(met, 20, 5_000, "webrtc"), "messages over it").not.toBeNull();
      const both = await expectNothingLost(met);
      tell(`page × Node peer, ${kind} × ${kind}, TURN by ${transport}`, met, both);
      expect(hostOf(both[1])).toBe(turn.address);
      // Checks of candidates that led nowhere, and none of the messages.
      expect(await lab.directPackets()).toBeLessThan(Math.min(both[0].sent, both[1].sent));
    },
    PATIENCE_MS,
  );

  test.concurrent.each<[Kind, Kind]>([
    ["page", "Node peer"],
    ["page", "page"],
  ])(
    "a %s and a %s behind port-restricted NATs meet directly",
    async (a, b) => {
      await using lab = await openLab({ a: "port", b: "port" });
      const met = await meet(lab, { a, b, offers: "b" }, FOUND_MS);
      expect(met.webrtcMs, "WebRTC on both sides").not.toBeNull();
      expect(await messagesCome(met, 20, 5_000, "webrtc"), "messages over it").not.toBeNull();
      const both = await expectNothingLost(met);
      tell(`${a} × ${b}, port × port`, met, both);
      // A browser does not tell where the other side is when it learned of it by the connection itself.
      expect([lab.publicAddress("b"), null]).toContain(hostOf(both[0]));
      expect([lab.publicAddress("a"), null]).toContain(hostOf(both[1]));
    },
    PATIENCE_MS,
  );
});
