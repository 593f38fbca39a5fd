// Two processes, numbered messages both ways, and a link that is killed again and again: none lost, doubled or out of order.

import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { buildPeer } from "./build-peer.js";
import { PeerProcess } from "./call-process.js";
import { CUT_KINDS, CutPlan } from "./cut-plan.js";
import { CuttingProxy } from "./cutting-proxy.js";
import type { PeerReport } from "./peer-process.js";
import { strayStatuses } from "./statuses.js";

const COUNT = 1_000_000;
const CUTS = 200;
/** Given to repeat a run. */
const SEED = Number(process.env.LINKNET_SEED ?? Math.floor(Math.random() * 2 ** 32));
/** Less than a message takes on the wire: the cuts are over before the traffic is, so that each falls into it. */
const WIRE_BYTES = 30;

describe(`while the link is killed ${CUTS} times (LINKNET_SEED=${SEED})`, () => {
  let program = "";
  beforeAll(async () => {
    program = await buildPeer("order");
  }, 60_000);

  test(`${COUNT} messages each way arrive once and in order`, { timeout: 240_000 }, async () => {
    const meanBytes = Math.floor((2 * COUNT * WIRE_BYTES) / CUTS);
    // A small queue is full often; short pauses make room for many cuts.
    const limits = { sendQueueBytes: 512 * 1024, reconnectBaseMs: 20, reconnectMaxMs: 500, unprovenPerSecond: 1_000 };
    const [alice, bob] = [new PeerProcess(program), new PeerProcess(program)];
    onTestFinished(async () => {
      await Promise.all([alice.kill(), bob.kill()]);
    });
    const [a, b] = await Promise.all([alice.call("start", { limits }), bob.call("start", { limits })]);
    const proxy = await CuttingProxy.open(b.port, new CutPlan({ seed: SEED, cuts: CUTS, meanBytes }));
    onTestFinished(() => proxy.stop());

    const startedAt = performance.now();
    await alice.call("connect", `tcp://127.0.0.1:${proxy.port}`);
    await Promise.all([alice.call("send", b.peerId, COUNT, null), bob.call("send", a.peerId, COUNT, null)]);
    await Promise.all([alice.call("received", COUNT), bob.call("received", COUNT)]);
    const seconds = (performance.now() - startedAt) / 1000;
    const reports = await Promise.all([allDelivered(alice), allDelivered(bob)]);

    console.log(
      `${COUNT} each way in ${seconds.toFixed(1)} s, ${Math.round((2 * COUNT) / seconds)} messages/s; ` +
        `CPU ${reports.map((report) => (report.cpuMs / 1000).toFixed(1)).join(" + ")} s; ` +
        `longest gap ${reports.map((report) => Math.round(report.longestGapMs)).join(", ")} ms; ` +
        `queue full ${reports.map((report) => report.refusals).join(", ")} times; cuts ${JSON.stringify(proxy.cuts)}`,
    );
    for (const report of reports) {
      expect(report.refusals).toBeGreaterThan(0);
      expect(report).toMatchObject({
        sent: COUNT,
        received: COUNT,
        faults: 0,
        told: [],
        delivered: COUNT,
        failed: 0,
        errors: [],
      });
      expect(strayStatuses(report.statuses)).toEqual([]);
    }
    expect(proxy.cutCount).toBe(CUTS);
    for (const kind of CUT_KINDS) expect(proxy.cuts[kind]).toBeGreaterThanOrEqual(Math.floor(CUTS / CUT_KINDS.length));
    await Promise.all([alice.call("stop"), bob.call("stop")]);
  });
});

/** The last acknowledgements are still under way when the last message has come. */
async function allDelivered(peer: PeerProcess): Promise<PeerReport> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const report = await peer.call("report");
    if (report.queuedBytes === 0 || performance.now() > deadline) return report;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
