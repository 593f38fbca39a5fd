// The page's end of a measurement. One function opens the connection of a system, two others are the halves of the workload.

import { open as openLinkNet } from "./linknet.js";
import { open as openPeerJs } from "./peerjs.js";
import { open as openRtc } from "./rtc.js";
import { sealed } from "./sealed.js";
import { open as openSimplePeer } from "./simple-peer.js";
import { receive, send } from "./throughput.js";
import { open as openWebSocket } from "./websocket.js";

/**
 * One connection, as the halves see it; the same as in Node.
 * @typedef {object} Connection
 * @property {(message: Uint8Array<ArrayBuffer>) => boolean} send `false` when it was not taken: `ready`, then send it again
 * @property {() => Promise<void>} ready
 * @property {(message: Uint8Array) => void} onMessage
 */

/**
 * @typedef {object} Task
 * @property {"rtc" | "simple-peer" | "peerjs" | "linknet" | "websocket"} system
 * @property {boolean} initiates whether this page dials; the other end is there already
 * @property {string} [url] of a relay, of a signalling server, or of the other end
 * @property {string} [name] of the connection, where a server needs one
 * @property {string} [path] the kind of path that LinkNet has to be on
 * @property {string} [peerId] whom LinkNet dials over the relay
 * @property {string} [sdk] the folder of the build
 * @property {boolean} [seals] whether each message is sealed on top of the system
 */

/** @type {Record<Task["system"], (task: Task) => Promise<{ id?: string, connected: Promise<Connection> }>>} */
const OPEN = {
  rtc: openRtc,
  "simple-peer": openSimplePeer,
  peerjs: openPeerJs,
  linknet: openLinkNet,
  websocket: openWebSocket,
};

/** @type {Promise<Connection>} */
let connected;

Object.assign(window, {
  bench: {
    /** @param {Task} task @returns {Promise<string | undefined>} what the other end has to know */
    async open(task) {
      const opened = await OPEN[task.system](task);
      connected = task.seals ? opened.connected.then(sealed) : opened.connected;
      return opened.id;
    },
    /** Waits for the connection and answers on it from then on. @param {number} bytes */
    receive: async (bytes) => receive(await connected, bytes),
    /** @param {number} bytes @param {{ warmUpMs: number, measureMs: number }} times */
    send: async (bytes, times) => send(await connected, bytes, times),
  },
});
