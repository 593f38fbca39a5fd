// One source, these builds: Node with its command and the relay, the browser, and the declarations that serve them all.

import { defineConfig, type Options } from "tsup";
import { slimBrowserBuild } from "./scripts/lib/slim-browser-build.mjs";

const nodeBuild: Options = {
  outDir: "dist",
  platform: "node",
  target: "node20",
  // The command and the demo in it use the package by its own name, as any program does. tsup bundles optional dependencies.
  external: ["linknet", "linknet/relay", "udx-native"],
  sourcemap: true,
  silent: true,
};

// `npm run demo` needs no declarations, and they take most of the time.
const withTypes = !process.env.LINKNET_BUILD_NO_TYPES;

const builds: Options[] = [
  {
    ...nodeBuild,
    name: "node",
    entry: { "node/index": "src/node/index.ts", "relay/index": "src/server/index.ts", "bin/linknet": "src/bin/linknet.ts" },
    format: "esm",
    // Shared chunks, so that a NetworkError is the same class wherever it comes from.
    splitting: true,
    esbuildOptions(options) {
      options.chunkNames = "chunks/[name]-[hash]";
    },
  },
  {
    ...nodeBuild,
    name: "node, CommonJS",
    entry: { "node/index": "src/node/index.ts", "relay/index": "src/server/index.ts" },
    format: "cjs",
    // noble is ESM only, and Node 20 before 20.19 cannot require that.
    noExternal: [/^@noble\//],
  },
  {
    name: "browser",
    entry: { "browser/index": "src/browser/index.ts", "browser/without-webrtc": "src/browser/without-webrtc.ts" },
    outDir: "dist",
    format: "esm",
    platform: "browser",
    target: "es2022",
    splitting: false,
    // Everything inside each: a page can load it as it is, and no bundler has to shim what simple-peer would ask for.
    noExternal: [/.*/],
    esbuildPlugins: slimBrowserBuild(),
    sourcemap: true,
    silent: true,
  },
];

const types: Options = {
  name: "types",
  entry: { index: "src/node/index.ts", "relay/index": "src/server/index.ts" },
  outDir: "dist",
  format: ["esm", "cjs"],
  dts: { only: true },
  silent: true,
};

export default defineConfig(withTypes ? [...builds, types] : builds);
