// What the browser build weighs, and that it can run where code may not be made from text.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { measureBuild, SIZE_BUDGET_BYTES } from "../../scripts/lib/size.mjs";
import { ROOT } from "./packed.js";

test("the browser bundle stays within 61.6 kB, minified and gzipped", async () => {
  const { gzipped } = await measureBuild();
  expect(SIZE_BUDGET_BYTES).toBe(61_600);
  expect(gzipped).toBeGreaterThan(20_000);
  expect(gzipped).toBeLessThanOrEqual(SIZE_BUDGET_BYTES);
});

test.each(["browser/index.js", "demo-web/main.js"])("%s makes no code from text", (file) => {
  const code = readFileSync(join(ROOT, "dist", file), "utf8");
  expect(code).not.toMatch(/(?<![\w$.])eval\(|(?<![\w$.])(new )?Function\(["'`]/);
});

test("the browser build asks for nothing that is not in it", () => {
  const code = readFileSync(join(ROOT, "dist/browser/index.js"), "utf8");
  expect(code).not.toMatch(/^(import|export)\s[^;]*?\sfrom\s/m);
  expect(code).not.toMatch(/["']node:/);
});

test("both builds export the same names", async () => {
  const [node, browser] = await Promise.all(
    ["node/index.js", "browser/index.js"].map((file) => import(/* @vite-ignore */ join(ROOT, "dist", file)) as Promise<object>),
  );
  expect(Object.keys(browser ?? {}).sort()).toEqual(Object.keys(node ?? {}).sort());
  expect(Object.keys(node ?? {})).toContain("NetworkManager");
});
