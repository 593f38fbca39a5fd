// Ten, a hundred, a thousand connections in one process: whether a byte costs more when there are many.

import { measurePair } from "../lib/pair.mjs";

const HALVES = new URL("sessions-halves.mjs", import.meta.url).href;
const LEVELS = [10, 100, 1_000];
const BYTES = 16 * 1_024;
const BURST = 4;

/** @type {import("../lib/types.js").Workload} */
export const sessions = {
  name: "sessions",
  title: "Sessions: bursts of 64 KiB on each of 10, 100, 1,000 connections",
  metrics: [
    ...LEVELS.map((level) => ({
      name: `sessions-${level}`,
      title: `at ${level}`,
      unit: "MB/s",
      better: /** @type {const} */ ("more"),
    })),
    ...LEVELS.map((level) => ({
      name: `sessions-cpu-${level}`,
      title: `CPU at ${level}`,
      unit: "s/GB",
      better: /** @type {const} */ ("less"),
      digits: 2,
    })),
  ],
  systems: ["net", "tls", "net-aesgcm", "ws", "secret-stream", "libp2p", "linknet", "linknet-other"],
  quickSystems: ["net", "tls", "linknet", "linknet-other"],
  async measure(system, effort) {
    const { quick } = effort;
    /** @type {Record<string, number>} */
    const values = {};
    for (const connections of LEVELS) {
      const params = { bytes: BYTES, burst: BURST, connections, warmUpMs: quick ? 100 : 500, measureMs: quick ? 250 : 1_500 };
      const { server, client } = await measurePair(system, HALVES, params, effort);
      const bytes = server.messages * BYTES;
      values[`sessions-${connections}`] = bytes / 1e6 / client.seconds;
      values[`sessions-cpu-${connections}`] = (server.cpuSeconds + client.cpuSeconds) / (bytes / 1e9);
    }
    return values;
  },
};
