// A data channel as a connection: filled up to a mark, and filled again when the browser says that it is low.

/** @typedef {import("./main.js").Connection} Connection */

const HIGH_WATER_BYTES = 1024 * 1024;
const LOW_WATER_BYTES = 256 * 1024;

/**
 * @param {RTCDataChannel} channel
 * @param {(message: Uint8Array<ArrayBuffer>) => void} [send] where a library has one of its own
 * @returns {Connection}
 */
export function channelConnection(channel, send = (message) => channel.send(message)) {
  channel.bufferedAmountLowThreshold = LOW_WATER_BYTES;
  return {
    send(message) {
      if (channel.bufferedAmount >= HIGH_WATER_BYTES) return false;
      send(message);
      return true;
    },
    ready: () =>
      new Promise((resolve) => {
        if (channel.bufferedAmount < HIGH_WATER_BYTES) resolve();
        else channel.addEventListener("bufferedamountlow", () => resolve(), { once: true });
      }),
    onMessage: () => undefined,
  };
}
