// LinkNet as it was built: what is measured is what a user installs. This workspace has a package.json of its own, so the name
// "linknet" leads nowhere from here.

import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The folder of the build that this checkout makes. */
export const DIST = fileURLToPath(new URL("../../dist", import.meta.url));

/**
 * @param {string} [dist] the folder of another build
 * @returns {Promise<typeof import("linknet")>}
 */
export function loadLinkNet(dist = DIST) {
  return import(pathToFileURL(join(dist, "node/index.js")).href);
}

/**
 * @param {string} [dist]
 * @returns {Promise<typeof import("linknet/relay")>}
 */
export function loadRelay(dist = DIST) {
  return import(pathToFileURL(join(dist, "relay/index.js")).href);
}
