// Measures what the package adds to a page: a small program with it, bundled, minified and gzipped.

import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ROOT } from "./run.mjs";
import { slimBrowserBuild } from "./slim-browser-build.mjs";

/** What the browser build may weigh, minified and gzipped, in bytes: with everything, and without WebRTC. */
export const SIZE_BUDGET_BYTES = 63_900;
export const SIZE_BUDGET_WITHOUT_WEBRTC_BYTES = 60_200;

const PROGRAM = `import { NetworkManager, text } from "linknet"; globalThis.program = [NetworkManager, text];`;

/**
 * @param {string} browserBuild the file that `linknet` stands for, below the root
 * @returns {Promise<{ minified: number, gzipped: number, inputs: { path: string, bytes: number }[] }>} bytes; inputs by size
 */
async function measure(browserBuild) {
  const esbuild = await import("esbuild");
  const result = await esbuild.build({
    stdin: { contents: PROGRAM, resolveDir: ROOT, sourcefile: "program.js" },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    legalComments: "none",
    alias: { linknet: join(ROOT, browserBuild) },
    absWorkingDir: ROOT,
    // The sources need what the build does to them; what was built imports nothing.
    plugins: slimBrowserBuild(),
    logLevel: "error",
  });
  const [file] = result.outputFiles;
  const [output] = Object.values(result.metafile.outputs);
  if (!file || !output) throw new Error("esbuild gave no output");
  const inputs = Object.entries(output.inputs).map(([path, { bytesInOutput }]) => ({ path, bytes: bytesInOutput }));
  inputs.sort((a, b) => b.bytes - a.bytes);
  const minified = await shrink(file.text);
  return { minified: minified.length, gzipped: gzipSync(minified, { level: 9 }).length, inputs };
}

/**
 * What a page's own bundler does last: terser's ordinary compression, as webpack and `vite build --minify terser` run it. It
 * makes 5 % less of the same code than esbuild does.
 * @param {string} code
 * @returns {Promise<Buffer>}
 */
async function shrink(code) {
  const { minify } = await import("terser");
  const { code: minified } = await minify(code, { module: true, ecma: 2020, compress: { passes: 3 }, mangle: true });
  if (minified === undefined) throw new Error("terser gave no output");
  return Buffer.from(minified);
}

/**
 * The size of the browser build as it is shipped; `npm run build` comes first.
 * @param {"index" | "without-webrtc"} [entry]
 */
export const measureBuild = (entry = "index") => measure(`dist/browser/${entry}.js`);

/** The same from the sources, which tells what each file and package adds. */
export const measureSources = () => measure("src/browser/index.ts");
