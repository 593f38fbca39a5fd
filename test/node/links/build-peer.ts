// Builds the program of the peers that run in processes of their own.

import { fileURLToPath } from "node:url";
import { build } from "tsup";

/** Builds the peer's program from the sources. @param name - of a folder of its own, as tests run side by side */
export async function buildPeer(name: string): Promise<string> {
  const outDir = fileURLToPath(new URL(`../../../node_modules/.cache/linknet-links-${name}`, import.meta.url));
  await build({
    config: false,
    silent: true,
    entry: { peer: fileURLToPath(new URL("peer-process.ts", import.meta.url)) },
    outDir,
    format: "esm",
    target: "node20",
    // Calls to the platform stay what they are; "linknet" alone is ours.
    noExternal: ["linknet"],
    esbuildOptions: (options) => {
      options.alias = { linknet: fileURLToPath(new URL("../../../src/node/index.ts", import.meta.url)) };
    },
    outExtension: () => ({ js: ".mjs" }),
  });
  return `${outDir}/peer.mjs`;
}
