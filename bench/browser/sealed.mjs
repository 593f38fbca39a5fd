// The floor at the Node end: `ws` with each message sealed and opened by `node:crypto`, as page/sealed.js does it in a page.

import { createCipheriv, createDecipheriv } from "node:crypto";
import { createAdapter as createWs } from "../adapters/ws.mjs";

/** @typedef {import("../lib/types.js").Connection} Connection */

const CIPHER = "chacha20-poly1305";
/** What is known to both ends here: a yardstick, not a protocol. */
const KEY = Buffer.alloc(32, 7);
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const OPTIONS = { authTagLength: TAG_BYTES };

function counter() {
  const nonce = Buffer.alloc(NONCE_BYTES);
  let count = 0;
  return () => {
    nonce.writeUInt32BE(count++);
    return nonce;
  };
}

/** @param {Connection} inner @returns {Connection} */
function sealed(inner) {
  const txNonce = counter();
  const rxNonce = counter();
  /** @type {Connection} */
  const connection = {
    send(message) {
      // What `inner` does not take would be sealed twice.
      if (waits) return false;
      const cipher = createCipheriv(CIPHER, KEY, txNonce(), OPTIONS);
      const text = cipher.update(message);
      cipher.final();
      const frame = Buffer.concat([text, cipher.getAuthTag()]);
      if (!inner.send(frame)) waits = frame;
      return true;
    },
    async ready() {
      while (waits) {
        await inner.ready();
        if (waits && inner.send(waits)) waits = null;
      }
    },
    onMessage: () => undefined,
    close: () => inner.close(),
  };
  /** @type {Buffer | null} */
  let waits = null;
  inner.onMessage = (/** @type {Buffer} */ frame) => {
    const cipher = createDecipheriv(CIPHER, KEY, rxNonce(), OPTIONS);
    cipher.setAuthTag(frame.subarray(-TAG_BYTES));
    const message = cipher.update(frame.subarray(0, -TAG_BYTES));
    cipher.final();
    connection.onMessage(message);
  };
  return connection;
}

/** @returns {import("../lib/types.js").Adapter} */
export function createAdapter() {
  const ws = createWs();
  return {
    listen: (purpose, onConnection) => ws.listen(purpose, (connection) => onConnection(sealed(connection))),
    createDialer: async (purpose, address) => {
      const dialer = await ws.createDialer(purpose, address);
      return { dial: async () => sealed(await dialer.dial()), close: () => dialer.close() };
    },
  };
}
