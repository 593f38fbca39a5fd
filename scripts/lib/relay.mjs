// Starts the relay as it was built.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./run.mjs";

/**
 * @param {{ port: number, host?: string, publicUrls?: string[] }} options
 * @returns {Promise<{ stop: () => Promise<void> }>}
 */
export async function startRelay(options) {
  /** @type {typeof import("../../src/server/index.js")} */
  const { createRelay } = await import(pathToFileURL(join(ROOT, "dist/relay/index.js")).href);
  const relay = await createRelay(options);
  return { stop: () => relay.close() };
}
