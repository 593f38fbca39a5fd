// Round trips of 64 bytes, one at a time: what encryption, batching and acknowledgement add to a message that somebody waits for.

import { measurePair } from "../lib/pair.mjs";

const HALVES = new URL("pingpong-halves.mjs", import.meta.url).href;
const BYTES = 64;

/** @type {import("../lib/types.js").Workload} */
export const pingpong = {
  name: "pingpong",
  title: "Ping-pong: 64 bytes there and back",
  metrics: [
    { name: "p50", title: "RTT p50", unit: "µs", better: "less" },
    { name: "p99", title: "RTT p99", unit: "µs", better: "less" },
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
    "linknet-udp",
    "linknet-ws",
    "linknet-other",
  ],
  async measure(system, effort) {
    const { quick } = effort;
    const params = { bytes: BYTES, warmUp: quick ? 500 : 3_000, measureMs: quick ? 300 : 1_500 };
    const { client } = await measurePair(system, HALVES, params, effort);
    return { p50: client.p50, p99: client.p99 };
  },
};
