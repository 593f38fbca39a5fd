// STUN over TCP on the relay's own port (RFC 8489 §6.2.2): a client asks, and keeps the connection while it punches by TCP.

import type { Socket } from "node:net";
import { toStunEndpoint } from "../nat/endpoint.js";
import { StunFramer } from "../nat/stun-stream.js";
import { answerStun } from "./stun-answer.js";
import type { StunRate } from "./stun-rate.js";

/** Requests on one connection; it is closed with the last answer. */
export const STUN_TCP_REQUESTS = 64;

export interface StunConnectionsOptions {
  /** At the same time; the one that is open longest goes for a further one. */
  readonly maxConnections: number;
  /** From one whole request to the next, in ms, however the bytes trickle in. */
  readonly idleMs: number;
  readonly rate: StunRate;
}

/** Every connection that began with STUN. */
export class StunConnections {
  readonly #options: StunConnectionsOptions;
  /** In the order of their coming. */
  readonly #sockets = new Set<Socket>();
  #isClosed = false;

  constructor(options: StunConnectionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Takes a socket over, with what was read from it put back. It must have an `error` listener. */
  accept(socket: Socket): void {
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    if (this.#sockets.size >= this.#options.maxConnections) {
      for (const oldest of this.#sockets) {
        oldest.destroy();
        this.#sockets.delete(oldest);
        break;
      }
    }
    this.#sockets.add(socket);
    const framer = new StunFramer();
    const idle = setTimeout(() => socket.destroy(), this.#options.idleMs);
    idle.unref();
    socket.once("close", () => {
      clearTimeout(idle);
      this.#sockets.delete(socket);
    });
    let left = STUN_TCP_REQUESTS;
    socket.on("data", (chunk) => {
      const requests = cut(framer, chunk);
      if (!requests) socket.destroy();
      for (const request of requests ?? []) {
        if (socket.destroyed || left === 0) return;
        idle.refresh();
        left--;
        this.#answer(socket, request);
        if (left === 0) socket.end(() => socket.destroy());
      }
    });
  }

  /** Destroys all of them, and those that come later. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** CHANGE-REQUEST gets error 420 here: nobody can answer on another connection. */
  #answer(socket: Socket, request: Uint8Array): void {
    const { remoteAddress: host = "", remotePort: port = 0 } = socket;
    const source = toStunEndpoint({ host, port });
    // Unlike a datagram, a connection has an end that can be told to go.
    if (!source || !this.#options.rate.allow(host)) {
      socket.destroy();
      return;
    }
    const reply = answerStun(request, source);
    if (reply) socket.write(reply.bytes);
  }
}

/** @returns `null` when the stream is not STUN any more */
function cut(framer: StunFramer, chunk: Uint8Array): Uint8Array[] | null {
  try {
    return framer.push(chunk);
  } catch {
    return null;
  }
}
