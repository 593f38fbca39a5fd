// What pages need around them, in a process of its own: the page server, a relay for each build, and a signalling server for PeerJS.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PeerServer } from "peer";
import { createPageServer } from "../../scripts/lib/page-server.mjs";
import { DIST, loadRelay } from "../lib/linknet.mjs";

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * @param {Record<string, string>} builds folders "dist", by the name that pages know them by
 * @returns {Promise<{ pages: string, signalling: string, relays: Record<string, string> }>} URLs
 */
export async function start(builds) {
  /** @type {Record<string, string>} */
  const relays = {};
  /** @type {Record<string, string>} */
  const folders = {
    "/": here("page"),
    "/bench/": here("page"),
    "/simple-peer/": dirname(fileURLToPath(import.meta.resolve("simple-peer/simplepeer.min.js"))),
    "/peerjs/": dirname(fileURLToPath(import.meta.resolve("peerjs"))),
  };
  for (const [name, dist] of Object.entries(builds)) {
    if (!existsSync(join(dist, "browser/index.js"))) throw new Error("there is no build for browsers yet: npm run build");
    folders[`/${name}/`] = join(dist, "browser");
    const { createRelay } = await loadRelay(existsSync(join(dist, "relay/index.js")) ? dist : DIST);
    relays[name] = (await createRelay({ port: 0, host: "127.0.0.1", stunPort: false })).url;
  }
  const pages = createPageServer({ folders });
  await new Promise((resolve) => pages.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (pages.address());
  const signallingPort = await new Promise((resolve) => {
    PeerServer({ port: 0, host: "127.0.0.1", path: "/" }, (/** @type {any} */ server) => {
      resolve(/** @type {import("node:net").AddressInfo} */ (server.address()).port);
    });
  });
  // The name makes the pages a secure context, and WebSocket and WebRTC what they are for a user.
  return { pages: `http://localhost:${port}`, signalling: `http://localhost:${signallingPort}`, relays };
}
