// Two ends of real loopback sockets, and what they saw.

import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import type { NetworkError } from "../../../src/core/errors.js";
import type { Link } from "../../../src/core/path/link.js";
import type { Listener } from "../../../src/core/path/transport.js";
import { openPortListener, type PortListenerOptions } from "../../../src/node/port-listener.js";

/** A link's story, as its owner hears it. */
export class Heard {
  readonly frames: Uint8Array[] = [];
  readonly datagrams: Uint8Array[] = [];
  drains = 0;
  ends = 0;
  readonly closed: Promise<NetworkError | null>;
  readonly #waiting: (() => void)[] = [];

  constructor(readonly link: Link) {
    this.closed = new Promise((resolve) => {
      link.attach({
        frame: (frame) => {
          // Kept beyond this turn, so copied.
          this.frames.push(frame.slice());
          this.#wake();
        },
        datagram: (bytes) => {
          this.datagrams.push(bytes.slice());
          this.#wake();
        },
        drain: () => {
          this.drains++;
          this.#wake();
        },
        closed: (error) => {
          this.ends++;
          resolve(error);
          this.#wake();
        },
      });
    });
  }

  async until(condition: (heard: Heard) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** A listening port and the links that came in. */
export class Port {
  readonly links: Link[] = [];
  readonly errors: unknown[] = [];
  #waiting: (() => void)[] = [];

  private constructor(readonly listener: Listener) {}

  static async open(options: Partial<PortListenerOptions> = {}): Promise<Port> {
    let port: Port | null = null;
    const listener = await openPortListener({
      port: 0,
      host: "127.0.0.1",
      acceptRaw: true,
      acceptWebSocket: true,
      onLink: (link) => {
        if (port) Port.#tell(port, link);
      },
      onError: (error) => port?.errors.push(error),
      ...options,
    });
    port = new Port(listener);
    return port;
  }

  static #tell(port: Port, link: Link): void {
    port.links.push(link);
    for (const wake of port.#waiting.splice(0)) wake();
  }

  get number(): number {
    return this.listener.port as number;
  }

  async nextLink(): Promise<Link> {
    while (this.links.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.links.shift() as Link;
  }

  /** A plain socket to the port, connected. */
  async socket(): Promise<Socket> {
    const socket = createConnection({ port: this.number, host: "127.0.0.1", noDelay: true });
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }
}

/** All that a socket receives until it ends. */
export async function received(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  // Not events.once, which would reject on a reset: how the other side hangs up is its own matter.
  if (!socket.closed) await new Promise<void>((resolve) => socket.on("close", () => resolve()));
  return Buffer.concat(chunks);
}

/** A frame as it goes over TCP. */
export function onTheWire(frame: Uint8Array): Buffer {
  const header = Buffer.alloc(2);
  header.writeUInt16BE(frame.length);
  return Buffer.concat([header, frame]);
}

/** A first frame that the port takes for a raw link. */
export const PREAMBLE = Uint8Array.of(0x4c, 0x4e, 1, 1, 0xaa);

/** Bytes that differ from place to place. */
export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 0xff);
}

export const live = (): { signal: AbortSignal } => ({ signal: new AbortController().signal });
