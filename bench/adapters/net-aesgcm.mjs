// The floor: `node:net` and AES-256-GCM of `node:crypto`, as many messages in one record as one turn of the event loop brings. No
// acknowledgement, no resumption, no lanes: nothing that is an encrypted connection by these two modules should be faster.
//
// With the setting `resend` it is the floor of a protocol that follows Noise and loses nothing: a record has at most 65,535 bytes
// (Noise §3), and of each message a copy is kept until its arrival is acknowledged. Nothing is ever resent.

import { createCipheriv, createDecipheriv } from "node:crypto";
import { connect, createServer } from "node:net";
import { agreeAsClient, agreeAsServer } from "./aesgcm-handshake.mjs";
import { FrameParser, PREFIX_BYTES } from "./frame-parser.mjs";
import { jsonConnection } from "./json-connection.mjs";
import { listenOn } from "./listen.mjs";

/** @typedef {import("../lib/types.js").Connection} Connection */

/** Most plaintext of a record that is filled by small messages. */
const RECORD_BYTES = 60 * 1024;
/** Longer messages are sealed from where they are, each as a record of its own. */
const COPY_UP_TO = 8 * 1024;
const TAG_BYTES = 16;
/** Most plaintext of a record that follows Noise §3. */
const NOISE_BYTES = 65_535 - TAG_BYTES;
/** After so many bytes the receiver says so, by an empty message. */
const ACK_BYTES = 512 * 1024;

/** The nonce of the n-th record: a counter, as each direction has its key. */
class Nonce {
  bytes = Buffer.alloc(12);
  #count = 0;

  next() {
    this.bytes.writeUIntBE(this.#count++, 6, 6);
    return this.bytes;
  }
}

/** @implements {Connection} */
class SealedConnection {
  /** @param {import("node:net").Socket} socket @param {{ tx: Buffer, rx: Buffer }} keys @param {boolean} resend */
  constructor(socket, { tx, rx }, resend) {
    this.socket = socket;
    this.resend = resend;
    /** What would be sent again. @type {Uint8Array[]} */
    this.kept = [];
    this.receivedBytes = 0;
    this.tx = tx;
    this.rx = rx;
    this.txNonce = new Nonce();
    this.rxNonce = new Nonce();
    /** Filled again and again; there while something waits in it. @type {Buffer | null} */
    this.record = null;
    this.used = 0;
    this.scheduled = false;
    this.full = false;
    /** @type {(() => void)[]} */
    this.waiting = [];
    /** @type {(message: any) => void} */
    this.onMessage = () => undefined;
    this.flush = this.flush.bind(this);
    const records = new FrameParser((record) => this.#open(record));
    const messages = new FrameParser((message) => (resend ? this.#take(message) : this.onMessage(message)));
    this.messages = messages;
    socket.on("data", (chunk) => records.push(chunk));
    socket.on("drain", () => {
      this.full = false;
      for (const resolve of this.waiting.splice(0)) resolve();
    });
    socket.on("error", () => socket.destroy());
  }

  /** @param {Uint8Array | string} message */
  send(message) {
    if (this.full) return false;
    const length = typeof message === "string" ? Buffer.byteLength(message) : message.length;
    if (typeof message !== "string" && length > COPY_UP_TO) {
      this.flush();
      const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
      prefix.writeUInt32BE(length, 0);
      if (!this.resend) {
        this.#seal(prefix, message);
        return true;
      }
      const copy = this.#keep(message);
      const first = NOISE_BYTES - PREFIX_BYTES;
      this.#seal(prefix, copy.subarray(0, first));
      for (let at = first; at < length; at += NOISE_BYTES) this.#seal(copy.subarray(at, at + NOISE_BYTES));
      return true;
    }
    if (this.used + PREFIX_BYTES + length > RECORD_BYTES) {
      this.flush();
      if (this.full) return false;
    }
    this.record ??= Buffer.allocUnsafeSlow(RECORD_BYTES);
    this.record.writeUInt32BE(length, this.used);
    if (typeof message === "string") this.record.write(message, this.used + PREFIX_BYTES);
    else this.record.set(message, this.used + PREFIX_BYTES);
    this.used += PREFIX_BYTES + length;
    if (!this.scheduled) {
      this.scheduled = true;
      process.nextTick(this.flush);
    }
    return true;
  }

  /** @param {Uint8Array} message */
  #keep(message) {
    const copy = Buffer.allocUnsafe(message.length);
    copy.set(message);
    this.kept.push(copy);
    return copy;
  }

  /** @param {Buffer} message */
  #take(message) {
    if (message.length === 0) {
      for (let bytes = 0; bytes < ACK_BYTES && this.kept.length > 0; ) bytes += this.kept.shift()?.length ?? 0;
      return;
    }
    this.receivedBytes += message.length;
    this.onMessage(message);
    if (this.receivedBytes < ACK_BYTES) return;
    this.receivedBytes = 0;
    this.send(EMPTY);
  }

  flush() {
    this.scheduled = false;
    if (this.used === 0 || !this.record) return;
    const filled = this.record.subarray(0, this.used);
    const record = this.resend ? this.#keep(filled) : filled;
    this.used = 0;
    this.#seal(record);
  }

  /** @param {...Uint8Array} parts */
  #seal(...parts) {
    const cipher = createCipheriv("aes-256-gcm", this.tx, this.txNonce.next());
    const sealed = parts.map((part) => cipher.update(part));
    cipher.final();
    const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
    prefix.writeUInt32BE(
      sealed.reduce((sum, part) => sum + part.length, TAG_BYTES),
      0,
    );
    this.socket.cork();
    this.socket.write(prefix);
    for (const part of sealed) this.socket.write(part);
    this.full = !this.socket.write(cipher.getAuthTag());
    this.socket.uncork();
  }

  /** @param {Buffer} record */
  #open(record) {
    const cipher = createDecipheriv("aes-256-gcm", this.rx, this.rxNonce.next());
    const plain = cipher.update(record.subarray(0, -TAG_BYTES));
    cipher.setAuthTag(record.subarray(-TAG_BYTES));
    cipher.final();
    this.messages.push(plain);
  }

  /** @returns {Promise<void>} */
  ready() {
    return this.full ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve();
  }

  close() {
    this.socket.destroy();
  }
}

const EMPTY = new Uint8Array(0);

/**
 * @param {import("../lib/types.js").System} system
 * @returns {import("../lib/types.js").Adapter}
 */
export function createAdapter({ settings = {} }) {
  /** @param {import("node:net").Socket} socket @param {{ tx: Buffer, rx: Buffer }} keys @param {boolean | undefined} objects */
  const wrap = (socket, keys, objects) => {
    const connection = new SealedConnection(socket, keys, settings.resend === "yes");
    return objects ? jsonConnection(connection, { text: true }) : connection;
  };
  return {
    async listen({ objects }, onConnection) {
      const server = createServer({ noDelay: true }, (socket) => {
        agreeAsServer(socket).then(
          (keys) => onConnection(wrap(socket, keys, objects)),
          () => socket.destroy(),
        );
      });
      const port = await listenOn(server);
      return { address: port, close: () => void server.close() };
    },
    createDialer: async ({ objects }, port) => ({
      async dial() {
        const socket = connect({ port: /** @type {number} */ (port), host: "127.0.0.1", noDelay: true });
        return wrap(socket, await agreeAsClient(socket), objects);
      },
      close: () => undefined,
    }),
  };
}
