// A peer on a host of the laboratory, as agent.mjs is, but in a page: starts a Chromium inside this network, and a server for its page on
// the loopback here, as a page of any other plain address is no secure context.
// Argument: { sdk, options, seed, everyMs } as JSON; `sdk` is the folder of the browser build.

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { chromium } from "@playwright/test";
import { findBrowser } from "../../../scripts/lib/browsers.mjs";
import { listen } from "../../../scripts/lib/listen.mjs";
import { createPageServer } from "../../../scripts/lib/page-server.mjs";
import { now, serve, tell } from "./lines.mjs";

const { sdk, options, seed, everyMs = 20 } = JSON.parse(process.argv[2] ?? "{}");

const LOCAL = "127.0.0.1";
/** Looks at the page's clock; the quickest one counts. */
const CLOCK_LOOKS = 10;

const identity = [...createHash("sha256").update(String(seed)).digest()];

const server = createPageServer({ folders: { "/": fileURLToPath(new URL(".", import.meta.url)), "/sdk/": sdk } });
const port = await listen(server, 0, LOCAL);

/** @type {import("@playwright/test").Browser | null} */
let browser = null;
/** @type {import("@playwright/test").Page | null} */
let page = null;

/** @returns how far the clock of all processes is ahead of the page's, in ms */
async function clockOffset() {
  let [quickest, offset] = [Number.POSITIVE_INFINITY, 0];
  for (let i = 0; i < CLOCK_LOOKS; i++) {
    const before = now();
    const there = Number(await page?.evaluate(() => performance.now()));
    const took = now() - before;
    if (took < quickest) [quickest, offset] = [took, before + took / 2 - there];
  }
  return offset;
}

async function start() {
  const found = await findBrowser("chromium");
  browser = await chromium.launch({ ...found, timeout: 60_000 });
  page = await browser.newPage();
  page.on("pageerror", (error) => tell("error", { code: "page", text: error.stack ?? error.message }));
  await page.exposeFunction("tell", tell);
  await page.goto(`http://${LOCAL}:${port}/page/`);
  await page.waitForFunction(() => "createPeer" in window);
  const settings = { options, identity, everyMs, clockOffsetMs: await clockOffset() };
  await page.evaluate((given) => /** @type {any} */ (window).createPeer(given), settings);
  return command("start", {});
}

/** @param {string} name @param {object} args */
function command(name, args) {
  if (!page) throw new Error("not started");
  return page.evaluate(([called, given]) => /** @type {any} */ (window).peer[called](given), /** @type {const} */ ([name, args]));
}

const passedOn = ["connect", "stopSending", "startSending", "report", "explain"];

serve({ start, ...Object.fromEntries(passedOn.map((name) => [name, (/** @type {object} */ args) => command(name, args)])) }, () =>
  browser?.close(),
);
