// The peer inside a page; page-agent.mjs creates it and commands it.

import { numberingPeer } from "../numbering-peer.js";

/** @type {typeof import("../../../../src/browser/index.js")} */
const { NetworkManager } = await import(new URL("/sdk/index.js", location.href).href);

Object.assign(window, {
  /** @param {{ options: object, identity: number[], everyMs: number, clockOffsetMs: number }} settings */
  createPeer({ options, identity, everyMs, clockOffsetMs }) {
    const net = new NetworkManager({ ...options, identity: Uint8Array.from(identity) });
    const { tell } = /** @type {{ tell: import("../numbering-peer.js").Surroundings["tell"] }} */ (
      /** @type {unknown} */ (window)
    );
    const commands = numberingPeer(net, { tell, now: () => performance.now() + clockOffsetMs, everyMs });
    const start = async () => {
      await net.start();
      return { peerId: net.peerId };
    };
    Object.assign(window, { peer: { ...commands, start } });
  },
});
