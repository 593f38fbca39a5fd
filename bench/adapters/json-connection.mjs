// Objects for systems that carry bytes: JSON, as their users write it.

/** @typedef {import("../lib/types.js").Connection} Connection */

/**
 * @param {Connection} inner carries texts, or bytes
 * @param {{ text: boolean }} takes whether `inner.send` takes a string
 * @returns {Connection}
 */
export function jsonConnection(inner, { text }) {
  /** @type {Connection} */
  const connection = {
    send: text ? (message) => inner.send(JSON.stringify(message)) : (message) => inner.send(Buffer.from(JSON.stringify(message))),
    ready: () => inner.ready(),
    onMessage: () => undefined,
    close: () => inner.close(),
  };
  inner.onMessage = (bytes) => connection.onMessage(JSON.parse(asText(bytes)));
  return connection;
}

/** @param {Uint8Array} bytes */
function asText(bytes) {
  return (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)).toString();
}
