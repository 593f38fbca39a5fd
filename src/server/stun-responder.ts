// Answers STUN Binding requests on UDP, so that clients learn their public address. With a second address of this machine it also
// answers from elsewhere than where it was asked, so that they learn how their NAT filters (RFC 5780). Keeps nothing of them.

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { NetworkError } from "../core/errors.js";
import type { Endpoint } from "../nat/datagram-port.js";
import { toStunEndpoint } from "../nat/endpoint.js";
import type { StunEndpoint } from "../nat/stun-message.js";
import { toListenError } from "./listen-error.js";
import { answerStun, type StunAlternate } from "./stun-answer.js";
import type { StunRate } from "./stun-rate.js";

/** How often a free port is looked for that both addresses have. */
const PORT_TRIES = 8;

/** What {@link StunResponder.open} takes. */
export interface StunResponderOptions {
  /** UDP port; 0 for any. */
  readonly port: number;
  /** Address to bind; `undefined` for all, IPv4 and IPv6. */
  readonly host: string | undefined;
  /** Answers of all sockets together: with CHANGE-REQUEST one source could use all of them. */
  readonly rate: StunRate;
  /** A second address of the same family, and a second port for both; 0 for any. Then `host` must be an address as well. */
  readonly alternate?: Endpoint | undefined;
}

/** One socket, or the four of two addresses and two ports. */
export class StunResponder {
  /** Where clients ask first. */
  readonly port: number;
  /** The second address with the second port; `null` without. */
  readonly alternate: Endpoint | null;
  /** By address, then by port. */
  readonly #sockets: readonly (readonly Socket[])[];
  readonly #rate: StunRate;

  private constructor(sockets: readonly (readonly Socket[])[], rate: StunRate) {
    const [[main] = [], [, other] = []] = sockets;
    this.port = main?.address().port ?? 0;
    this.alternate = other ? { host: other.address().address, port: other.address().port } : null;
    this.#sockets = sockets;
    this.#rate = rate;
    for (const [address, ports] of sockets.entries()) {
      for (const [port, socket] of ports.entries()) {
        const alternate = this.#alternate(address, port);
        socket.on("message", (datagram, from) => this.#message(socket, datagram, from, alternate));
        // ICMP errors of earlier answers come up here; there is nobody to tell.
        socket.on("error", () => {});
      }
    }
  }

  /** @throws NetworkError `ERR_LISTEN_IN_USE`, `ERR_LISTEN_FAILED` */
  static async open({ host, port, rate, alternate }: StunResponderOptions): Promise<StunResponder> {
    if (host === undefined || !alternate) return new StunResponder([[await bindOne(host, port)]], rate);
    const hosts = [host, alternate.host] as const;
    const first = await bindBoth(hosts, port);
    try {
      const second = await bindBoth(hosts, alternate.port);
      return new StunResponder(
        [0, 1].map((at) => [first[at] as Socket, second[at] as Socket]),
        rate,
      );
    } catch (error) {
      await closeAll(first);
      throw error;
    }
  }

  close(): Promise<void> {
    return closeAll(this.#sockets.flat());
  }

  #message(socket: Socket, datagram: Buffer, from: RemoteInfo, alternate: Alternate | undefined): void {
    const source = toStunEndpoint({ host: from.address, port: from.port });
    if (!source || from.port === 0 || !this.#rate.allow(from.address)) return;
    const reply = answerStun(datagram, source, alternate);
    if (reply) (alternate?.socket(reply.change) ?? socket).send(reply.bytes, from.port, from.address, () => {});
  }

  /** What answers know of the second address, seen from one socket. */
  #alternate(address: number, port: number): Alternate | undefined {
    if (this.#sockets.length < 2) return undefined;
    const socketAt = (changesAddress: boolean, changesPort: boolean): Socket =>
      this.#sockets[changesAddress ? 1 - address : address]?.[changesPort ? 1 - port : port] as Socket;
    const socket: Alternate["socket"] = (change) => socketAt(change.address, change.port);
    return { other: endpointOf(socketAt(true, true)), origin: (change) => endpointOf(socket(change)), socket };
  }
}

/** With the socket that answers. */
interface Alternate extends StunAlternate {
  socket(change: { readonly address: boolean; readonly port: boolean }): Socket;
}

function endpointOf(socket: Socket): StunEndpoint {
  const { address, port } = socket.address();
  return toStunEndpoint({ host: address, port }) as StunEndpoint;
}

async function bindOne(host: string | undefined, port: number): Promise<Socket> {
  if (host !== undefined && !isIPv6(host)) return bind("udp4", host, port);
  try {
    return await bind("udp6", host, port);
  } catch (error) {
    // A machine without IPv6: all of its addresses are IPv4.
    const code = (((error as Error).cause ?? {}) as NodeJS.ErrnoException).code;
    if (host !== undefined || (code !== "EAFNOSUPPORT" && code !== "EADDRNOTAVAIL" && code !== "EINVAL")) throw error;
    return bind("udp4", undefined, port);
  }
}

/** The same port on two addresses. */
async function bindBoth(hosts: readonly [string, string], port: number): Promise<[Socket, Socket]> {
  for (let tries = 1; ; tries++) {
    const first = await bindOne(hosts[0], port);
    try {
      return [first, await bindOne(hosts[1], first.address().port)];
    } catch (error) {
      await closeAll([first]);
      const isTaken = error instanceof NetworkError && error.code === "ERR_LISTEN_IN_USE";
      if (port !== 0 || !isTaken || tries === PORT_TRIES) throw error;
    }
  }
}

function bind(family: "udp4" | "udp6", host: string | undefined, port: number): Promise<Socket> {
  const socket = createSocket(family);
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      socket.close();
      reject(toListenError(error, `UDP port ${port}${host === undefined ? "" : ` of ${host}`}`));
    };
    socket.once("error", onError);
    socket.bind(port, host, () => {
      socket.off("error", onError);
      resolve(socket);
    });
  });
}

async function closeAll(sockets: readonly Socket[]): Promise<void> {
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
}
