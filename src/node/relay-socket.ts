// A WebSocket to a relay, in Node.

import type WebSocket from "ws";
import { NetworkError } from "../core/errors.js";
import type { RelaySocket, RelaySocketHandlers } from "../core/runtime.js";
import { plainBytes } from "./tcp-link.js";
import { openWebSocket } from "./websocket-transport.js";

/** Largest message from a relay, in bytes: a 64 KiB payload and its header, with room to spare. */
const MAX_RELAY_MESSAGE_BYTES = 128 * 1024;

/** How long `close` waits for what is queued, in ms. */
const CLOSE_DEADLINE_MS = 1_000;

/** RFC 6455 §7.4.1: data of a kind that we do not take. */
const UNSUPPORTED_DATA = 1003;

/**
 * Opens a WebSocket to a relay.
 * @throws NetworkError `ERR_RELAY_UNAVAILABLE` with the reason as its cause; the signal's reason when it is aborted
 */
export async function openRelaySocket(url: string, handlers: RelaySocketHandlers, signal: AbortSignal): Promise<RelaySocket> {
  const socket = await openWebSocket(url, MAX_RELAY_MESSAGE_BYTES, signal).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new NetworkError("ERR_RELAY_UNAVAILABLE", error instanceof Error ? error.message : String(error), { cause: error });
  });
  socket.binaryType = "nodebuffer";
  socket.on("message", (data, isBinary) => {
    if (socket.readyState !== socket.OPEN) return;
    if (isBinary) handlers.frame(plainBytes(data as Buffer));
    else close(socket, UNSUPPORTED_DATA);
  });
  socket.once("close", (code, reason) => handlers.closed(code, reason.toString("utf8")));
  // Not before the caller holds the socket that the first frame is to be answered on.
  setImmediate(() => socket.resume());
  return {
    send(frame) {
      if (socket.readyState === socket.OPEN) socket.send(frame, { binary: true });
    },
    close: () => close(socket, 1000),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
  };
}

function close(socket: WebSocket, code: number): void {
  if (socket.readyState !== socket.OPEN) return;
  socket.resume();
  socket.close(code);
  setTimeout(() => socket.terminate(), CLOSE_DEADLINE_MS).unref();
}
