// What changes while two peers talk: an address, a mapping. Whatever it is, each message arrives once and in order, and the direct path
// comes back.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { natLabProblem } from "../../scripts/lib/nat-tools.mjs";
import { Lab } from "./lab/lab.js";
import { labModules, type Modules } from "./lab/modules.js";
import { type Agent, type AgentReport, reportOf, settle, startAgent, startRelay, Turns, waitForDirect } from "./lab/pair.js";
import type { LabOptions } from "./lab/topology.js";

const problem = natLabProblem();
if (problem) console.warn(`\n!!!!!!!!!! SKIPPED: changes of the network (${problem}) !!!!!!!!!!\n`);

/** For messages to flow again: the network is looked at every 3 s, then each link that died with it is given 5 s to answer. */
const RESUMED_MS = 20_000;
/** For a direct path to be found again: the first pause between two attempts is up to 10 s. */
const DIRECT_AGAIN_MS = 25_000;
/** For a silent link to be noticed, by the keep-alive of the slowest kind, and for what comes after. */
const NOTICED_MS = 35_000;

const PATIENCE_MS = 120_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Pair {
  readonly lab: Lab;
  readonly a: Agent;
  readonly b: Agent;
}

describe.skipIf(problem !== null)("while two peers talk", () => {
  const turns = new Turns();
  const labs: Lab[] = [];
  let modules: Modules;

  beforeAll(async () => {
    modules = await labModules();
  });
  afterAll(async () => {
    await Promise.all(labs.map((lab) => lab.close()));
    modules.remove();
  });

  /** Two peers that have found a direct path. */
  function openPair(options: LabOptions, seed: string): Promise<Pair> {
    return turns.take(async () => {
      const lab = await Lab.open(options);
      labs.push(lab);
      await startRelay(lab, modules);
      const [a, b] = await Promise.all([startAgent(lab, "a", modules, `${seed}/a`), startAgent(lab, "b", modules, `${seed}/b`)]);
      await a.program.request("connect", { target: b.peerId });
      expect(await waitForDirect(a, b, {}, DIRECT_AGAIN_MS), "direct in the first place").not.toBeNull();
      return { lab, a, b };
    });
  }

  const reports = ({ a, b }: Pair): Promise<[AgentReport, AgentReport]> => Promise.all([reportOf(a, b), reportOf(b, a)]);

  /** Whether as many messages more come on both sides within the time. */
  async function messagesCome(pair: Pair, count: number, timeoutMs: number): Promise<boolean> {
    const before = await reports(pair);
    const deadline = performance.now() + timeoutMs;
    do {
      const now = await reports(pair);
      if (now.every(({ received }, i) => received >= (before[i] as AgentReport).received + count)) return true;
      await pause(20);
    } while (performance.now() < deadline);
    return false;
  }

  /** Whether messages come over a direct path within the time. A path that nobody has noticed to be dead carries none. */
  async function comesDirectly(pair: Pair, timeoutMs: number): Promise<boolean> {
    const isDirect = async (): Promise<boolean> => (await reports(pair)).every(({ path }) => path !== null && path !== "relay");
    const deadline = performance.now() + timeoutMs;
    do {
      if ((await isDirect()) && (await messagesCome(pair, 20, 1_000)) && (await isDirect())) return true;
      await pause(50);
    } while (performance.now() < deadline);
    return false;
  }

  async function expectNothingLost({ a, b }: Pair): Promise<void> {
    const [atA, atB] = await settle(a, b);
    expect({ received: atA.received, faults: atA.faults }).toEqual({ received: atB.sent, faults: 0 });
    expect({ received: atB.received, faults: atB.faults }).toEqual({ received: atA.sent, faults: 0 });
    expect(atA.sent).toBeGreaterThan(50);
  }

  test.concurrent.each(["port", "random"] as const)(
    "a host that moves to a network behind a %s NAT and back goes on, directly",
    async (mobile) => {
      const pair = await openPair({ a: "port", mobile, b: "address" }, `roam/${mobile}`);
      for (const uplink of ["mobile", "home"] as const) {
        await pair.lab.roam(uplink);
        expect(await messagesCome(pair, 10, RESUMED_MS), `messages come again, ${uplink}`).toBe(true);
        expect(await comesDirectly(pair, DIRECT_AGAIN_MS), `directly again, ${uplink}`).toBe(true);
      }
      await expectNothingLost(pair);
    },
    PATIENCE_MS,
  );

  test.concurrent.each(["port", "sequential"] as const)(
    "a %s router that forgets all mappings costs nothing but time",
    async (kind) => {
      const pair = await openPair({ a: kind, b: "address" }, `forget/${kind}`);
      await pair.lab.forgetMappings("a");
      expect(await messagesCome(pair, 10, NOTICED_MS), "messages come again").toBe(true);
      expect(await comesDirectly(pair, DIRECT_AGAIN_MS), "directly again").toBe(true);
      await expectNothingLost(pair);
    },
    PATIENCE_MS,
  );

  test.concurrent(
    "a silent path is kept alive where mappings are forgotten after 30 s",
    async () => {
      const site = { kind: "port", mappingSeconds: 30 } as const;
      const pair = await openPair({ a: site, b: site }, "silence");
      const { a, b } = pair;
      expect(await messagesCome(pair, 60, RESUMED_MS)).toBe(true);
      await settle(a, b);
      // A better direct path may still be found; the relay or none at all means that the silent one died.
      const losses = (): number =>
        [...a.program.events, ...b.program.events].filter((one) => one.path === "relay" || one.status === "reconnecting").length;
      const before = losses();
      await pause(40_000);
      await Promise.all([
        a.program.request("startSending", { peerId: b.peerId }),
        b.program.request("startSending", { peerId: a.peerId }),
      ]);
      expect(await messagesCome(pair, 10, 2_000)).toBe(true);
      expect(losses()).toBe(before);
      await expectNothingLost(pair);
    },
    PATIENCE_MS,
  );
});
