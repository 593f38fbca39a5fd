// Bare simple-peer between two pages, with the back-pressure that it has: that of a stream.

import { signalling } from "./signalling.js";

/** @param {import("./main.js").Task} task */
export async function open({ initiates, name = "simple-peer" }) {
  const { SimplePeer } = /** @type {any} */ (window);
  // Object mode, so that a stream which is behind does not join messages.
  const peer = new SimplePeer({ initiator: initiates, objectMode: true, config: { iceServers: [] } });
  peer.on(
    "signal",
    signalling(name, (signal) => peer.signal(signal)),
  );
  /** @type {import("./main.js").Connection} */
  const connection = {
    send(message) {
      if (peer.writableNeedDrain ?? peer._writableState.needDrain) return false;
      peer.write(message);
      return true;
    },
    ready: () => new Promise((resolve) => peer.once("drain", resolve)),
    onMessage: () => undefined,
  };
  peer.on("data", (/** @type {Uint8Array} */ message) => connection.onMessage(message));
  const connected = new Promise((resolve, reject) => {
    peer.on("connect", () => resolve(connection));
    peer.on("error", reject);
  });
  return { connected };
}
