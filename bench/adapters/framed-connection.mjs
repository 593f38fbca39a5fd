// Messages over any Node stream: a length, one write for each message, and `drain` when the stream is full.

import { FrameParser, PREFIX_BYTES } from "./frame-parser.mjs";

/** @typedef {import("../lib/types.js").Connection} Connection */

/** Longer messages are written beside their length, in one `writev`, instead of being copied behind it. */
const COPY_UP_TO = 4_096;

/** @implements {Connection} */
export class FramedConnection {
  /** @param {import("node:stream").Duplex} stream */
  constructor(stream) {
    this.stream = stream;
    this.full = false;
    /** @type {(() => void)[]} */
    this.waiting = [];
    /** @type {(message: any) => void} */
    this.onMessage = () => undefined;
    const parser = new FrameParser((message) => this.onMessage(message));
    stream.on("data", (chunk) => parser.push(chunk));
    stream.on("drain", () => {
      this.full = false;
      for (const resolve of this.waiting.splice(0)) resolve();
    });
    stream.on("error", () => stream.destroy());
  }

  /** @param {Uint8Array | string} message */
  send(message) {
    if (this.full) return false;
    const isText = typeof message === "string";
    const length = isText ? Buffer.byteLength(message) : message.length;
    if (isText || length <= COPY_UP_TO) {
      const frame = Buffer.allocUnsafe(PREFIX_BYTES + length);
      frame.writeUInt32BE(length, 0);
      if (isText) frame.write(message, PREFIX_BYTES);
      else frame.set(message, PREFIX_BYTES);
      this.full = !this.stream.write(frame);
    } else {
      const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
      prefix.writeUInt32BE(length, 0);
      this.stream.cork();
      this.stream.write(prefix);
      this.full = !this.stream.write(message);
      this.stream.uncork();
    }
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
