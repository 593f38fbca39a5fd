// A UDP socket of UDX as the rules of punching want it: the same one carries STUN, probes and, later, the stream.

import type { UdxSocket } from "udx-native";
import type { DatagramPort, Endpoint } from "../nat/datagram-port.js";
import { canonicalHost } from "../nat/endpoint.js";

type Receive = (datagram: Uint8Array, from: Endpoint) => void;

export class UdpPort implements DatagramPort {
  readonly socket: UdxSocket;
  readonly port: number;
  readonly #receivers = new Set<Receive>();
  #closed: Promise<void> | null = null;

  /** @param socket - bound; it belongs to the port from here on */
  constructor(socket: UdxSocket) {
    this.socket = socket;
    this.port = socket.address()?.port ?? 0;
    socket.on("message", (datagram, from) => {
      const host = canonicalHost(from.host.split("%")[0] as string);
      if (host === null || from.port === 0) return;
      for (const receive of [...this.#receivers]) receive(datagram, { host, port: from.port });
    });
  }

  send(datagram: Uint8Array, to: Endpoint, ttl?: number): void {
    if (this.#closed) return;
    try {
      this.socket.trySend(datagram, to.port, to.host, ttl);
    } catch {
      // An address that this machine cannot send to is one that does not answer.
    }
  }

  subscribe(receive: Receive): () => void {
    this.#receivers.add(receive);
    return () => this.#receivers.delete(receive);
  }

  /** Streams that run over the socket go on; it closes with the last of them. */
  close(): void {
    this.#receivers.clear();
    this.#closed ??= this.socket.close();
  }
}
