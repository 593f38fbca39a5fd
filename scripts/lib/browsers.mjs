// Finds real browsers, and installs them where they are missing: the system's own first, then Playwright's, then the package manager's.

import { existsSync } from "node:fs";
import { run, runPackage, StepError, say, works, yellow } from "./run.mjs";

/** @typedef {"chromium" | "firefox"} BrowserName */
/** @typedef {{ executablePath?: string, channel?: string }} BrowserLaunch how Playwright is told where the browser is */

/** @type {Record<BrowserName, { variable: string, paths: readonly string[], debian: string }>} */
const KNOWN = {
  chromium: {
    variable: "CHROMIUM_PATH",
    paths: [
      "/usr/bin/chromium",
      "/usr/bin/chromium-browser",
      "/usr/bin/google-chrome",
      "/usr/bin/google-chrome-stable",
      "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ],
    debian: "chromium",
  },
  firefox: {
    variable: "FIREFOX_PATH",
    paths: ["/usr/bin/firefox-esr", "/usr/bin/firefox", "/Applications/Firefox.app/Contents/MacOS/firefox"],
    debian: "firefox-esr",
  },
};

/**
 * Looks for a browser without installing anything.
 * @param {BrowserName} name
 * @returns {Promise<BrowserLaunch | null>} `{}` stands for Playwright's own
 */
export async function findBrowser(name) {
  const { variable, paths } = KNOWN[name];
  const executablePath = [process.env[variable], ...paths].find((path) => path && existsSync(path));
  // Playwright drives a stock Firefox over WebDriver BiDi, which it calls a channel.
  if (executablePath) return name === "firefox" ? { executablePath, channel: "moz-firefox" } : { executablePath };
  const playwright = await import("@playwright/test");
  return existsSync(playwright[name].executablePath()) ? {} : null;
}

/** Whether we may use apt. */
function canUseApt() {
  return process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
}

let updated = false;

/**
 * Installs a Debian package, quietly.
 * @param {string} name
 * @returns {Promise<boolean>}
 */
export async function aptInstall(name) {
  if (!canUseApt()) return false;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  if (!updated) {
    say("  apt-get update");
    updated = (await run("apt-get", ["update", "-qq"], { env, quiet: true, timeoutMs: 300_000 })) === 0;
  }
  say(`  apt-get install ${name}; this may take some minutes.`);
  // Test files that run side by side may want to install as well.
  const args = ["install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", name];
  return (await run("apt-get", args, { env, quiet: true, timeoutMs: 900_000 })) === 0;
}

/**
 * @param {BrowserName} name
 * @returns {Promise<BrowserLaunch | null>}
 */
async function ensureBrowser(name) {
  const found = await findBrowser(name);
  if (found) return found;
  say(`  ${name} is missing: trying Playwright's own.`);
  const code = await runPackage("@playwright/test/cli.js", ["install", name], { quiet: true, timeoutMs: 180_000 });
  if (code === 0) {
    const own = await findBrowser(name);
    if (own) return own;
  }
  await aptInstall(KNOWN[name].debian);
  return findBrowser(name);
}

/**
 * Makes sure of Chromium, and of Firefox where that can be done.
 * @returns {Promise<{ chromium: BrowserLaunch, firefox: BrowserLaunch | null }>}
 */
export async function ensureBrowsers() {
  const chromium = await ensureBrowser("chromium");
  if (!chromium) {
    throw new StepError(
      "No Chromium was found, and it could not be installed. Install it by your system's package manager\n" +
        '(on Debian, as root: "apt-get update && apt-get install -y chromium"), or set CHROMIUM_PATH to its program.',
    );
  }
  say(`  Chromium: ${chromium.executablePath ?? "Playwright's own"}`);
  const firefox = await ensureBrowser("firefox");
  if (firefox) say(`  Firefox: ${firefox.executablePath ?? "Playwright's own"}`);
  else
    say(yellow("  SKIPPED: no Firefox was found, and it could not be installed; its tests do not run. FIREFOX_PATH names one."));
  return { chromium, firefox };
}

/** Makes sure of `ip`, with which the test network is built. */
export async function ensureIp() {
  return works("ip", ["-V"]) || ((await aptInstall("iproute2")) && works("ip", ["-V"]));
}
