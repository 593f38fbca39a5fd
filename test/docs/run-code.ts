// Runs code from a page as a reader would: in a process of its own, with the SDK under its own name.

import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { promisify } from "node:util";
import { build } from "esbuild";
import { ROOT } from "./page.js";

/** Below node_modules, so that the dependencies of the SDK are found from here, and git does not see it. */
const FOLDER = `${ROOT}node_modules/.cache/linknet-docs`;

const OVERALL_MS = 20_000;

/**
 * @param name - of the file, for error messages
 * @param code - TypeScript that imports "linknet" and ends by itself
 * @returns what it wrote to standard output
 * @throws Error when it does not build, exits with another code than 0, or does not end in time
 */
export async function runCode(name: string, code: string): Promise<string> {
  const outfile = `${FOLDER}/${name}-${process.pid}.mjs`;
  mkdirSync(FOLDER, { recursive: true });
  await build({
    stdin: { contents: code, loader: "ts", resolveDir: ROOT, sourcefile: `${name}.ts` },
    alias: { linknet: `${ROOT}src/node/index.ts`, "linknet/relay": `${ROOT}src/server/index.ts` },
    bundle: true,
    // Everything but the SDK itself stays outside.
    plugins: [{ name: "external", setup: ({ onResolve }) => onResolve({ filter: /^[^./]/ }, ({ path }) => external(path)) }],
    format: "esm",
    platform: "node",
    target: "node20",
    outfile,
    logLevel: "silent",
  });
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [outfile], { timeout: OVERALL_MS });
    return stdout;
  } finally {
    rmSync(outfile, { force: true });
  }
}

function external(path: string): { path: string; external: true } | undefined {
  return path === "linknet" || path === "linknet/relay" ? undefined : { path, external: true };
}
