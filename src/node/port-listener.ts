// One TCP port for raw links and WebSocket upgrades, told apart by the first bytes.

import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { NetworkError } from "../core/errors.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import type { Link } from "../core/path/link.js";
import type { Listener } from "../core/path/transport.js";
import { listenError } from "./error-map.js";
import { httpUpgrade } from "./http-upgrade.js";
import { localAddresses } from "./local-addresses.js";
import { sniff } from "./sniff.js";
import { TcpLink } from "./tcp-link.js";
import { WebSocketLink } from "./websocket-link.js";

/** Sockets of which it is not known yet what they are. When there are more, the one that hesitated longest goes. */
const MAX_PENDING_SOCKETS = 256;

/** From the accepted socket to a link, absolute, in ms. */
const PENDING_DEADLINE_MS = 10_000;

/** What a port listener is told. */
export interface PortListenerOptions {
  /** 0 for any. */
  readonly port: number;
  /** Address to bind; `undefined` for all. */
  readonly host: string | undefined;
  /** Whether raw TCP links are accepted. */
  readonly acceptRaw: boolean;
  /** Whether WebSocket upgrades are accepted. */
  readonly acceptWebSocket: boolean;
  onLink(link: Link): void;
  onError(error: unknown): void;
  /** From the accepted socket to a link, absolute, in ms. Default 10 000. */
  readonly pendingDeadlineMs?: number;
  /** Most sockets that are neither yet. Default 256. */
  readonly maxPendingSockets?: number;
}

/**
 * Opens the port.
 * @throws NetworkError `ERR_PORT_INVALID`, `ERR_LISTEN_IN_USE`, `ERR_LISTEN_FAILED`
 */
export async function openPortListener(options: PortListenerOptions): Promise<Listener> {
  const { port, host } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new NetworkError("ERR_PORT_INVALID", String(port));
  const listener = new PortListener(options);
  await listener.open();
  return {
    port: listener.bound.port,
    addresses: () => listener.addresses(host),
    mappable: { protocol: "tcp", schemes: listener.schemes },
    close: () => listener.close(),
  };
}

/** An error without a listener ends the process; whoever wants to know of it hears of the end as well. */
const ignore = (): void => undefined;

class PortListener {
  readonly #options: PortListenerOptions;
  readonly #server: Server;
  /** How to let go of each that is neither yet, in the order of their coming. */
  readonly #pending = new Map<Socket, () => void>();
  readonly #http = httpUpgrade((webSocket, raw) => {
    this.#release(raw);
    const remote = raw.remoteAddress === undefined ? null : formatEndpoint(raw.remoteAddress, raw.remotePort ?? 0);
    this.#handOver(new WebSocketLink(webSocket, remote));
  });

  constructor(options: PortListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  open(): Promise<void> {
    const { port, host } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) => reject(listenError(error, port)));
      this.#server.listen({ port, host, exclusive: true }, () => {
        this.#server.removeAllListeners("error");
        this.#server.on("error", (error) => this.#options.onError(error));
        resolve();
      });
    });
  }

  get schemes(): readonly string[] {
    return [...(this.#options.acceptRaw ? ["tcp"] : []), ...(this.#options.acceptWebSocket ? ["ws"] : [])];
  }

  get bound(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  addresses(host: string | undefined): readonly string[] {
    const bound = this.#server.address() as AddressInfo | null;
    if (!bound) return [];
    let hosts: readonly string[] = [bound.address];
    if (host === undefined || bound.address === "::") hosts = localAddresses();
    else if (bound.address === "0.0.0.0") hosts = localAddresses().filter((address) => !address.includes(":"));
    // Without IPv6 on the machine, "all addresses" are those of IPv4.
    if (bound.family === "IPv4") hosts = hosts.filter((address) => !address.includes(":"));
    const endpoints = hosts.map((address) => formatEndpoint(address, bound.port));
    return this.schemes.flatMap((scheme) => endpoints.map((endpoint) => `${scheme}://${endpoint}`));
  }

  /** Links that were handed over stay open, so this does not wait for the server's own "close", which comes after the last of them. */
  async close(): Promise<void> {
    this.#server.close();
    const gone = [...this.#pending.keys()].map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())));
    for (const socket of [...this.#pending.keys()]) socket.destroy();
    await Promise.all(gone);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #accept(socket: Socket): void {
    socket.on("error", ignore);
    if (this.#pending.size >= (this.#options.maxPendingSockets ?? MAX_PENDING_SOCKETS)) {
      // The oldest had its chance: an honest client sends its first bytes at once.
      for (const oldest of this.#pending.keys()) {
        this.#release(oldest);
        oldest.destroy();
        break;
      }
    }
    const deadline = setTimeout(() => socket.destroy(), this.#options.pendingDeadlineMs ?? PENDING_DEADLINE_MS);
    deadline.unref();
    const closed = (): void => this.#release(socket);
    socket.on("close", closed);
    this.#pending.set(socket, () => {
      clearTimeout(deadline);
      socket.removeListener("close", closed);
    });
    this.#sniff(socket);
  }

  #sniff(socket: Socket): void {
    let bytes: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const verdict = sniff(bytes);
      if (verdict === "more") return;
      socket.removeListener("data", onData);
      socket.pause();
      if (verdict === "raw" && this.#options.acceptRaw) {
        socket.unshift(bytes);
        this.#release(socket);
        const link = new TcpLink(socket);
        // It listens itself, for as long as it lives.
        socket.removeListener("error", ignore);
        this.#handOver(link);
      } else if (verdict === "http" && this.#options.acceptWebSocket) {
        this.#http.serve(socket);
        socket.unshift(bytes);
        socket.resume();
      } else {
        socket.destroy();
      }
    };
    socket.on("data", onData);
  }

  #release(socket: Socket): void {
    this.#pending.get(socket)?.();
    this.#pending.delete(socket);
  }

  #handOver(link: Link): void {
    try {
      this.#options.onLink(link);
    } catch (error) {
      link.close();
      this.#options.onError(error);
    }
  }
}
