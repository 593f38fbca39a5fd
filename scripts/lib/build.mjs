// The build, for every script that needs what it makes.

import { cpSync, existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { ROOT, runPackage, StepError, say } from "./run.mjs";

/** What `--no-types` is for, in words. */
export const NO_TYPES_HELP = "--no-types  leave out the declarations, which take most of the time";

/** The variable by which tsup.config.ts is told to leave out the declarations. */
export const NO_TYPES_VARIABLE = "LINKNET_BUILD_NO_TYPES";

/** What the page needs beside its code. */
const ASSETS = new Set([".html", ".css", ".svg", ".png", ".ico", ".webmanifest"]);

/** @type {import("esbuild").TsconfigRaw} The compiler options of the page, said here so that esbuild does not take `linknet` from the sources, as tsconfig.json has it. */
const PAGE_TSCONFIG = { compilerOptions: { jsx: "react-jsx", jsxImportSource: "preact", verbatimModuleSyntax: true } };

/** @param {{ types?: boolean }} [options] */
export async function build({ types = true } = {}) {
  rmSync(join(ROOT, "dist"), { recursive: true, force: true });
  const code = await runPackage("tsup/dist/cli-default.js", [], { env: types ? {} : { [NO_TYPES_VARIABLE]: "1" } });
  if (code !== 0) throw new StepError("tsup could not build the package; what it printed above says where.");
  await buildPage();
  for (const path of [
    "node/index.js",
    "node/index.cjs",
    "browser/index.js",
    "browser/without-webrtc.js",
    "relay/index.js",
    "bin/linknet.js",
    "demo-web/main.js",
  ]) {
    say(`  dist/${path}: ${(statSync(join(ROOT, "dist", path)).size / 1000).toFixed(1)} kB`);
  }
}

/** Bundles the demo page, minified, with the package as it was built. */
async function buildPage() {
  const esbuild = await import("esbuild");
  const source = join(ROOT, "demo-web");
  const target = join(ROOT, "dist/demo-web");
  const entry = join(source, "main.tsx");
  if (!existsSync(entry)) throw new StepError("demo-web/main.tsx is missing: is this checkout whole?");
  await esbuild.build({
    entryPoints: [entry],
    outdir: target,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    sourcemap: true,
    legalComments: "none",
    logLevel: "warning",
    alias: { linknet: join(ROOT, "dist/browser/index.js") },
    tsconfigRaw: PAGE_TSCONFIG,
  });
  for (const path of readdirSync(source, { recursive: true, encoding: "utf8" })) {
    if (ASSETS.has(extname(path))) cpSync(join(source, path), join(target, path));
  }
}
