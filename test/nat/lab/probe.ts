// Plain sockets on a host of the laboratory: probe.mjs, as a test sees it.

import { fileURLToPath } from "node:url";
import type { Lab } from "./lab.js";
import type { Program } from "./program.js";
import type { HostName } from "./topology.js";

const FILE = fileURLToPath(new URL("./probe.mjs", import.meta.url));

/** An address and a port, as `192.0.2.1:8080`. */
export type Endpoint = string;

/** @returns what `node:net` and `node:dgram` take */
export function splitEndpoint(endpoint: Endpoint): { address: string; port: number } {
  const [address = "", port] = endpoint.split(":");
  return { address, port: Number(port) };
}

/** A UDP socket in a namespace. */
export class ProbeSocket {
  readonly port: number;
  readonly #program: Program;
  readonly #socket: number;

  constructor(program: Program, socket: number, port: number) {
    this.#program = program;
    this.#socket = socket;
    this.port = port;
  }

  /** @returns when it was sent, in ms */
  async send(to: Endpoint, text: string, ttl = 64): Promise<number> {
    const sent = await this.#program.request<{ at: number }>("udpSend", {
      socket: this.#socket,
      ...splitEndpoint(to),
      text,
      ttl,
    });
    return sent.at;
  }

  /** Waits for a datagram with this text. @returns where it came from, and when */
  async receive(text: string, timeoutMs = 5_000): Promise<{ from: Endpoint; at: number }> {
    const event = await this.#program.waitFor((one) => one.socket === this.#socket && one.text === text, timeoutMs);
    return { from: String(event.from), at: Number(event.at) };
  }

  /** Texts received so far, in order. */
  get received(): string[] {
    return this.#program.events
      .filter((one) => one.event === "datagram" && one.socket === this.#socket)
      .map((one) => String(one.text));
  }

  /**
   * Asks a socket that echoes where we seem to be.
   * @returns our endpoint as it is seen there, and the round trip in ms
   */
  async ask(echo: Endpoint): Promise<{ seen: Endpoint; ms: number }> {
    const at = await this.send(echo, "where am I?");
    const matches = (one: { [key: string]: unknown }): boolean =>
      one.socket === this.#socket && one.from === echo && Number(one.at) > at;
    const event = await this.#program.waitFor(matches, 5_000);
    return { seen: String(event.text), ms: Number(event.at) - at };
  }
}

/** The sockets of one host. */
export class Probe {
  readonly program: Program;

  private constructor(program: Program) {
    this.program = program;
  }

  static async start(lab: Lab, host: HostName | "relay"): Promise<Probe> {
    return new Probe(await lab.start(host, FILE));
  }

  /** @param options - `echo`: answers each datagram with the endpoint it came from, and tells nothing */
  async udp(options: { port?: number; address?: string; echo?: boolean } = {}): Promise<ProbeSocket> {
    const { socket, port } = await this.program.request<{ socket: number; port: number }>("udpOpen", options);
    return new ProbeSocket(this.program, socket, port);
  }

  /** Listens, and writes to each caller where it seems to be. */
  async listen(port: number, address?: string): Promise<void> {
    await this.program.request("tcpListen", { port, address });
  }

  /**
   * Connects by TCP and stays connected.
   * @returns what the other side wrote first
   * @throws when it is refused, or not there in time
   */
  connect(
    to: Endpoint,
    options: { localPort?: number; localAddress?: string; timeoutMs?: number; expectsText?: boolean } = {},
  ): Promise<Connected> {
    return this.program.request<Connected>("tcpConnect", { ...splitEndpoint(to), ...options });
  }

  /** Where those came from that connected to a port. */
  callers(port: number): Endpoint[] {
    return this.program.events.filter((one) => one.event === "accepted" && one.port === port).map((one) => String(one.from));
  }
}

export interface Connected {
  readonly seen: Endpoint;
  readonly localPort: number;
  /** Until it was connected: a round trip. */
  readonly ms: number;
}
