// WebSocket links from a page: it can dial, and nobody can dial it.

import { NetworkError } from "../core/errors.js";
import { parseDialUrl } from "../core/path/dial-url.js";
import { isLoopback } from "../core/path/ip-address.js";
import type { Link } from "../core/path/link.js";
import type { DialContext, Transport } from "../core/path/transport.js";
import type { Clock } from "../core/runtime.js";
import { WebSocketLink } from "./websocket-link.js";

/** The `websocket` transport, rank 30. */
export function websocketTransport(clock: Clock): Transport {
  return { kind: "websocket", schemes: ["ws", "wss"], rank: 30, dial: (url, context) => dialWebSocket(url, context, clock) };
}

/**
 * Opens a link to `ws://host:port` or `wss://host`.
 * @throws NetworkError `ERR_ADDRESS_INVALID`, `ERR_PORT_INVALID`, `ERR_DIAL_FORBIDDEN`, `ERR_DIAL_FAILED`; the signal's reason when it is aborted
 */
export async function dialWebSocket(url: string, { signal }: DialContext, clock: Clock): Promise<Link> {
  return new WebSocketLink(await openWebSocket(url, signal), clock);
}

/**
 * Opens a WebSocket. A browser does not tell a page why one failed, so the error lists what to look at.
 * @throws NetworkError as {@link dialWebSocket} does
 */
export async function openWebSocket(url: string, signal: AbortSignal): Promise<WebSocket> {
  signal.throwIfAborted();
  const { scheme, host } = parseDialUrl(url);
  if (scheme !== "ws" && scheme !== "wss") throw new NetworkError("ERR_ADDRESS_INVALID", "expected ws:// or wss://");
  const socket = connect(url);
  socket.binaryType = "arraybuffer";
  return new Promise<WebSocket>((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason);
      socket.close();
    };
    // The listeners stay until others take their place; what comes after the first outcome changes nothing.
    const onFailure = (): void => {
      signal.removeEventListener("abort", onAbort);
      // Mixed content: the browser does not even try, and does not say so (W3C Mixed Content §4.4); the loopback is exempt.
      const mixed = scheme === "ws" && globalThis.location?.protocol === "https:" && host !== "localhost" && !isLoopback(host);
      if (mixed) reject(new NetworkError("ERR_DIAL_FORBIDDEN"));
      else
        reject(new NetworkError("ERR_DIAL_FAILED", `${url}: no WebSocket answered; is it running and reachable from this page?`));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.onopen = () => {
      signal.removeEventListener("abort", onAbort);
      resolve(socket);
    };
    socket.onerror = onFailure;
    socket.onclose = onFailure;
  });
}

function connect(url: string): WebSocket {
  try {
    return new WebSocket(url);
  } catch (cause) {
    const isForbidden = (cause as { name?: unknown } | null)?.name === "SecurityError";
    if (isForbidden) throw new NetworkError("ERR_DIAL_FORBIDDEN", undefined, { cause });
    throw new NetworkError("ERR_DIAL_FAILED", "the browser does not take this address", { cause });
  }
}
