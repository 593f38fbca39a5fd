// The contract: what the eleven methods, events, rooms and tickets promise, for all pairs of builds.

import type { Build, OpenAgent, Pair } from "./context.js";
import { ContractContext } from "./context.js";
import type { Scenario } from "./scenario.js";
import { callbackScenarios } from "./scenarios/callbacks.js";
import { connectingScenarios } from "./scenarios/connecting.js";
import { endingScenarios } from "./scenarios/ending.js";
import { lifecycleScenarios } from "./scenarios/lifecycle.js";
import { messageScenarios } from "./scenarios/messages.js";
import { payloadScenarios } from "./scenarios/payloads.js";
import { relayScenarios } from "./scenarios/relay.js";
import { requestScenarios } from "./scenarios/requests.js";
import { roomScenarios } from "./scenarios/rooms.js";
import { streamScenarios } from "./scenarios/streams.js";

const ALL: readonly Scenario[] = [
  ...lifecycleScenarios,
  ...connectingScenarios,
  ...messageScenarios,
  ...payloadScenarios,
  ...requestScenarios,
  ...streamScenarios,
  ...callbackScenarios,
  ...endingScenarios,
  ...roomScenarios,
  ...relayScenarios,
];

/** The scenarios that a pair of builds can show. */
export function scenariosFor(pair: { readonly b: Build }): readonly Scenario[] {
  return ALL.filter((scenario) => scenario.needs !== "address" || pair.b === "node");
}

/** Runs one scenario; when it fails, the error tells what each peer saw last. */
export async function runScenario(scenario: Scenario, pair: Pair, openAgent: OpenAgent): Promise<void> {
  const context = new ContractContext(pair, openAgent);
  try {
    await scenario.run(context);
  } catch (error) {
    if (error instanceof Error) error.message += `\n${context.story()}`;
    throw error;
  } finally {
    await context.end();
  }
}
