// The process in the middle: our relay, or a bare `ws` server that hands each message to the other one of two sockets.

import { setTimeout as sleep } from "node:timers/promises";
import { WebSocketServer } from "ws";
import { loadRelay } from "../lib/linknet.mjs";

/** A client may send as much as it can: rates are for strangers. The checks themselves stay, and cost what they cost. */
const RELAY_LIMITS = {
  queueFrames: 2_048,
  framesPerSecond: 10_000_000,
  framesBurst: 10_000_000,
  bytesPerSecond: 102_400 * 1024 * 1024,
  bytesBurst: 102_400 * 1024 * 1024,
  newConnectionsPerSource: 1_000_000,
};
const COLLECT_TIMES = 4;
const COLLECT_PAUSE_MS = 150;

let cpu = process.cpuUsage();

/**
 * @param {"relay" | "bare"} kind
 * @param {{ dist?: string, connections?: number }} options
 * @returns {Promise<string>} the URL to dial
 */
export async function listen(kind, { dist, connections = 100 }) {
  if (kind === "bare") return listenBare();
  const { createRelay } = await loadRelay(dist);
  const limits = { ...RELAY_LIMITS, connections };
  return (await createRelay({ port: 0, host: "0.0.0.0", publicUrls: [], stunPort: false, limits })).url;
}

/** What it does for two clients is all that a relay has to do; more of them it answers, each with its own message. */
function listenBare() {
  const server = new WebSocketServer({ port: 0, host: "0.0.0.0", perMessageDeflate: false });
  /** @type {import("ws").WebSocket | null} */
  let waiting = null;
  server.on("connection", (socket, request) => {
    socket.on("error", () => socket.terminate());
    if (request.url === "/echo") socket.on("message", (message) => socket.send(message));
    else if (waiting) {
      join(waiting, socket);
      join(socket, waiting);
      waiting = null;
    } else waiting = socket;
  });
  return new Promise((resolve) => {
    server.once("listening", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      resolve(`ws://localhost:${port}`);
    });
  });
}

/** @param {import("ws").WebSocket} from @param {import("ws").WebSocket} to */
function join(from, to) {
  from.on("message", (message) => to.send(message));
}

/** From here on the CPU time counts. */
export function beginCpu() {
  cpu = process.cpuUsage();
}

/** @returns {number} CPU seconds of this process since then */
export function endCpu() {
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / 1e6;
}

/** @returns {Promise<number>} bytes of memory that the system counts as ours, after collections */
export async function residentBytes() {
  for (let i = 0; i < COLLECT_TIMES; i++) {
    globalThis.gc?.();
    await sleep(COLLECT_PAUSE_MS);
  }
  return process.memoryUsage.rss();
}
