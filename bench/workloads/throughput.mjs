// Bulk, small messages, small objects: one connection, one way.

import { measurePair } from "../lib/pair.mjs";

/** @typedef {import("../lib/types.js").Workload} Workload */
/** @typedef {import("../lib/types.js").Effort} Effort */

const HALVES = new URL("throughput-halves.mjs", import.meta.url).href;
const BULK_BYTES = 64 * 1024;
const SMALL_BYTES = 100;

/**
 * The processor's time of both processes does not count what others on the machine take: where it is busy, it is the steadier figure.
 * @param {string} system
 * @param {number} bytes 0 means objects
 * @param {Effort} effort
 */
async function measure(system, bytes, effort) {
  const { quick } = effort;
  const params = { bytes, warmUpMs: quick ? 150 : 500, measureMs: quick ? 300 : 1_500 };
  const { server, client } = await measurePair(system, HALVES, params, effort);
  const perSecond = client.messages / client.seconds;
  return { perSecond, cpuSeconds: (server.cpuSeconds + client.cpuSeconds) / client.messages };
}

const STREAMS = ["net", "tls", "net-aesgcm", "net-resend", "ws", "secret-stream", "secret-stream-udx", "libp2p"];
const LINKNET = ["linknet", "linknet-udp", "linknet-ws", "linknet-other"];

/** @type {Workload} */
export const bulk = {
  name: "bulk",
  title: "Bulk: binary messages of 64 KiB, one way",
  metrics: [
    { name: "bulk", title: "64 KiB bulk", unit: "MB/s", better: "more" },
    { name: "cpu", title: "CPU of both processes", unit: "s/GB", better: "less", digits: 2 },
  ],
  systems: [...STREAMS, ...LINKNET],
  async measure(system, effort) {
    const { perSecond, cpuSeconds } = await measure(system, BULK_BYTES, effort);
    return { bulk: (perSecond * BULK_BYTES) / 1e6, cpu: cpuSeconds / (BULK_BYTES / 1e9) };
  },
};

/** @type {Workload} */
export const small = {
  name: "small",
  title: "Small: binary messages of 100 bytes, one way",
  metrics: [
    { name: "small", title: "100 B messages", unit: "/s", better: "more" },
    { name: "small-cpu", title: "CPU of both processes", unit: "ns/message", better: "less" },
  ],
  systems: [...STREAMS, ...LINKNET],
  async measure(system, effort) {
    const { perSecond, cpuSeconds } = await measure(system, SMALL_BYTES, effort);
    return { small: perSecond, "small-cpu": cpuSeconds * 1e9 };
  },
};

/** @type {Workload} */
export const objects = {
  name: "objects",
  title: "Objects: { type, text of 100 characters, ts }, serialised on the way",
  metrics: [
    { name: "objects", title: "objects", unit: "/s", better: "more" },
    { name: "objects-cpu", title: "CPU of both processes", unit: "ns/object", better: "less" },
  ],
  systems: [...STREAMS, ...LINKNET],
  async measure(system, effort) {
    const { perSecond, cpuSeconds } = await measure(system, 0, effort);
    return { objects: perSecond, "objects-cpu": cpuSeconds * 1e9 };
  },
};
