// Stands before a relay, passes each WebSocket message on and keeps a copy: what is not in these copies, the relay never saw.

import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";

/** @typedef {{ connection: number, direction: "in" | "out", data: Buffer }} RecordedFrame `in` is towards the relay */

/** Copies of all WebSocket messages, and a search over them. */
export class RelayRecorder {
  /** @type {RecordedFrame[]} */
  #frames = [];
  #connections = 0;
  #upstream;

  /** @param {string} upstream URL of the relay */
  constructor(upstream) {
    this.#upstream = upstream;
  }

  /** @returns {import("node:http").Server} speaks WebSocket on every path; not listening yet */
  createServer() {
    const http = createServer((_request, response) => response.writeHead(426).end());
    const server = new WebSocketServer({ server: http, maxPayload: 1024 * 1024, perMessageDeflate: false });
    server.on("connection", (client, request) => this.#pass(client, request));
    return http;
  }

  /**
   * @param {WebSocket} client
   * @param {import("node:http").IncomingMessage} request
   */
  #pass(client, request) {
    const connection = ++this.#connections;
    const { origin, host = "" } = request.headers;
    const relay = new WebSocket(new URL(request.url ?? "/", this.#upstream), client.protocol || [], {
      headers: { host },
      ...(origin === undefined ? {} : { origin }),
      perMessageDeflate: false,
    });
    /** @type {[Buffer, boolean][]} */
    const waiting = [];
    client.on("message", (data, isBinary) => {
      const bytes = this.#keep(connection, "in", data);
      if (relay.readyState === WebSocket.OPEN) relay.send(bytes, { binary: isBinary });
      else waiting.push([bytes, isBinary]);
    });
    relay.on("open", () => {
      for (const [bytes, isBinary] of waiting.splice(0)) relay.send(bytes, { binary: isBinary });
    });
    relay.on("message", (data, isBinary) => client.send(this.#keep(connection, "out", data), { binary: isBinary }));
    for (const [from, to] of [
      [client, relay],
      [relay, client],
    ]) {
      from?.on("error", () => to?.terminate());
      from?.on("close", (code, reason) => {
        // 1005 and 1006 say that there was no close frame; they must not be sent (RFC 6455 §7.4.1).
        if (code === 1005 || code === 1006) to?.terminate();
        else to?.close(code, reason);
      });
    }
  }

  /**
   * @param {number} connection
   * @param {"in" | "out"} direction
   * @param {import("ws").RawData} data
   */
  #keep(connection, direction, data) {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(/** @type {Buffer} */ (data));
    this.#frames.push({ connection, direction, data: bytes });
    return bytes;
  }

  /**
   * Looks for a text or other bytes as they are, in UTF-16, hexadecimal and base64, also where they are cut by the end of a frame.
   * @param {Buffer} wanted at least 8 bytes, or base64 finds things by chance
   * @returns {{ frames: number, bytes: number, hits: number }} `hits` counts streams and encodings
   */
  search(wanted) {
    /** @type {Map<string, Buffer[]>} */
    const streams = new Map();
    let bytes = 0;
    for (const { connection, direction, data } of this.#frames) {
      const key = `${connection} ${direction}`;
      const stream = streams.get(key);
      if (stream) stream.push(data);
      else streams.set(key, [data]);
      bytes += data.length;
    }
    const needles = wanted.length === 0 ? [] : encodingsOf(wanted);
    let hits = 0;
    for (const parts of streams.values()) {
      const stream = Buffer.concat(parts);
      for (const needle of needles) if (stream.includes(needle)) hits += 1;
    }
    return { frames: this.#frames.length, bytes, hits };
  }
}

/**
 * @param {Buffer} wanted
 * @returns {Buffer[]}
 */
function encodingsOf(wanted) {
  const utf16 = Buffer.from(wanted.toString("utf8"), "utf16le");
  const encodings = [wanted, utf16, Buffer.from(utf16).swap16(), Buffer.from(wanted.toString("hex"))];
  for (const shift of [0, 1, 2]) {
    // The middle of the base64 text depends on nothing but the bytes and where they begin, modulo three.
    const inside = Buffer.concat([Buffer.alloc(shift), wanted])
      .toString("base64")
      .slice(shift === 0 ? 0 : 4, -4);
    encodings.push(Buffer.from(inside));
  }
  return encodings;
}

/**
 * @param {RelayRecorder} recorder
 * @returns {import("node:http").Server} `POST /search` with bytes gives the answer of {@link RelayRecorder.search} as JSON
 */
export function createControlServer(recorder) {
  return createServer(async (request, response) => {
    if (request.method !== "POST") return response.writeHead(200, { "content-type": "text/plain" }).end("ready\n");
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    response.writeHead(200, { "content-type": "application/json" });
    return response.end(JSON.stringify(recorder.search(Buffer.concat(chunks))));
  });
}
