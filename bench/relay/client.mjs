// A client of both servers: a `ws` socket, and for the relay the login, written out here. What it sends is the same for both.

import { generateKeyPairSync, sign } from "node:crypto";
import WebSocket from "ws";

const KIND = { CHALLENGE: 1, LOGIN: 2, WELCOME: 3, FORWARD: 4, UNDELIVERED: 5, PING: 12, PONG: 13 };
const LOGIN_CONTEXT = "linknet relay login 1\0";
const NONCE_AT = 2;
const ID_BYTES = 32;

/** Bytes of a FORWARD before its payload: the kind, and who gets it, or whom it came from. */
export const HEADER_BYTES = 33;

/**
 * @typedef {object} RelayClient
 * @property {WebSocket} ws
 * @property {import("node:net").Socket} socket the one below it
 * @property {Buffer} id 32 bytes
 * @property {(frame: Buffer) => void} onFrame is called with every frame after the login
 */

/**
 * Connects; at the relay it logs in as well.
 * @param {"relay" | "bare"} kind
 * @param {string} url
 * @param {string} [localAddress] the source address
 * @returns {Promise<RelayClient>}
 */
export function connect(kind, url, localAddress) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, { perMessageDeflate: false, localAddress });
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    // Not as JWK: on Node 20 that can wait for ever, if the key is a generated one and garbage is collected meanwhile.
    const id = publicKey.export({ format: "der", type: "spki" }).subarray(-ID_BYTES);
    /** @type {RelayClient} */
    const client = { ws, socket: /** @type {any} */ (null), id, onFrame: () => undefined };
    let isOpen = false;
    const open = () => {
      isOpen = true;
      resolve(client);
    };
    ws.on("error", reject);
    ws.on("close", (code, reason) => reject(new Error(`closed with ${code} ${reason}`)));
    ws.once("upgrade", ({ socket }) => {
      client.socket = socket;
    });
    ws.on("open", () => {
      if (kind === "bare") open();
    });
    ws.on("message", (data) => {
      const frame = /** @type {Buffer} */ (data);
      if (isOpen) client.onFrame(frame);
      else if (frame[0] === KIND.CHALLENGE) {
        ws.send(login(id, privateKey, frame.subarray(NONCE_AT), new URL(url).host));
      } else if (frame[0] === KIND.WELCOME) open();
      else reject(new Error(`a frame of kind ${frame[0]} during the login`));
    });
  });
}

/** @param {Buffer} id @param {import("node:crypto").KeyObject} key @param {Buffer} nonce @param {string} authority */
function login(id, key, nonce, authority) {
  const name = Buffer.concat([Buffer.from([authority.length]), Buffer.from(authority)]);
  const signature = sign(null, Buffer.concat([Buffer.from(LOGIN_CONTEXT), nonce, name, id]), key);
  return Buffer.concat([Buffer.from([KIND.LOGIN]), id, signature, name]);
}

/**
 * A frame that the relay hands to `destination`.
 * @param {Buffer} destination 32 bytes
 * @param {number} payloadBytes zeros, for the caller to fill
 */
export function forwardFrame(destination, payloadBytes) {
  const frame = Buffer.alloc(HEADER_BYTES + payloadBytes);
  frame[0] = KIND.FORWARD;
  destination.copy(frame, 1);
  return frame;
}

/** @param {Buffer} frame @returns {Buffer} @throws Error when it is no FORWARD, such as the notice that one was dropped */
export function payloadOf(frame) {
  if (frame[0] !== KIND.FORWARD) throw new Error(`a frame of kind ${frame[0]} where a FORWARD was expected`);
  return frame.subarray(HEADER_BYTES);
}

/** A question that the relay answers at once, and the bare server with itself. */
export function pingFrame() {
  const frame = Buffer.alloc(9);
  frame[0] = KIND.PING;
  return frame;
}
