// WebSocket links from Node, to peers and to relays alike.

import WebSocket from "ws";
import { NetworkError } from "../core/errors.js";
import { parseDialUrl } from "../core/path/dial-url.js";
import type { Link } from "../core/path/link.js";
import type { DialContext, Transport } from "../core/path/transport.js";
import { dialError } from "./error-map.js";
import { openPortListener } from "./port-listener.js";
import { WEBSOCKET_LIMITS, WebSocketLink } from "./websocket-link.js";

/** Longest that an upgrade may take, in ms, if the caller sets no shorter deadline. */
const UPGRADE_TIMEOUT_MS = 10_000;

/**
 * The `websocket` transport, rank 30.
 * @param ownPort - whether it opens the port itself, because the TCP transport is left out
 */
export function websocketTransport({ ownPort }: { readonly ownPort: boolean }): Transport {
  const transport: Transport = { kind: "websocket", schemes: ["ws", "wss"], rank: 30, dial: dialWebSocket };
  if (!ownPort) return transport;
  return {
    ...transport,
    listen: (context) =>
      openPortListener({
        port: context.port,
        host: context.host,
        acceptRaw: false,
        acceptWebSocket: true,
        onLink: (link) => context.onLink(link),
        onError: (error) => context.onError(error),
      }),
  };
}

/**
 * Opens a link to `ws://host:port` or `wss://host`.
 * @throws NetworkError `ERR_ADDRESS_INVALID`, `ERR_PORT_INVALID`, `ERR_DIAL_…`; the signal's reason when it is aborted
 */
export async function dialWebSocket(url: string, { signal }: DialContext): Promise<Link> {
  return new WebSocketLink(await openWebSocket(url, WEBSOCKET_LIMITS.maxPayload, signal), url);
}

/**
 * Opens a WebSocket and gives it back paused, so that nothing is missed before somebody listens.
 * @param maxPayload - largest message that is accepted, in bytes
 * @throws NetworkError as {@link dialWebSocket} does
 */
export async function openWebSocket(url: string, maxPayload: number, signal: AbortSignal): Promise<WebSocket> {
  signal.throwIfAborted();
  const { scheme } = parseDialUrl(url);
  if (scheme !== "ws" && scheme !== "wss") throw new NetworkError("ERR_ADDRESS_INVALID", "expected ws:// or wss://");
  const socket = connectWebSocket(url, maxPayload);
  return new Promise<WebSocket>((resolve, reject) => {
    const onAbort = (): void => {
      socket.terminate();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    // Stays for the socket's whole life: an error without a listener ends the process.
    socket.on("error", (error) => {
      signal.removeEventListener("abort", onAbort);
      reject(dialError(error, url));
    });
    socket.once("open", () => {
      signal.removeEventListener("abort", onAbort);
      socket.pause();
      resolve(socket);
    });
  });
}

function connectWebSocket(url: string, maxPayload: number): WebSocket {
  try {
    return new WebSocket(url, { ...WEBSOCKET_LIMITS, maxPayload, handshakeTimeout: UPGRADE_TIMEOUT_MS, followRedirects: false });
  } catch (cause) {
    throw new NetworkError("ERR_ADDRESS_INVALID", "not a WebSocket URL", { cause });
  }
}
