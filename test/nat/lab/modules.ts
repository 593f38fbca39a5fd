// Which build the programs of the laboratory load.

import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export interface Modules {
  /** URLs to import. */
  readonly node: string;
  readonly relay: string;
  /** Removes what was made for it. */
  remove(): void;
}

/**
 * The package as it was built; with `LAB_SOURCES=1` in the environment, the sources as they are now.
 * @throws when nothing was built
 */
export async function labModules(): Promise<Modules> {
  if (process.env.LAB_SOURCES !== "1") {
    const built = { node: join(ROOT, "dist/node/index.js"), relay: join(ROOT, "dist/relay/index.js") };
    if (!existsSync(built.node) || !existsSync(built.relay)) {
      throw new Error("dist is missing: npm run build, or LAB_SOURCES=1 to run the sources");
    }
    return { node: pathToFileURL(built.node).href, relay: pathToFileURL(built.relay).href, remove: () => {} };
  }
  // Below the root, where the dependencies are found.
  const folder = join(ROOT, "node_modules/.cache", `linknet-lab-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: { node: join(ROOT, "src/node/index.ts"), relay: join(ROOT, "src/server/index.ts") },
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
  });
  return {
    node: pathToFileURL(join(folder, "node.mjs")).href,
    relay: pathToFileURL(join(folder, "relay.mjs")).href,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
