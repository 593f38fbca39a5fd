// Real browsers against the built package. `npm test` runs this inside a network of its own; alone it takes what is there.

import { defineConfig } from "@playwright/test";
import { findBrowser } from "./scripts/lib/browsers.mjs";
import { CONTROL_URL } from "./scripts/lib/e2e-ports.mjs";
import { presentNetwork } from "./scripts/lib/test-network.mjs";
import type { BrowserOptions } from "./test/e2e/fixtures.js";

// Firefox takes no WebRTC candidates from the loopback, and has no switch for it.
const withFirefox = (await findBrowser("firefox")) !== null && presentNetwork() !== "loopback";

export default defineConfig<BrowserOptions>({
  testDir: "test",
  testMatch: ["e2e/**/*.spec.ts", "contract/**/*.spec.ts"],
  tsconfig: "test/e2e/tsconfig.json",
  outputDir: "test-results/playwright",
  // Two browsers, a relay and Node peers per test: more at once would measure the machine.
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  reporter: "list",
  use: { trace: "off", screenshot: "only-on-failure" },
  projects: [
    { name: "chromium", use: { kind: "chromium" }, testIgnore: "**/cross-browser.spec.ts", grepInvert: /@both-browsers/ },
    // What needs no browser, or any one, ran before.
    ...(withFirefox
      ? [{ name: "firefox", use: { kind: "firefox" as const }, testIgnore: "**/node.spec.ts", grepInvert: /@any-browser/ }]
      : []),
  ],
  webServer: {
    command: "node scripts/lib/e2e-servers.mjs",
    url: CONTROL_URL,
    timeout: 60_000,
    stdout: "pipe",
    gracefulShutdown: { signal: "SIGTERM", timeout: 5_000 },
  },
});
