// A bare WebSocket to a Node process. There is no event for "sent", so a full one is looked at again and again.

const HIGH_WATER_BYTES = 4 * 1024 * 1024;
const LOW_WATER_BYTES = 1024 * 1024;
/** Browsers make 4 ms of it. */
const LOOK_MS = 1;

/** @param {import("./main.js").Task} task */
export async function open({ url = "" }) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  /** @type {import("./main.js").Connection} */
  const connection = {
    send(message) {
      if (socket.bufferedAmount >= HIGH_WATER_BYTES) return false;
      socket.send(message);
      return true;
    },
    async ready() {
      while (socket.bufferedAmount > LOW_WATER_BYTES) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    },
    onMessage: () => undefined,
  };
  socket.onmessage = ({ data }) => connection.onMessage(new Uint8Array(data));
  const connected = new Promise((resolve, reject) => {
    socket.onopen = () => resolve(connection);
    socket.onerror = () => reject(new Error("the WebSocket did not open"));
  });
  return { connected };
}
