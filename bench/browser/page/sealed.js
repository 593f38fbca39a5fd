// The floor: any connection, each message sealed and opened by WebCrypto. No acknowledgement, no resumption, no lanes, no handshake:
// nothing that is an encrypted connection by that cipher should be faster.

/** @typedef {import("./main.js").Connection} Connection */

const CIPHER = "ChaCha20-Poly1305";
/** What is known to both ends here: a yardstick, not a protocol. The same as in ../sealed.mjs. */
const KEY = new Uint8Array(32).fill(7);
const NONCE_BYTES = 12;

/** Bytes under way to WebCrypto before `send` says `false`, and those left when it takes more. */
const HIGH_WATER_BYTES = 1024 * 1024;
const LOW_WATER_BYTES = 512 * 1024;

/**
 * Does a work that is begun at once for each message, and hands the results on in their order.
 * @param {(iv: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>) => Promise<ArrayBuffer>} work
 * @param {(result: Uint8Array<ArrayBuffer>) => void | Promise<void>} next
 */
function inOrder(work, next) {
  let count = 0;
  let last = Promise.resolve();
  /** @param {Uint8Array<ArrayBuffer>} message */
  return (message) => {
    const iv = new Uint8Array(NONCE_BYTES);
    new DataView(iv.buffer).setUint32(0, count++);
    const made = work(iv, message);
    const before = last;
    last = made.then(async (result) => {
      await before;
      await next(new Uint8Array(result));
    });
    return last;
  };
}

/** @param {Connection} inner @returns {Promise<Connection>} */
export async function sealed(inner) {
  const { subtle } = crypto;
  // Whatever the types know, Chromium has it.
  const key = await subtle.importKey(/** @type {"raw"} */ ("raw-secret"), KEY, CIPHER, false, ["encrypt", "decrypt"]);
  /** @type {(() => void)[]} */
  let waiting = [];
  let sealing = 0;
  const seal = inOrder(
    (iv, message) => subtle.encrypt({ name: CIPHER, iv }, key, message),
    async (frame) => {
      while (!inner.send(frame)) await inner.ready();
    },
  );
  /** @type {Connection} */
  const connection = {
    send(message) {
      if (sealing >= HIGH_WATER_BYTES) return false;
      sealing += message.length;
      void seal(message).then(() => {
        sealing -= message.length;
        if (sealing > LOW_WATER_BYTES) return;
        for (const resolve of waiting) resolve();
        waiting = [];
      });
      return true;
    },
    ready: () => new Promise((resolve) => (sealing < HIGH_WATER_BYTES ? resolve() : waiting.push(resolve))),
    onMessage: () => undefined,
  };
  const open = inOrder(
    (iv, frame) => subtle.decrypt({ name: CIPHER, iv }, key, frame),
    (message) => connection.onMessage(message),
  );
  inner.onMessage = (frame) => void open(/** @type {Uint8Array<ArrayBuffer>} */ (frame));
  return connection;
}
