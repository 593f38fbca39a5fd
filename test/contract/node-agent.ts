// Agents in this process: the Node build, called directly.

import * as sdk from "linknet";
import { makeAgent } from "./agent.js";
import { makeCodec } from "./codec.js";
import type { AgentHandle } from "./contract-peer.js";

export async function openNodeAgent(): Promise<AgentHandle> {
  const agent = makeAgent(sdk, makeCodec);
  return {
    build: "node",
    run: (command) => agent.run(command),
    next: (from) => agent.next(from),
    count: async () => agent.count(),
    end: async () => agent.end(),
  };
}
