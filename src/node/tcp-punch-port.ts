// The sockets of TCP punching: many from one explicit local port. Node sets SO_REUSEADDR on them, as a bound port is used again and
// again while other connections of it are open; but never while something listens on it.

import { connect, createServer, type Socket } from "node:net";
import { unmapAddress } from "../core/path/ip-address.js";
import type { Link } from "../core/path/link.js";
import type { Clock, Random } from "../core/runtime.js";
import type { Endpoint } from "../nat/datagram-port.js";
import type { DialFailure, PunchPort } from "../nat/tcp-punch-port.js";
import { listenError } from "./error-map.js";
import { localAddresses } from "./local-addresses.js";
import { plainBytes, TcpLink } from "./tcp-link.js";
import type { LinkStream, TcpPunchSettings } from "./tcp-punch.js";
import { tcpStunBinding } from "./tcp-stun.js";

/** Below the ranges from which Linux (from 32 768) and other systems (from 49 152) take ports of their own accord. */
const FIRST_PORT = 20_000;
const PORTS = 12_768;
/** Ports that are tried before we give up. */
const MAX_PORT_TRIES = 8;

const FAILURES: Readonly<Record<string, DialFailure>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRINUSE: "in-use",
  // The four numbers of a connection are in use: one that has ended still lingers.
  EADDRNOTAVAIL: "in-use",
};

/**
 * Picks a local port at random that nobody uses now.
 * @throws NetworkError `ERR_LISTEN_…`
 */
export async function freeTcpPort(random: Random): Promise<number> {
  for (let tries = 1; ; tries++) {
    const [high = 0, low = 0] = random.bytes(2);
    const port = FIRST_PORT + ((high * 256 + low) % PORTS);
    try {
      await tryPort(port);
      return port;
    } catch (error) {
      const failure = listenError(error, port);
      if (failure.code !== "ERR_LISTEN_IN_USE" || tries === MAX_PORT_TRIES) throw failure;
    }
  }
}

// Listening is what fails when anybody uses the port at all, whichever way.
function tryPort(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port, exclusive: true }, () => server.close(() => resolve()));
  });
}

/** What punching needs, from Node. */
export function nodeTcpPunch(clock: Clock, random: Random): TcpPunchSettings {
  return {
    clock,
    random,
    localAddresses,
    stunBinding: tcpStunBinding,
    freePort: () => freeTcpPort(random),
    openPort: openPunchPort,
  };
}

/** @param ipv6 - the own address that IPv6 is dialled from; `null` for whichever the system chooses */
export function openPunchPort(port: number, ipv6: string | null): PunchPort<LinkStream> {
  return {
    connect: (to, done) => dial(port, to.host.includes(":") ? ipv6 : null, to, done),
    listen: (accepted, failed) => {
      const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => accepted(new PunchedSocket(socket)));
      let isClosed = false;
      server.on("error", () => {
        if (!isClosed) failed();
      });
      server.listen({ port, exclusive: true });
      return () => {
        isClosed = true;
        server.close();
      };
    },
  };
}

function dial(
  localPort: number,
  localAddress: string | null,
  { host, port }: Endpoint,
  done: (outcome: LinkStream | DialFailure) => void,
): () => void {
  const socket = connect({ host, port, localPort, noDelay: true, ...(localAddress === null ? {} : { localAddress }) });
  let isDone = false;
  const finish = (outcome: LinkStream | DialFailure): void => {
    if (isDone) return;
    isDone = true;
    done(outcome);
  };
  // Stays for the socket's whole life: an error without a listener ends the process.
  socket.on("error", (error: NodeJS.ErrnoException) => finish(FAILURES[error.code ?? ""] ?? "failed"));
  socket.once("connect", () => {
    if (isDone) return;
    socket.pause();
    finish(new PunchedSocket(socket));
  });
  return () => {
    isDone = true;
    socket.destroy();
  };
}

class PunchedSocket implements LinkStream {
  readonly remote: Endpoint;
  readonly #socket: Socket;
  #data: ((chunk: Buffer) => void) | null = null;
  #ended: (() => void) | null = null;

  /** @param socket - connected and paused */
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    this.remote = { host: unmapAddress(socket.remoteAddress ?? ""), port: socket.remotePort ?? 0 };
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  read(data: (bytes: Uint8Array) => void, ended: () => void): void {
    this.#data = (chunk) => data(plainBytes(chunk));
    this.#ended = () => {
      this.#forget();
      ended();
    };
    this.#socket.on("data", this.#data).once("end", this.#ended).once("close", this.#ended);
    this.#socket.resume();
  }

  release(rest: Uint8Array): void {
    this.#forget();
    this.#socket.pause();
    if (rest.length > 0) this.#socket.unshift(rest);
  }

  destroy(): void {
    this.#forget();
    // By a reset: after a farewell the kernel would keep the four numbers of the connection for a minute, and no dial could use them.
    this.#socket.resetAndDestroy();
  }

  link(): Link {
    return new TcpLink(this.#socket);
  }

  #forget(): void {
    if (this.#data) this.#socket.removeListener("data", this.#data);
    if (this.#ended) this.#socket.removeListener("end", this.#ended).removeListener("close", this.#ended);
  }
}
