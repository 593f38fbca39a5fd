// LinkNet as an application uses it: NetworkManager, sendMessage, ready() when it says `false`, the message callback. The settings name
// the one transport that is left on.

import { loadLinkNet, loadRelay } from "../lib/linknet.mjs";

/** @typedef {import("../lib/types.js").Connection} Connection */
/** @typedef {import("linknet").NetworkManager} NetworkManager */

const TRANSPORTS = ["tcp", "udp", "websocket", "webrtc"];
const SCHEMES = /** @type {Record<string, string>} */ ({ tcp: "tcp", websocket: "ws" });
const TYPE = "bench";
/** How often the path is looked at while a session moves from the relay to UDP, in ms. */
const LOOK_MS = 5;

/**
 * @param {import("../lib/types.js").System} system
 * @returns {Promise<import("../lib/types.js").Adapter>}
 */
export async function createAdapter({ settings = {} }) {
  const { transport = "tcp", dist } = settings;
  const linknet = await loadLinkNet(dist);
  // Sockets dial; UDP paths are made by both sides over a relay, which has nothing to do once they are there.
  const dials = transport in SCHEMES;

  /** @param {number} connections @param {readonly string[]} relays */
  const createManager = (connections, relays) =>
    new linknet.NetworkManager({
      host: "127.0.0.1",
      relays,
      disableTransports: TRANSPORTS.filter((name) => name !== transport),
      // Strangers of one address are held back by default; here all of them come from one.
      limits: { maxConnections: Math.max(300, connections + 1), maxUnproven: 4_096, unprovenPerSecond: 100_000 },
    });

  return {
    async listen({ connections = 1 }, onConnection) {
      const relay = dials ? null : await (await loadRelay(dist)).createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
      const net = createManager(connections, relay ? [relay.url] : []);
      /** @type {Map<string, Connection>} */
      const byPeer = new Map();
      net.setConnectionCallback((peerId, status) => {
        if (status === "disconnected") byPeer.delete(peerId);
        else if (status === "connected" && !byPeer.has(peerId)) {
          const connection = connectionTo(net, peerId);
          byPeer.set(peerId, connection);
          onConnection(connection);
        }
      });
      net.setMessageCallback(({ senderId, payload }) => byPeer.get(senderId)?.onMessage(payload));
      await net.start();
      const url = `${SCHEMES[transport]}://127.0.0.1:${net.getLocalPort()}`;
      return {
        address: relay ? { relays: [relay.url], target: net.peerId } : { relays: [], target: url },
        broadcast: (message) => net.broadcastMessage({ type: TYPE, payload: message }),
        close: async () => {
          await net.stop();
          await relay?.close();
        },
      };
    },

    async createDialer({ connections = 1 }, address) {
      const { relays, target } = /** @type {{ relays: string[], target: string }} */ (address);
      // One manager is one peer, and two peers have one session: so many connections at a time, so many managers.
      const managers = Array.from({ length: connections }, () => createManager(2, relays));
      await Promise.all(managers.map((net) => net.start()));
      const idle = [...managers];
      return {
        async dial() {
          const net = idle.pop();
          if (!net) throw new Error("each manager has its session already");
          const peerId = await net.connectToPeer(target);
          while (net.getPeer(peerId)?.path !== transport) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
          const connection = connectionTo(net, peerId);
          net.setMessageCallback(({ payload }) => connection.onMessage(payload));
          connection.close = async () => {
            await net.disconnectFromPeer(peerId);
            idle.push(net);
          };
          return connection;
        },
        close: async () => void (await Promise.all(managers.map((net) => net.stop()))),
      };
    },
  };
}

/**
 * @param {NetworkManager} net
 * @param {string} peerId
 * @returns {Connection}
 */
function connectionTo(net, peerId) {
  return {
    send: (message) => net.sendMessage(peerId, { type: TYPE, payload: message }),
    ready: () => net.ready(peerId),
    onMessage: () => undefined,
    close: () => net.disconnectFromPeer(peerId),
  };
}
