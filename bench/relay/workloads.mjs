// What our relay costs beside the least that could do its work: a `ws` server that hands each message on. Server, sender and receiver are
// three processes.

import { allSystems } from "../adapters/index.mjs";
import { WorkerProcess, withWorkers } from "../lib/worker-process.mjs";

/** @typedef {import("../lib/types.js").Workload} Workload */

const here = (/** @type {string} */ name) => new URL(name, import.meta.url).href;

const FRAME_BYTES = 1024;
const IDLE_CLIENTS = 10_000;
const QUICK_IDLE_CLIENTS = 5_000;
/** Clients that come and go before the memory is looked at: what a first client costs is not what each one costs. */
const WARM_UP_CLIENTS = 100;

const other = allSystems().find(({ name }) => name === "linknet-other")?.settings?.dist;

const titles = {
  "ws-forwarder": "`ws` server that hands messages on",
  "linknet-relay": "**LinkNet** relay",
  ...(other ? { "linknet-relay-other": "LinkNet relay, the other build" } : {}),
};

/**
 * @param {string} system
 * @returns {{ kind: "relay" | "bare", dist?: string | undefined }}
 */
const describe = (system) =>
  system === "ws-forwarder" ? { kind: "bare" } : { kind: "relay", dist: system === "linknet-relay-other" ? other : undefined };

/** @type {Workload} */
const relayForward = {
  name: "relay-forward",
  title: "Relay: frames of 1 KiB from one client to another",
  metrics: [
    { name: "relay-frames", title: "frames", unit: "/s", better: "more" },
    { name: "relay-rate", title: "rate", unit: "MB/s", better: "more" },
    { name: "relay-cpu", title: "CPU of the server", unit: "µs/frame", better: "less", digits: 2 },
  ],
  systems: Object.keys(titles),
  titles,
  async measure(system, { quick }) {
    const { kind, dist } = describe(system);
    const forwarding = here("forwarding.mjs");
    const workers = {
      server: new WorkerProcess(here("server.mjs")),
      sender: new WorkerProcess(forwarding),
      receiver: new WorkerProcess(forwarding),
    };
    return withWorkers(workers, async ({ server, sender, receiver }) => {
      const url = await server.call("listen", kind, { dist });
      const task = { kind, url, bytes: FRAME_BYTES };
      const senderId = await sender.call("open", task);
      const receiverId = await receiver.call("open", task);
      await receiver.call("receive", task, senderId);
      await sender.call("send", task, receiverId, quick ? 200 : 700);
      await server.call("beginCpu");
      const { frames, seconds } = await sender.call("send", task, receiverId, quick ? 400 : 1_500);
      const cpuSeconds = await server.call("endCpu");
      return {
        "relay-frames": frames / seconds,
        "relay-rate": (frames * FRAME_BYTES) / seconds / 1e6,
        "relay-cpu": (cpuSeconds / frames) * 1e6,
      };
    });
  },
};

/** @type {Workload} */
const relayIdle = {
  name: "relay-idle",
  title: `Relay: ${IDLE_CLIENTS.toLocaleString("en-GB")} clients that are silent (${QUICK_IDLE_CLIENTS.toLocaleString("en-GB")} with --quick)`,
  metrics: [{ name: "relay-idle", title: "memory of the server", unit: "KiB RSS/client", better: "less", digits: 1 }],
  systems: Object.keys(titles),
  titles,
  async measure(system, { quick }) {
    const { kind, dist } = describe(system);
    const count = quick ? QUICK_IDLE_CLIENTS : IDLE_CLIENTS;
    const workers = {
      server: new WorkerProcess(here("server.mjs"), { exposeGc: true }),
      crowd: new WorkerProcess(here("crowd.mjs")),
    };
    return withWorkers(workers, async ({ server, crowd }) => {
      const url = await server.call("listen", kind, { dist, connections: count });
      const crowdUrl = kind === "bare" ? `${url}/echo` : url;
      await crowd.call("gather", kind, crowdUrl, WARM_UP_CLIENTS);
      await crowd.call("leave");
      const before = await server.call("residentBytes");
      await crowd.call("gather", kind, crowdUrl, count);
      const after = await server.call("residentBytes");
      const present = await crowd.call("present");
      if (present !== count) throw new Error(`${present} clients are connected of ${count}`);
      return { "relay-idle": (after - before) / count / 1024 };
    });
  },
};

/** @type {readonly Workload[]} */
export const workloads = [relayForward, relayIdle];
