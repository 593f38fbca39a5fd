// The memory of a thousand connections that nobody uses.

import { measurePair } from "../lib/pair.mjs";

const HALVES = new URL("idle-halves.mjs", import.meta.url).href;
/** @type {import("../lib/types.js").Workload} */
export const idle = {
  name: "idle",
  title: "Idle: resident memory of each of 1,000 connections",
  metrics: [
    { name: "idle-server", title: "listening side", unit: "KiB", better: "less", digits: 1 },
    { name: "idle-after-gc", title: "listening side, by `gc()` alone", unit: "KiB", better: "less", digits: 1 },
    { name: "idle", title: "both sides, mean", unit: "KiB", better: "less", digits: 1 },
    { name: "idle-client", title: "dialling side", unit: "KiB", better: "less", digits: 1 },
  ],
  systems: [
    "net",
    "tls",
    "net-aesgcm",
    "ws",
    "secret-stream",
    "secret-stream-udx",
    "libp2p",
    "linknet",
    "linknet-ws",
    "linknet-other",
  ],
  quickSystems: ["net", "tls", "libp2p", "linknet", "linknet-other"],
  async measure(system, effort) {
    const { quick } = effort;
    const params = { bytes: 64, warmUp: 20, connections: quick ? 250 : 1_000, collections: quick ? 2 : 5 };
    const { server, client } = await measurePair(system, HALVES, params, effort, ["--expose-gc"]);
    const [ofServer, ofClient] = [server.rested / 1_024, client.rested / 1_024];
    return {
      "idle-server": ofServer,
      "idle-after-gc": server.afterGc / 1_024,
      idle: (ofServer + ofClient) / 2,
      "idle-client": ofClient,
    };
  },
};
