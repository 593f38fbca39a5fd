// What the browser build weighs, and that it can run where code may not be made from text.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { measureBuild, SIZE_BUDGET_BYTES, SIZE_BUDGET_WITHOUT_WEBRTC_BYTES } from "../../scripts/lib/size.mjs";
import { ownNames } from "../../scripts/lib/slim/own-names.mjs";
import { ROOT } from "./packed.js";

test("the browser bundle stays within 63.9 kB, minified and gzipped", async () => {
  const { gzipped } = await measureBuild();
  expect(SIZE_BUDGET_BYTES).toBe(63_900);
  expect(gzipped).toBeGreaterThan(20_000);
  expect(gzipped).toBeLessThanOrEqual(SIZE_BUDGET_BYTES);
});

test("without WebRTC it stays within 60.2 kB", async () => {
  const { gzipped } = await measureBuild("without-webrtc");
  expect(SIZE_BUDGET_WITHOUT_WEBRTC_BYTES).toBe(60_200);
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

test("no name that the build shortens is that of a member which is declared to users", () => {
  const names = ownNames();
  expect(names.length).toBeGreaterThan(30);
  const files = readdirSync(join(ROOT, "dist")).filter((file) => file.endsWith(".d.ts"));
  const sources = files.map((file) =>
    ts.createSourceFile(file, readFileSync(join(ROOT, "dist", file), "utf8"), ts.ScriptTarget.Latest, true),
  );
  // Declared beside them are classes of our own that no user can name.
  const exported = new Set(readFileSync(join(ROOT, "src/core/index.ts"), "utf8").match(/\b\w+\b/g));
  const members = new Set<string>();
  const collect = (node: ts.Node): void => {
    if ((ts.isClassElement(node) || ts.isTypeElement(node)) && node.name) members.add(node.name.getText());
    ts.forEachChild(node, collect);
  };
  for (const { statements } of sources)
    for (const statement of statements) {
      const isType =
        ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
      if (isType && statement.name && (exported.has(statement.name.text) || !ts.isClassDeclaration(statement)))
        collect(statement);
    }
  expect(members).toContain("connectToPeer");
  expect(members).toContain("readable");
  expect(names.filter((name) => members.has(name))).toEqual([]);
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
