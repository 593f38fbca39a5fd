// A WebSocket to a relay, in a browser.

import { NetworkError } from "../core/errors.js";
import type { RelaySocket, RelaySocketHandlers } from "../core/runtime.js";
import { openWebSocket } from "./websocket-transport.js";

/** Largest message from a relay, in bytes. */
const MAX_RELAY_MESSAGE_BYTES = 128 * 1024;

/** A close code of our own, as a page may send only 1000 and 3000 to 4999 (WebSockets §3.1). */
const REFUSED = 4003;

/**
 * Opens a WebSocket to a relay.
 * @throws NetworkError `ERR_RELAY_UNAVAILABLE` with the reason as its cause; the signal's reason when it is aborted
 */
export async function openRelaySocket(url: string, handlers: RelaySocketHandlers, signal: AbortSignal): Promise<RelaySocket> {
  const socket = await openWebSocket(url, signal).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new NetworkError("ERR_RELAY_UNAVAILABLE", error instanceof Error ? error.message : String(error), { cause: error });
  });
  socket.onmessage = ({ data }) => {
    if (socket.readyState !== 1) return;
    if (data instanceof ArrayBuffer && data.byteLength <= MAX_RELAY_MESSAGE_BYTES) handlers.frame(new Uint8Array(data));
    else socket.close(REFUSED);
  };
  socket.onclose = ({ code, reason }) => handlers.closed(code, reason);
  return {
    send(frame) {
      if (socket.readyState === 1) socket.send(frame as Uint8Array<ArrayBuffer>);
    },
    close() {
      socket.close(1000);
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
  };
}
