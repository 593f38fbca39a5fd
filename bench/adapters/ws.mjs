// `ws` without crypto: one binary WebSocket message for each message, a text one for each object; no compression.

import { WebSocket, WebSocketServer } from "ws";
import { jsonConnection } from "./json-connection.mjs";

/** @typedef {import("../lib/types.js").Connection} Connection */

/** `ws` has no mark of its own; past this many bytes of `bufferedAmount` the sender waits. */
const HIGH_WATER_BYTES = 256 * 1024;

/** @implements {Connection} */
class WebSocketConnection {
  /** @param {WebSocket} socket */
  constructor(socket) {
    this.socket = socket;
    this.full = false;
    /** @type {(() => void)[]} */
    this.waiting = [];
    /** @type {(message: any) => void} */
    this.onMessage = () => undefined;
    socket.on("message", (data) => this.onMessage(data));
    socket.on("error", () => socket.terminate());
    this.drained = () => {
      this.full = false;
      for (const resolve of this.waiting.splice(0)) resolve();
    };
  }

  /** @param {Uint8Array | string} message */
  send(message) {
    if (this.full) return false;
    if (this.socket.bufferedAmount < HIGH_WATER_BYTES) {
      this.socket.send(message);
    } else {
      this.full = true;
      this.socket.send(message, this.drained);
    }
    return true;
  }

  /** @returns {Promise<void>} */
  ready() {
    return this.full ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve();
  }

  close() {
    this.socket.terminate();
  }
}

/** @param {WebSocket} socket @param {boolean | undefined} objects */
function wrap(socket, objects) {
  const connection = new WebSocketConnection(socket);
  return objects ? jsonConnection(connection, { text: true }) : connection;
}

/** @returns {import("../lib/types.js").Adapter} */
export function createAdapter() {
  return {
    async listen({ objects }, onConnection) {
      const server = new WebSocketServer({ port: 0, host: "127.0.0.1", backlog: 1_024, perMessageDeflate: false });
      server.on("connection", (socket) => onConnection(wrap(socket, objects)));
      await new Promise((resolve) => server.once("listening", resolve));
      return { address: /** @type {import("node:net").AddressInfo} */ (server.address()).port, close: () => server.close() };
    },
    createDialer: async ({ objects }, port) => ({
      dial: () =>
        new Promise((resolve, reject) => {
          const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
          socket.once("error", reject);
          socket.once("open", () => resolve(wrap(socket, objects)));
        }),
      close: () => undefined,
    }),
  };
}
