// TCP: dials raw links, and opens the port that raw links and WebSockets share.

import { connect, isIP, type Socket } from "node:net";
import { NetworkError } from "../core/errors.js";
import { formatEndpoint, parseDialUrl } from "../core/path/dial-url.js";
import type { Link } from "../core/path/link.js";
import type { DialContext, Transport } from "../core/path/transport.js";
import { dialError } from "./error-map.js";
import { openPortListener } from "./port-listener.js";
import { TcpLink } from "./tcp-link.js";
import { type TcpPunchSettings, tcpPunch } from "./tcp-punch.js";

/** How long one address of a name is tried alone before the next joins in, in ms (RFC 8305 §8). */
const HAPPY_EYEBALLS_STAGGER_MS = 250;

export interface TcpTransportOptions {
  /** Whether its port serves WebSocket upgrades too. */
  readonly acceptWebSocket: boolean;
  /** What punching needs. Default: it does not punch. */
  readonly punch?: TcpPunchSettings;
}

/** The `tcp` transport, rank 20. */
export function tcpTransport({ acceptWebSocket, punch }: TcpTransportOptions): Transport {
  return {
    kind: "tcp",
    schemes: ["tcp"],
    rank: 20,
    dial: dialTcp,
    listen: (context) =>
      openPortListener({
        port: context.port,
        host: context.host,
        acceptRaw: true,
        acceptWebSocket,
        onLink: (link) => context.onLink(link),
        onError: (error) => context.onError(error),
      }),
    ...(punch ? { negotiate: tcpPunch(punch) } : {}),
  };
}

/**
 * Opens a raw link to `tcp://host:port`; a name with several addresses is tried over all of them.
 * @throws NetworkError `ERR_ADDRESS_INVALID`, `ERR_PORT_INVALID`, `ERR_DIAL_…`; the signal's reason when it is aborted
 */
export async function dialTcp(url: string, { signal }: DialContext): Promise<Link> {
  signal.throwIfAborted();
  const { scheme, host, port } = parseDialUrl(url);
  if (scheme !== "tcp" || port === null) throw new NetworkError("ERR_ADDRESS_INVALID", "expected tcp://host:port");
  const socket: Socket = connect({
    host,
    port,
    noDelay: true,
    // Only a name can have several addresses.
    ...(isIP(host) === 0 ? { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: HAPPY_EYEBALLS_STAGGER_MS } : {}),
  });
  return new Promise<Link>((resolve, reject) => {
    const onAbort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const onError = (error: Error): void => {
      signal.removeEventListener("abort", onAbort);
      reject(dialError(error, formatEndpoint(host, port)));
    };
    socket.on("error", onError);
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.pause();
      const link = new TcpLink(socket);
      // Only now: an error without a listener ends the process, and the link has one of its own.
      socket.removeListener("error", onError);
      resolve(link);
    });
  });
}
