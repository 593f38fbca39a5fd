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

/**
 * By default each scenario has its turn with one of the pairs, and what is essential has all of them in Chromium: between two Node
 * processes all have run before, and pages are slow. All of them with all pairs: LINKNET_ALL_PAIRS=1 npm test -- --only e2e
 */
const ALL_PAIRS = process.env.LINKNET_ALL_PAIRS === "1";
const TITLES = [...new Set(PAIRS.flatMap(({ pair }) => scenariosFor(pair).map(({ title }) => title)))];

/** Whether it is the turn of this scenario with this pair; one that a pair cannot have goes to the next. */
function isTurn(title: string, place: number): boolean {
  const able = PAIRS.flatMap(({ pair }, i) => (scenariosFor(pair).some((one) => one.title === title) ? [i] : []));
  return able[TITLES.indexOf(title) % able.length] === place;
}

for (const [place, { title, pair }] of PAIRS.entries()) {
  test.describe(`the contract, ${title}`, () => {
    for (const scenario of scenariosFor(pair)) {
      const turn = ALL_PAIRS || isTurn(scenario.title, place);
      if (!turn && !scenario.essential) continue;
      // What does not depend on the browser, Chromium alone shows: see the projects in playwright.config.ts.
      test(scenario.title, scenario.essential && turn ? {} : { tag: "@any-browser" }, async ({ openSdkPage, kind }) => {
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
