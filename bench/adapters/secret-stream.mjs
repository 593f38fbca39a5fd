// @hyperswarm/secret-stream: Noise XX and libsodium's secretstream; each write is one message. Over TCP, or over udx.

import { connect, createServer } from "node:net";
import SecretStream from "@hyperswarm/secret-stream";
import { jsonConnection } from "./json-connection.mjs";
import { listenOn } from "./listen.mjs";
import { connectUdx, listenUdx } from "./udx-streams.mjs";

/** @typedef {import("../lib/types.js").Connection} Connection */

/** @implements {Connection} */
class SecretConnection {
  /** @param {any} stream */
  constructor(stream) {
    this.stream = stream;
    this.full = false;
    /** @type {(() => void)[]} */
    this.waiting = [];
    /** @type {(message: any) => void} */
    this.onMessage = () => undefined;
    stream.on("data", (/** @type {Buffer} */ message) => this.onMessage(message));
    stream.on("drain", () => {
      this.full = false;
      for (const resolve of this.waiting.splice(0)) resolve();
    });
    stream.on("error", () => stream.destroy());
  }

  /** @param {Uint8Array} message */
  send(message) {
    if (this.full) return false;
    this.full = !this.stream.write(message);
    return true;
  }

  /** @returns {Promise<void>} */
  ready() {
    return this.full ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve();
  }

  close() {
    this.stream.destroy();
  }
}

/** @param {any} stream @param {boolean | undefined} objects */
function wrap(stream, objects) {
  const connection = new SecretConnection(stream);
  return objects ? jsonConnection(connection, { text: false }) : connection;
}

/**
 * @param {import("../lib/types.js").System} system
 * @returns {import("../lib/types.js").Adapter}
 */
export function createAdapter({ settings = {} }) {
  const overUdx = settings.transport === "udx";
  const keyPair = SecretStream.keyPair();
  return {
    async listen({ objects }, onConnection) {
      // At once, as the first message may come with the end of the handshake.
      const accept = (/** @type {any} */ raw) => onConnection(wrap(new SecretStream(false, raw, { keyPair }), objects));
      if (overUdx) return listenUdx(accept);
      const server = createServer({ noDelay: true }, accept);
      return { address: await listenOn(server), close: () => void server.close() };
    },
    async createDialer({ objects }, address) {
      const udx = overUdx ? await connectUdx(/** @type {number} */ (address)) : null;
      return {
        async dial() {
          const raw = udx
            ? await udx.open()
            : connect({ port: /** @type {number} */ (address), host: "127.0.0.1", noDelay: true });
          const stream = new SecretStream(true, raw, { keyPair });
          const connection = wrap(stream, objects);
          if (!(await stream.opened)) throw new Error("the handshake failed");
          return connection;
        },
        close: () => udx?.close(),
      };
    },
  };
}
