// Three libraries as the browser build takes them: from their own sources, without what a page has no use for. Node takes them as they
// are. Each cut names what it expects, so that a new version which has it no longer stops the build instead of changing what is cut.

import { join } from "node:path";
import { ROOT } from "./run.mjs";
import { slimCbor } from "./slim/cbor.mjs";
import { slimNoble } from "./slim/noble.mjs";
import { ordered } from "./slim/order.mjs";
import { shortNames } from "./slim/short-names.mjs";
import { slimSimplePeer } from "./slim/simple-peer.mjs";

const PACKAGES = join(ROOT, "node_modules");

/** @returns {import("esbuild").Plugin[]} for every bundle of the browser's sources */
export function slimBrowserBuild() {
  return [
    slimSimplePeer(join(PACKAGES, "simple-peer")),
    slimCbor(join(PACKAGES, "cbor-x")),
    slimNoble(join(PACKAGES, "@noble")),
    shortNames(),
    ordered(),
  ];
}
