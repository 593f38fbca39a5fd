// LinkNet as a page uses it: over a relay to another page, until the path is a direct one, or to the WebSocket port of a Node peer.

const TYPE = "bench";
/** How often the path is looked at, in ms. */
const LOOK_MS = 10;

/** @param {import("./main.js").Task} task */
export async function open({ url = "", path, peerId, sdk = "sdk" }) {
  const { NetworkManager } = await import(`/${sdk}/index.js`);
  const net = new NetworkManager({
    relays: path === "webrtc" ? [url] : [],
    disableTransports: path === "webrtc" ? ["websocket"] : ["webrtc"],
  });
  await net.start();
  return { id: net.peerId, connected: connect(net, peerId ?? (path === "websocket" ? url : null), path) };
}

/**
 * @param {any} net
 * @param {string | null} target `null` waits for whoever dials
 * @param {string | undefined} path
 * @returns {Promise<import("./main.js").Connection>}
 */
async function connect(net, target, path) {
  const other =
    target === null
      ? await new Promise((resolve) =>
          net.setConnectionCallback((/** @type {string} */ id, /** @type {string} */ status) => {
            if (status === "connected") resolve(id);
          }),
        )
      : await net.connectToPeer(target);
  while (net.getPeer(other)?.path !== path) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  /** @type {import("./main.js").Connection} */
  const connection = {
    send: (message) => net.sendMessage(other, { type: TYPE, payload: message }),
    ready: () => net.ready(other),
    onMessage: () => undefined,
  };
  net.setMessageCallback((/** @type {{ payload: Uint8Array }} */ { payload }) => connection.onMessage(payload));
  return connection;
}
