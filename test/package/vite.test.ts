// A user's Vite project: no configuration, no shims, and the built page runs in Chromium.

import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findBrowser } from "../../scripts/lib/browsers.mjs";
import { listen } from "../../scripts/lib/listen.mjs";
import { createPageServer } from "../../scripts/lib/page-server.mjs";
import { type Packed, packAndInstall, ROOT, runNode } from "./packed.js";

let packed: Packed;
let app: string;

beforeAll(async () => {
  packed = await packAndInstall();
  app = realpathSync(mkdtempSync(join(tmpdir(), "linknet-vite-")));
  cpSync(join(ROOT, "test/fixtures/vite-app"), app, { recursive: true });
  await mkdir(join(app, "node_modules"), { recursive: true });
  symlinkSync(join(packed.project, "node_modules/linknet"), join(app, "node_modules/linknet"));
}, 180_000);

afterAll(() => {
  packed?.remove();
  if (app) rmSync(app, { recursive: true, force: true });
});

test("builds without configuration or warnings, and runs under a strict policy", async () => {
  const built = await runNode([join(ROOT, "node_modules/vite/bin/vite.js"), "build"], app);
  expect(built.stderr).toBe("");
  expect(built.code).toBe(0);
  expect(readFileSync(join(app, "dist/index.html"), "utf8")).toContain("script");

  const server = createPageServer({ folders: { "/": join(app, "dist") } });
  await listen(server, 0, "127.0.0.1");
  const browser = await chromium.launch((await findBrowser("chromium")) ?? {});
  try {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error" && !message.location().url.endsWith("favicon.ico")) faults.push(message.text());
    });
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction(() => document.querySelector("#peer-id")?.textContent?.match(/^[a-z2-7]{52}$/), undefined, {
      timeout: 15_000,
    });
    expect(faults).toEqual([]);
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
});
