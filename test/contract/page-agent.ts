// Agents in pages: the browser build, called through Playwright.

import type { Page } from "@playwright/test";
import { type Agent, makeAgent } from "./agent.js";
import { makeCodec } from "./codec.js";
import type { AgentHandle } from "./contract-peer.js";

interface AgentWindow extends Window {
  contractAgents?: Agent[];
}

/** @param page - has the browser build as `window.linknet_sdk` */
export async function openPageAgent(page: Page): Promise<AgentHandle> {
  // The agent's source goes into the page as it is, so that both builds are driven by the same lines.
  const make = `(${makeAgent.toString()})(window.linknet_sdk, ${makeCodec.toString()})`;
  const number: number = await page.evaluate(`(window.contractAgents ??= []).push(${make}) - 1`);
  const call = <T>(method: "run" | "next" | "count" | "end", argument: string | number): Promise<T> =>
    page.evaluate(
      ([index, name, value]) => {
        const agent = (window as AgentWindow).contractAgents?.[index];
        return (agent as unknown as Record<string, (value: unknown) => unknown>)[name]?.(value);
      },
      [number, method, argument] as const,
    ) as Promise<T>;
  return {
    build: "browser",
    run: (command) => call("run", command),
    next: (from) => call("next", from),
    count: () => call("count", 0),
    end: () => call("end", 0),
  };
}
