// The relay's own TCP port: the first bytes tell STUN from HTTP, and the connection goes to whom it is meant for.

import { createServer, type Server, type Socket } from "node:net";
import { beginsWithStun } from "../nat/stun-stream.js";
import { toListenError } from "./listen-error.js";

/** How long who is late has to take the end of the connection, in ms. */
const FAREWELL_MS = 1_000;
const TIMEOUT_RESPONSE = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

export interface FrontDoorOptions {
  /** Connections at the same time, of all kinds; further ones are closed at once. */
  readonly maxConnections: number;
  /** From the connection to a WebSocket or to STUN, absolute, in ms, however the bytes trickle in; then the connection is ended. */
  readonly deadlineMs: number;
  /** Counts a connection, before it says anything. @returns whether it may stay */
  admit(socket: Socket): boolean;
  /** A connection that was counted is gone, whatever it had become. */
  gone(socket: Socket): void;
  /** Takes a connection that says anything but STUN. What was read follows. */
  http(socket: Socket): void;
  /** Takes a connection that began with STUN. What was read follows. `null` where STUN is off. */
  readonly stun: ((socket: Socket) => void) | null;
  error(error: Error): void;
}

/** A listening port. */
export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #server: Server;
  /** Connections that are neither WebSockets nor STUN yet, plain HTTP among them. */
  readonly #pending = new Map<Socket, NodeJS.Timeout>();
  readonly #speaksHttp = new WeakSet<Socket>();
  /** One for all sockets: most of them are idle clients, and what each of them holds counts. */
  readonly #closed: (this: Socket) => void;

  constructor(options: FrontDoorOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = options.maxConnections;
    const door = this;
    this.#closed = function (this: Socket) {
      door.#forget(this);
      options.gone(this);
    };
  }

  /** The TCP port; 0 when it does not listen. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  /** @throws NetworkError `ERR_LISTEN_IN_USE`, `ERR_LISTEN_FAILED` */
  open(port: number, host: string | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onError = (error: Error): void => reject(toListenError(error, `TCP port ${port}`));
      this.#server.once("error", onError);
      this.#server.listen({ port, host }, () => {
        this.#server.off("error", onError);
        this.#server.on("error", (error) => this.#options.error(error));
        resolve();
      });
    });
  }

  /** The connection has become a WebSocket: it has deadlines of its own now, and a listener for errors. */
  release(socket: Socket): void {
    this.#forget(socket);
    socket.off("error", ignore);
  }

  /** Accepts nobody any more. Resolves when every connection that came in here is gone. */
  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  /** Destroys what has found no owner. */
  destroyPending(): void {
    for (const socket of [...this.#pending.keys()]) socket.destroy();
  }

  #accept(socket: Socket): void {
    // Without this listener a reset would end the process.
    socket.on("error", ignore);
    socket.on("close", this.#closed);
    if (!this.#options.admit(socket)) {
      socket.destroy();
      return;
    }
    this.#setDeadline(socket, this.#options.deadlineMs, () => this.#dismiss(socket));
    this.#sniff(socket);
  }

  #forget(socket: Socket): void {
    clearTimeout(this.#pending.get(socket));
    this.#pending.delete(socket);
    this.#speaksHttp.delete(socket);
  }

  #setDeadline(socket: Socket, ms: number, late: () => void): void {
    clearTimeout(this.#pending.get(socket));
    this.#pending.set(socket, setTimeout(late, ms).unref());
  }

  /** HTTP gets an answer, and time to read it: what is destroyed while the other side sends is reset. */
  #dismiss(socket: Socket): void {
    if (!this.#speaksHttp.has(socket) || !socket.writable) {
      socket.destroy();
      return;
    }
    socket.end(TIMEOUT_RESPONSE);
    this.#setDeadline(socket, FAREWELL_MS, () => socket.destroy());
  }

  #sniff(socket: Socket): void {
    const { stun, http } = this.#options;
    let bytes: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const isStun = stun !== null && beginsWithStun(bytes);
      if (isStun === null) return;
      socket.off("data", onData);
      socket.pause();
      if (isStun) {
        this.#forget(socket);
        stun?.(socket);
      } else {
        this.#speaksHttp.add(socket);
        http(socket);
      }
      socket.unshift(bytes);
      socket.resume();
    };
    socket.on("data", onData);
  }
}

/** What fails is closed, and that is enough. */
function ignore(): void {}
