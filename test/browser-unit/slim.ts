// Single sources as the browser build has them: with libraries that were made smaller (scripts/lib/slim-browser-build.mjs).

import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { slimBrowserBuild } from "../../scripts/lib/slim-browser-build.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Bundles a source and runs it.
 * @param path - below the root
 */
export async function importSlim<Module>(path: string): Promise<Module> {
  const { outputFiles } = await build({
    entryPoints: [path],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    plugins: slimBrowserBuild(),
    logLevel: "error",
  });
  const code = Buffer.from(outputFiles[0]?.contents ?? []).toString("base64");
  return (await import(/* @vite-ignore */ `data:text/javascript;base64,${code}`)) as Module;
}
