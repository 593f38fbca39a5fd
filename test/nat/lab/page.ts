// Peers in a page, and the browser build that they load.

import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { slimBrowserBuild } from "../../../scripts/lib/slim-browser-build.mjs";
import type { Lab } from "./lab.js";
import { type Agent, RELAY_PORT } from "./pair.js";
import type { HostName } from "./topology.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PAGE_AGENT = fileURLToPath(new URL("./page-agent.mjs", import.meta.url));

/** A browser needs seconds to come up, and more where the machine has other work. */
const START_MS = 60_000;

export interface BrowserBuild {
  /** The folder with its index.js. */
  readonly folder: string;
  /** Removes what was made for it. */
  remove(): void;
}

/**
 * The browser build as it lies there; with `LAB_SOURCES=1` in the environment one of the sources as they are now.
 * @throws when nothing was built
 */
export async function browserBuild(): Promise<BrowserBuild> {
  if (process.env.LAB_SOURCES !== "1") {
    const folder = join(ROOT, "dist/browser");
    if (!existsSync(join(folder, "index.js")))
      throw new Error("dist is missing: npm run build, or LAB_SOURCES=1 to run the sources");
    return { folder, remove: () => {} };
  }
  const folder = join(ROOT, "node_modules/.cache", `linknet-lab-browser-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: { index: join(ROOT, "src/browser/index.ts") },
    ...{ bundle: true, platform: "browser", format: "esm", target: "es2022", logLevel: "warning" },
    plugins: slimBrowserBuild(),
    outdir: folder,
  });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Starts a page with a peer in it and waits until the relay has it. It knows no STUN server but the relay's. */
export async function startPage(
  lab: Lab,
  host: HostName,
  sdk: BrowserBuild,
  seed: string,
  options: Record<string, unknown> = {},
): Promise<Agent> {
  const all = { relays: [`ws://${lab.relayAddresses[0]}:${RELAY_PORT}`], ...options };
  const args = JSON.stringify({ sdk: sdk.folder, options: all, seed });
  const program = await lab.start(host, PAGE_AGENT, [args]);
  const { peerId } = await program.request<{ peerId: string }>("start", {}, START_MS);
  await program.waitFor((one) => one.event === "relay" && one.status === "connected");
  return { program, peerId };
}
