// Prints what the browser build weighs, and what makes it weigh that.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "./lib/build.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { main } from "./lib/main.mjs";
import { bold, ROOT, say, step } from "./lib/run.mjs";
import { measureBuild, measureSources, SIZE_BUDGET_BYTES, SIZE_BUDGET_WITHOUT_WEBRTC_BYTES } from "./lib/size.mjs";

const ROWS = 20;

/** @param {string} path */
function ownerOf(path) {
  const match = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path);
  return match?.[1] ?? path;
}

/** @param {number} bytes */
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`.padStart(10);

await main(async () => {
  await ensureDependencies();
  if (!existsSync(join(ROOT, "dist/browser/index.js"))) await step("Build", () => build({ types: false }));
  const { minified, gzipped } = await measureBuild();
  const lean = await measureBuild("without-webrtc");
  const { inputs } = await measureSources();

  /** @type {Map<string, number>} */
  const byOwner = new Map();
  for (const { path, bytes } of inputs) byOwner.set(ownerOf(path), (byOwner.get(ownerOf(path)) ?? 0) + bytes);
  const rows = [...byOwner].sort((a, b) => b[1] - a[1]);

  say(bold("\nWhat the browser build holds, minified"));
  for (const [owner, bytes] of rows.slice(0, ROWS)) say(`${kilobytes(bytes)}  ${owner}`);
  const rest = rows.slice(ROWS).reduce((sum, [, bytes]) => sum + bytes, 0);
  if (rest > 0) say(`${kilobytes(rest)}  (${rows.length - ROWS} more)`);
  say(bold(`\nBrowser bundle: ${minified} bytes minified, ${gzipped} bytes gzipped (budget: ${SIZE_BUDGET_BYTES})`));
  say(
    bold(
      `Without WebRTC: ${lean.minified} bytes minified, ${lean.gzipped} bytes gzipped (budget: ${SIZE_BUDGET_WITHOUT_WEBRTC_BYTES})`,
    ),
  );
  return lean.gzipped <= SIZE_BUDGET_WITHOUT_WEBRTC_BYTES && gzipped <= SIZE_BUDGET_BYTES ? 0 : 1;
});
