// Asks a STUN server over TCP from an explicit local port (RFC 8489 §6.2.2): the first step of punching by TCP.

import { lookup } from "node:dns/promises";
import { connect, isIP, isIPv6, type Socket } from "node:net";
import { abortable, deadline } from "../core/deadline.js";
import { NetworkError } from "../core/errors.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import type { Clock, Millis, Random } from "../core/runtime.js";
import type { Endpoint } from "../nat/datagram-port.js";
import { canonicalHost } from "../nat/endpoint.js";
import { STUN_TRANSACTION_ID_BYTES } from "../nat/stun-message.js";
import { StunFramer } from "../nat/stun-stream.js";
import { encodeBindingRequest, readBindingAnswer } from "../nat/stun-transaction.js";
import { dialError } from "./error-map.js";

/** From dialling to the answer, in ms: room for two SYNs that are lost, after 1 and 3 s (RFC 6298 §5.7). */
const TCP_STUN_TIMEOUT_MS = 6_000;

/** What {@link tcpStunBinding} takes. */
export interface TcpStunOptions {
  /** The server: a numeric address; of a name, the first address that the system gives. */
  readonly host: string;
  readonly port: number;
  /**
   * The local port whose mapping is wanted; 0 for any. Nothing may listen on it, and it can be shared with others that were bound
   * to it as well: a port that the system chose while connecting cannot.
   */
  readonly localPort: number;
  /** The local address. Default: any. */
  readonly localAddress?: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Gives up when it aborts; the call rejects with its reason. */
  readonly signal?: AbortSignal;
  /** From dialling to the answer, in ms. Default 6 000. */
  readonly timeoutMs?: Millis;
}

/** What a server told us over TCP, and the connection that keeps it true. */
export interface TcpStunBinding {
  /** Our own endpoint, as the server saw it. A hint, as on UDP. */
  readonly mapped: Endpoint;
  /** Our own endpoint, as we see it. */
  readonly local: Endpoint;
  /**
   * Open, and the caller's to close: the NAT keeps the mapping for as long. Its errors are swallowed, and what comes in is dropped;
   * `close` tells when it is gone. The relay ends it after 60 s.
   */
  readonly socket: Socket;
}

/**
 * Connects from a local port, asks for its public endpoint, and leaves the connection open.
 * @throws NetworkError `ERR_DIAL_…` when no connection can be made, `ERR_LISTEN_IN_USE` when the local port is taken,
 * `ERR_STUN_TIMEOUT`, `ERR_STUN_REFUSED` for an error response, `ERR_STUN_MALFORMED` when it is no STUN server, `ERR_CLOSED_ABORTED`
 * when it hangs up
 */
export async function tcpStunBinding(options: TcpStunOptions): Promise<TcpStunBinding> {
  const { host, port, clock, signal, timeoutMs = TCP_STUN_TIMEOUT_MS } = options;
  signal?.throwIfAborted();
  const late = () => new NetworkError("ERR_STUN_TIMEOUT", formatEndpoint(host, port));
  const limit = deadline(clock, timeoutMs, signal, late);
  let socket: Socket | undefined;
  try {
    socket = dial(options, await abortable(addressOf(options), limit.signal));
    return await ask(socket, options, limit.signal);
  } catch (error) {
    socket?.destroy();
    throw error;
  } finally {
    limit.clear();
  }
}

async function addressOf({ host, port, localAddress }: TcpStunOptions): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host, { family: localAddress === undefined ? 0 : isIP(localAddress) })).address;
  } catch (error) {
    throw dialError(error, formatEndpoint(host, port));
  }
}

function dial({ port, localPort, localAddress }: TcpStunOptions, host: string): Socket {
  const anyAddress = isIPv6(host) ? "::" : "0.0.0.0";
  try {
    // With an address it is bound before it connects, and only such a port can be shared.
    return connect({ host, port, localPort, localAddress: localAddress ?? anyAddress, noDelay: true, autoSelectFamily: false });
  } catch (error) {
    throw dialError(error, formatEndpoint(host, port));
  }
}

function ask(socket: Socket, { host, port, localPort, random }: TcpStunOptions, signal: AbortSignal): Promise<TcpStunBinding> {
  const id = random.bytes(STUN_TRANSACTION_ID_BYTES);
  const framer = new StunFramer();
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    // It stays for the socket's whole life: an error without a listener ends the process.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      const inUse = new NetworkError("ERR_LISTEN_IN_USE", `TCP port ${localPort}`, { cause: error });
      reject(isTaken ? inUse : dialError(error, formatEndpoint(host, port)));
    });
    socket.on("close", () => reject(new NetworkError("ERR_CLOSED_ABORTED", "the STUN server hung up")));
    socket.once("connect", () => socket.write(encodeBindingRequest(id)));
    const onData = (chunk: Uint8Array): void => {
      try {
        const server = endpoint(socket.remoteAddress, socket.remotePort);
        const answers = framer.push(chunk).flatMap((message) => readBindingAnswer(message, id, server) ?? []);
        const [answer] = answers;
        if (!answer) return;
        if (answer.kind === "failed") throw answer.error;
        socket.off("data", onData);
        // Without a reader it would not notice its end.
        socket.resume();
        resolve({ mapped: answer.mapped, local: endpoint(socket.localAddress, socket.localPort), socket });
      } catch (error) {
        reject(error);
      }
    };
    socket.on("data", onData);
  });
}

function endpoint(host = "", port = 0): Endpoint {
  return { host: canonicalHost(host.split("%")[0] as string) ?? host, port };
}
