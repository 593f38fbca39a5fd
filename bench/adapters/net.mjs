// Raw TCP: `node:net`, a length before each message, one write for each, no crypto. What a program without a library does.

import { connect, createServer } from "node:net";
import { FramedConnection } from "./framed-connection.mjs";
import { jsonConnection } from "./json-connection.mjs";
import { listenOn } from "./listen.mjs";

/** @returns {import("../lib/types.js").Adapter} */
export function createAdapter() {
  return {
    async listen({ objects }, onConnection) {
      const server = createServer({ noDelay: true }, (socket) => onConnection(wrap(socket, objects)));
      const port = await listenOn(server);
      return { address: port, close: () => void server.close() };
    },
    createDialer: async ({ objects }, port) => ({
      dial: () =>
        new Promise((resolve, reject) => {
          const socket = connect({ port: /** @type {number} */ (port), host: "127.0.0.1", noDelay: true });
          socket.once("error", reject);
          socket.once("connect", () => resolve(wrap(socket, objects)));
        }),
      close: () => undefined,
    }),
  };
}

/** @param {import("node:net").Socket} socket @param {boolean | undefined} objects */
function wrap(socket, objects) {
  const connection = new FramedConnection(socket);
  return objects ? jsonConnection(connection, { text: true }) : connection;
}
