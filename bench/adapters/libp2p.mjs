// libp2p: TCP, Noise, yamux; one stream of one protocol on each connection, a length before each message, as its own tools have it.

import "./promise-with-resolvers.mjs";
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import { tcp } from "@libp2p/tcp";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { Uint8ArrayList } from "uint8arraylist";
import { FrameParser, PREFIX_BYTES } from "./frame-parser.mjs";
import { jsonConnection } from "./json-connection.mjs";

/** @typedef {import("../lib/types.js").Connection} Connection */

const PROTOCOL = "/bench/1.0.0";
/** Longer messages are handed over beside their length, instead of being copied behind it. */
const COPY_UP_TO = 4_096;
/** All connections come from one address here, which its defaults hold back. */
const MANY = 100_000;

/** @param {string[]} listen */
function createNode(listen) {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { maxConnections: MANY, maxIncomingPendingConnections: MANY, inboundConnectionThreshold: MANY },
  });
}

/** @implements {Connection} */
class StreamConnection {
  /** @param {any} stream @param {() => Promise<void>} close */
  constructor(stream, close) {
    this.stream = stream;
    this.close = close;
    /** @type {(message: any) => void} */
    this.onMessage = () => undefined;
    /** @type {(() => void)[]} */
    this.waiting = [];
    // Its `onDrain()` gives the same resolved promise from the second time on, so the event has to do.
    stream.addEventListener("drain", () => {
      for (const resolve of this.waiting.splice(0)) resolve();
    });
    const parser = new FrameParser((message) => this.onMessage(message));
    stream.addEventListener("message", (/** @type {{ data: any }} */ { data }) => {
      if (data instanceof Uint8Array) parser.push(asBuffer(data));
      else for (const part of data) parser.push(asBuffer(part));
    });
  }

  /** @param {Uint8Array} message */
  send(message) {
    if (this.stream.writableNeedsDrain) return false;
    const { length } = message;
    if (length <= COPY_UP_TO) {
      const frame = Buffer.allocUnsafe(PREFIX_BYTES + length);
      frame.writeUInt32BE(length, 0);
      frame.set(message, PREFIX_BYTES);
      this.stream.send(frame);
    } else {
      const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
      prefix.writeUInt32BE(length, 0);
      this.stream.send(new Uint8ArrayList(prefix, message));
    }
    return true;
  }

  /** @returns {Promise<void>} */
  ready() {
    return this.stream.writableNeedsDrain ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve();
  }
}

/** @param {Uint8Array} bytes */
function asBuffer(bytes) {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** @returns {import("../lib/types.js").Adapter} */
export function createAdapter() {
  /** @param {any} stream @param {any} under the connection that carries it @param {boolean | undefined} objects */
  const wrap = (stream, under, objects) => {
    const connection = new StreamConnection(stream, () => under.close());
    return objects ? jsonConnection(connection, { text: false }) : connection;
  };
  return {
    async listen({ objects }, onConnection) {
      const node = await createNode(["/ip4/127.0.0.1/tcp/0"]);
      await node.handle(PROTOCOL, (/** @type {any} */ stream, /** @type {any} */ under) =>
        onConnection(wrap(stream, under, objects)),
      );
      return { address: String(node.getMultiaddrs()[0]), close: () => node.stop() };
    },
    async createDialer({ objects }, address) {
      const node = await createNode([]);
      const target = multiaddr(/** @type {string} */ (address));
      return {
        async dial() {
          // Without `force` it would give the connection that there is.
          const under = await node.dial(target, { force: true });
          return wrap(await under.newStream(PROTOCOL), under, objects);
        },
        close: () => node.stop(),
      };
    },
  };
}
