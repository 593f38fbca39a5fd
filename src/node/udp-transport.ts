// UDP: one socket for STUN, punching and the streams of UDX. It dials nothing: paths by UDP are made by both sides together.

import type UDX from "udx-native";
import type { UdxSocket } from "udx-native";
import { NetworkError } from "../core/errors.js";
import type { NatSummary } from "../core/explain/report.js";
import type { Link } from "../core/path/link.js";
import type { ListenContext, Listener, NegotiateContext, Negotiation, Transport } from "../core/path/transport.js";
import type { Clock, CryptoProvider, Random } from "../core/runtime.js";
import { BirthdayGate } from "../nat/birthday-gate.js";
import { MAX_CANDIDATES } from "../nat/candidate.js";
import type { Endpoint } from "../nat/datagram-port.js";
import { type Punched, type PunchTools, punch } from "../nat/punch.js";
import { nodeClock } from "./clock.js";
import { NatMemory } from "./nat-memory.js";
import { UdpLink } from "./udp-link.js";
import { UdpPort } from "./udp-port.js";

/** What the transport is given. */
export interface UdpSettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: CryptoProvider;
  /** Addresses of this machine, as of now. */
  localAddresses(): readonly string[];
  /** Where the gateway lets others in at this port, beside our own addresses. Default: nowhere. */
  mappedEndpoints?(port: number): readonly Endpoint[];
  /** Brings UDX. @throws when it is not installed */
  loadUdx(): Promise<typeof UDX>;
}

/** Of this process, however many managers it has. */
const birthdays = new BirthdayGate(nodeClock);

/** The `udp` transport, rank 25. Without `udx-native` it is there and can do nothing. */
export class UdpTransport implements Transport {
  readonly kind = "udp";
  readonly schemes: readonly string[] = [];
  readonly rank = 25;
  readonly #settings: UdpSettings;
  readonly #nat: NatMemory;
  #udx: UDX | null = null;
  #port: UdpPort | null = null;
  #host: string | undefined;
  #problem: NetworkError | null = null;

  constructor(settings: UdpSettings) {
    this.#settings = settings;
    this.#nat = new NatMemory(settings);
  }

  /** There once the socket is open. */
  get negotiate(): ((context: NegotiateContext) => Negotiation) | undefined {
    return this.#port ? (context) => this.#negotiate(context) : undefined;
  }

  /** Why there is no UDP; known once somebody has started. */
  get problem(): NetworkError | null {
    return this.#problem;
  }

  /** There once the socket is open. */
  get examine(): ((stunServers: readonly string[], signal: AbortSignal) => Promise<NatSummary | null>) | undefined {
    const port = this.#port;
    return port ? (stunServers, signal) => this.#examine(port, stunServers, signal) : undefined;
  }

  async listen({ port, host }: ListenContext): Promise<Listener> {
    let Library: typeof UDX;
    try {
      Library = await this.#settings.loadUdx();
    } catch (cause) {
      this.#problem = new NetworkError("ERR_UDP_UNAVAILABLE", undefined, { cause });
      return NOTHING;
    }
    this.#udx = new Library();
    this.#host = host;
    const open = new UdpPort(this.#bind(port));
    this.#port = open;
    return {
      port: open.port,
      addresses: () => [],
      mappable: { protocol: "udp", schemes: [] },
      close: async () => {
        if (this.#port === open) this.#port = null;
        open.close();
      },
    };
  }

  // On the number of the TCP port, if nobody else has it; no address of ours names the UDP port, so any other does as well.
  #bind(port: number): UdxSocket {
    const udx = this.#udx as UDX;
    for (const number of port === 0 ? [0] : [port, 0]) {
      const socket = udx.createSocket();
      try {
        socket.bind(number, this.#host);
        return socket;
      } catch (cause) {
        void socket.close();
        if (number === 0) throw new NetworkError("ERR_LISTEN_FAILED", "UDP", { cause });
      }
    }
    throw new NetworkError("ERR_LISTEN_FAILED", "UDP");
  }

  // A socket of its own for the filtering: what our own has sent opened the NAT for it.
  async #examine(port: UdpPort, stunServers: readonly string[], signal: AbortSignal): Promise<NatSummary | null> {
    const fresh = new UdpPort(this.#bind(0));
    try {
      return await this.#nat.examine(port, fresh, stunServers, signal);
    } finally {
      fresh.close();
    }
  }

  #negotiate(context: NegotiateContext): Negotiation {
    const port = this.#port;
    if (!port) return { link: Promise.reject(new NetworkError("ERR_UDP_UNAVAILABLE")), receiveSignal: () => undefined };
    const punching = punch(context, this.#tools(port));
    const link = punching.result.then((punched) => this.#link(punched));
    link.catch(() => undefined);
    return { link, receiveSignal: (value) => punching.receiveSignal(value) };
  }

  #tools(port: UdpPort): PunchTools {
    const { clock, random, crypto } = this.#settings;
    const sha256 = crypto.hash("SHA256");
    return {
      clock,
      random,
      hmac: (key, data) => sha256.hmac(key, data),
      port,
      hosts: this.#hosts(port.port),
      openPort: async () => new UdpPort(this.#bind(0)),
      natView: (servers, signal) => this.#nat.view(port, servers, signal),
      mappedOf: (fresh, servers, signal) => this.#nat.mappedOf(fresh, servers, signal),
      enterBirthday: () => birthdays.enter(),
    };
  }

  #hosts(port: number): Endpoint[] {
    const family = this.#port?.socket.address()?.family;
    const bound = this.#host === undefined || this.#host === "::" || this.#host === "0.0.0.0" ? null : this.#host;
    const hosts = bound === null ? this.#settings.localAddresses() : [bound];
    const own = hosts.filter((host) => family === 6 || !host.includes(":")).map((host) => ({ host, port }));
    const mapped = this.#settings.mappedEndpoints?.(port) ?? [];
    return [...own.slice(0, MAX_CANDIDATES - mapped.length), ...mapped];
  }

  #link({ port, remote, ownStream, remoteStream }: Punched): Link {
    const udpPort = port as UdpPort;
    const stream = (this.#udx as UDX).createStream(ownStream);
    stream.connect(udpPort.socket, remoteStream, remote.port, remote.host);
    return new UdpLink(stream, remote, () => {
      if (udpPort !== this.#port) udpPort.close();
    });
  }
}

const NOTHING: Listener = { port: null, addresses: () => [], close: async () => undefined };
