// PeerJS between two pages, over a signalling server of its own kind; "raw" is the serialisation that costs least.

import { channelConnection } from "./channel.js";

/** @param {import("./main.js").Task} task */
export async function open({ initiates, url = "", name = "peerjs" }) {
  const { Peer } = /** @type {any} */ (window).peerjs;
  const { hostname, port } = new URL(url);
  const peer = new Peer(`${name}-${initiates ? "sender" : "receiver"}`, {
    host: hostname,
    port: Number(port),
    path: "/",
    config: { iceServers: [] },
  });
  await new Promise((resolve, reject) => {
    peer.once("open", resolve);
    peer.once("error", reject);
  });
  const connected = new Promise((resolve, reject) => {
    /** @param {any} connection */
    const use = (connection) => {
      connection.on("open", () => {
        const wrapped = channelConnection(connection.dataChannel, (message) => connection.send(message));
        connection.on("data", (/** @type {ArrayBuffer} */ data) => wrapped.onMessage(new Uint8Array(data)));
        resolve(wrapped);
      });
      connection.on("error", reject);
    };
    if (initiates) use(peer.connect(`${name}-receiver`, { serialization: "raw", reliable: true }));
    else peer.on("connection", use);
  });
  return { connected };
}
