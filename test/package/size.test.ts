// What the browser build weighs, and that it can run where code may not be made from text.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { measureBuild, SIZE_BUDGET_BYTES, SIZE_BUDGET_WITHOUT_WEBRTC_BYTES } from "../../scripts/lib/size.mjs";
import { ROOT } from "./packed.js";

test("the browser bundle stays within 65 kB, minified and gzipped", async () => {
  const { gzipped } = await measureBuild();
  expect(SIZE_BUDGET_BYTES).toBe(65_000);
  expect(gzipped).toBeGreaterThan(20_000);
  expect(gzipped).toBeLessThanOrEqual(SIZE_BUDGET_BYTES);
});

test("without WebRTC it stays within 61 kB", async () => {
  const { gzipped } = await measureBuild("without-webrtc");
  expect(SIZE_BUDGET_WITHOUT_WEBRTC_BYTES).toBe(61_000);
  expect(gzipped).toBeLessThanOrEqual(SIZE_BUDGET_WITHOUT_WEBRTC_BYTES);
  expect(readFileSync(join(ROOT, "dist/browser/without-webrtc.js"), "utf8")).not.toContain("RTCPeerConnection");
});

test.each(["browser/index.js", "browser/without-webrtc.js", "demo-web/main.js"])("%s makes no code from text", (file) => {
  const code = readFileSync(join(ROOT, "dist", file), "utf8");
  expect(code).not.toMatch(/(?<![\w$.])eval\(|(?<![\w$.])(new )?Function\(["'`]/);
});

test.each(["index", "without-webrtc"])("the browser build %s asks for nothing that is not in it", (entry) => {
  const code = readFileSync(join(ROOT, `dist/browser/${entry}.js`), "utf8");
  expect(code).not.toMatch(/^(import|export)\s[^;]*?\sfrom\s/m);
  expect(code).not.toMatch(/["']node:/);
});

test("all builds export the same names", async () => {
  const [node, browser, lean] = await Promise.all(
    ["node/index.js", "browser/index.js", "browser/without-webrtc.js"].map(
      (file) => import(/* @vite-ignore */ join(ROOT, "dist", file)) as Promise<object>,
    ),
  );
  expect(Object.keys(browser ?? {}).sort()).toEqual(Object.keys(node ?? {}).sort());
  expect(Object.keys(lean ?? {}).sort()).toEqual(Object.keys(node ?? {}).sort());
  expect(Object.keys(node ?? {})).toContain("NetworkManager");
});
