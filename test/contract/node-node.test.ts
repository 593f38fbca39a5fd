// The contract between two Node peers, in one process, over real sockets.

import { describe, test } from "vitest";
import { runScenario, scenariosFor } from "./contract.js";
import { openNodeAgent } from "./node-agent.js";

const PAIR = { a: "node", b: "node" } as const;

describe("the contract, Node to Node", () => {
  for (const scenario of scenariosFor(PAIR)) {
    test(scenario.title, { timeout: 60_000 }, () => runScenario(scenario, PAIR, openNodeAgent));
  }
});
