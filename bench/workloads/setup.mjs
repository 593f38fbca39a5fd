// From the call that dials to the first answered message, on a fresh connection: what the handshake costs somebody who waits.

import { measurePair } from "../lib/pair.mjs";

const HALVES = new URL("setup-halves.mjs", import.meta.url).href;
const BYTES = 64;

/** @type {import("../lib/types.js").Workload} */
export const setup = {
  name: "setup",
  title: "Setup: dial to the first answered message",
  metrics: [{ name: "setup", title: "setup", unit: "ms", better: "less", digits: 2 }],
  // A UDP path of LinkNet is made over a session that is there already: nothing of it is a dial.
  systems: [
    "net",
    "tls",
    "tls-mutual",
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
    const params = { bytes: BYTES, warmUp: quick ? 10 : 50, dials: quick ? 20 : 100 };
    const { client } = await measurePair(system, HALVES, params, effort);
    return { setup: client.milliseconds };
  },
};
