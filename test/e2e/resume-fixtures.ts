// What the tests of resuming share: a relay that may be killed, and tabs that number what they say.

import type { Page } from "@playwright/test";
import type { NetworkManagerOptions } from "linknet";
import { PAGE_URL } from "../../scripts/lib/e2e-ports.mjs";
import { test as base } from "./fixtures.js";
import { FreezablePage } from "./freezable-page.js";
import { NumberingTab } from "./numbering-tab.js";
import { PrivateRelay } from "./private-relay.js";

/** The relay is their only path. */
export const RELAYED: NetworkManagerOptions = { upgrade: false, disableTransports: ["webrtc"] };

/** Statuses of a session that nothing happened to. */
export const UNDISTURBED = ["connecting", "connected"];
/** There was one gap, and it was bridged. */
export const RECONNECTED = [...UNDISTURBED, "reconnecting", "connected"];

interface ResumeFixtures {
  /** A relay that this test may kill. */
  relay: PrivateRelay;
  openTab(options?: NetworkManagerOptions): Promise<NumberingTab<Page>>;
  /** As `openTab`, with a page that can be frozen. */
  openFreezableTab(): Promise<NumberingTab<FreezablePage>>;
}

export const test = base.extend<ResumeFixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from this pattern
  relay: async ({}, use) => {
    const relay = new PrivateRelay();
    try {
      await relay.start();
      await use(relay);
    } finally {
      await relay.kill();
    }
  },
  openTab: async ({ openSdkPage, relay }, use) => {
    await use(async (options = {}) => NumberingTab.open(await openSdkPage(), { relays: [relay.url], ...options }));
  },
  openFreezableTab: async ({ launch, relay }, use) => {
    const pages: FreezablePage[] = [];
    try {
      await use(async () => {
        const page = await FreezablePage.open(await launch("chromium"), `${PAGE_URL}/contract/`);
        pages.push(page);
        return NumberingTab.open(page, { relays: [relay.url] });
      });
    } finally {
      for (const page of pages) await page.close();
    }
  },
});
