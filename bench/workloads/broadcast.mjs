// One message for many: what it saves to encode once and to seal per peer.

import { measurePair } from "../lib/pair.mjs";

const HALVES = new URL("broadcast-halves.mjs", import.meta.url).href;
const BYTES = 1_024;
const PEERS = 50;

/** @type {import("../lib/types.js").Workload} */
export const broadcast = {
  name: "broadcast",
  title: "Broadcast: 1 KiB to 50 peers",
  metrics: [
    { name: "broadcast", title: "1 KiB to 50 peers", unit: "deliveries/s", better: "more" },
    { name: "broadcast-cpu", title: "CPU of both processes", unit: "ns/delivery", better: "less" },
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
  quickSystems: ["net", "tls", "net-aesgcm", "libp2p", "linknet", "linknet-other"],
  async measure(system, effort) {
    const { quick } = effort;
    const params = { bytes: BYTES, peers: PEERS, warmUpMs: quick ? 150 : 500, measureMs: quick ? 300 : 1_500 };
    const { server } = await measurePair(system, HALVES, params, effort);
    const { deliveries, seconds, cpuSeconds } = server;
    return { broadcast: deliveries / seconds, "broadcast-cpu": (cpuSeconds * 1e9) / deliveries };
  },
};
