// The contract with the built package in real browsers: a page and a Node peer, and two pages.

import type { Page } from "@playwright/test";
import { type BrowserKind, test } from "../e2e/fixtures.js";
import type { Build, Pair } from "./context.js";
import { runScenario, scenariosFor } from "./contract.js";
import { openNodeAgent } from "./node-agent.js";
import { openPageAgent } from "./page-agent.js";

type OpenSdkPage = (kind?: BrowserKind) => Promise<Page>;

/** Pages of the kinds given, one for each agent; then from the first kind again. */
function agentsIn(openSdkPage: OpenSdkPage, kinds: readonly BrowserKind[]) {
  let opened = 0;
  return async (build: Build) => {
    if (build === "node") return openNodeAgent();
    return openPageAgent(await openSdkPage(kinds[opened++ % kinds.length]));
  };
}

const PAIRS: readonly { readonly title: string; readonly pair: Pair }[] = [
  { title: "a page to Node", pair: { a: "browser", b: "node" } },
  { title: "Node to a page", pair: { a: "node", b: "browser" } },
  { title: "a page to a page", pair: { a: "browser", b: "browser" } },
];

for (const { title, pair } of PAIRS) {
  test.describe(`the contract, ${title}`, () => {
    for (const scenario of scenariosFor(pair)) {
      // What does not depend on the browser, Chromium alone shows: see the projects in playwright.config.ts.
      test(scenario.title, scenario.essential ? {} : { tag: "@any-browser" }, async ({ openSdkPage, kind }) => {
        await runScenario(scenario, pair, agentsIn(openSdkPage, [kind]));
      });
    }
  });
}

test.describe("the contract, a page of one browser to a page of the other", { tag: "@both-browsers" }, () => {
  for (const scenario of scenariosFor({ b: "browser" }).filter((one) => one.essential)) {
    test(scenario.title, async ({ openSdkPage }) => {
      await runScenario(scenario, { a: "browser", b: "browser" }, agentsIn(openSdkPage, ["chromium", "firefox"]));
    });
  }
});
