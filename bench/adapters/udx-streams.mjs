// Streams of udx between two processes: each side has to know the other's stream id, which two datagrams tell.

import Library from "udx-native";

/** @type {any} The types that the sources have cover what they need. */
const UDX = Library;

const HOST = "127.0.0.1";
/** A datagram may be lost; the same question again gets the same answer. */
const ASK_AGAIN_MS = 200;

/**
 * @param {(stream: any) => void} onStream
 * @returns {Promise<{ address: number, close: () => void }>}
 */
export async function listenUdx(onStream) {
  const udx = new UDX();
  const socket = udx.createSocket();
  let lastId = 0;
  /** @type {Map<string, number>} by the port and the stream of the other side */
  const known = new Map();
  socket.on("message", (/** @type {Buffer} */ message, /** @type {{ port: number }} */ { port }) => {
    const remoteId = message.readUInt32BE(0);
    const key = `${port} ${remoteId}`;
    let id = known.get(key);
    if (id === undefined) {
      id = ++lastId;
      known.set(key, id);
      const stream = udx.createStream(id);
      stream.connect(socket, remoteId, port, HOST);
      stream.once("close", () => known.delete(key));
      onStream(stream);
    }
    const answer = Buffer.alloc(8);
    answer.writeUInt32BE(remoteId, 0);
    answer.writeUInt32BE(id, 4);
    void socket.send(answer, port, HOST);
  });
  socket.bind(0, HOST);
  return { address: socket.address().port, close: () => void socket.close() };
}

/** @param {number} port of the listening side */
export async function connectUdx(port) {
  const udx = new UDX();
  const socket = udx.createSocket();
  socket.bind(0, HOST);
  let lastId = 0;
  /** @type {Map<number, (remoteId: number) => void>} */
  const asked = new Map();
  socket.on("message", (/** @type {Buffer} */ message) => asked.get(message.readUInt32BE(0))?.(message.readUInt32BE(4)));
  return {
    async open() {
      const id = ++lastId;
      const question = Buffer.alloc(4);
      question.writeUInt32BE(id);
      const ask = () => void socket.send(question, port, HOST);
      const stream = udx.createStream(id);
      const timer = setInterval(ask, ASK_AGAIN_MS);
      const remoteId = await new Promise((resolve) => {
        asked.set(id, resolve);
        ask();
      });
      clearInterval(timer);
      asked.delete(id);
      stream.connect(socket, remoteId, port, HOST);
      return stream;
    },
    close: () => void socket.close(),
  };
}
