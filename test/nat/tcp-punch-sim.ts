// TCP in the simulated internet, as far as punching needs it: three ways to open a connection, and all the ways to miss one.

import type { Link } from "../../src/core/path/link.js";
import type { Endpoint } from "../../src/nat/datagram-port.js";
import type { DialFailure, PunchPort } from "../../src/nat/tcp-punch-port.js";
import type { LinkStream } from "../../src/node/tcp-punch.js";
import type { KeptSocket, TcpStunBinding } from "../../src/node/tcp-punch-origin.js";
import type { SimHost, SimInternet, SimPort } from "../sim/internet.js";

type Segment =
  | { readonly kind: "syn"; readonly seq: number }
  | { readonly kind: "syn-ack"; readonly seq: number; readonly ack: number }
  | { readonly kind: "ack"; readonly ack: number }
  | { readonly kind: "data"; readonly bytes: readonly number[] }
  | { readonly kind: "fin" }
  | { readonly kind: "rst" };

/** When a SYN is sent again, after the first one (RFC 6298 §2.1, doubled each time). */
const SYN_AGAIN_MS = [1_000, 3_000, 7_000];

let lastSequence = 0;

/** One connection, or the wish for one. */
export class SimSocket implements LinkStream, KeptSocket {
  state: "syn-sent" | "syn-received" | "open" | "closed" = "syn-sent";
  readonly sequence = ++lastSequence;
  readonly written: number[] = [];
  /** What was read by whoever took the stream over. */
  readonly taken: number[] = [];
  opened: () => void = () => undefined;
  failed: (why: DialFailure) => void = () => undefined;
  #early: Uint8Array[] = [];
  #data: ((bytes: Uint8Array) => void) | null = null;
  #ended: (() => void) | null = null;
  #isLink = false;

  constructor(
    readonly remote: Endpoint,
    readonly localPort: number,
    private readonly stack: SimTcp,
  ) {}

  send(segment: Segment): void {
    this.stack.send(this.localPort, this.remote, segment);
  }

  write(bytes: Uint8Array): void {
    if (this.state !== "open") return;
    this.written.push(...bytes);
    this.send({ kind: "data", bytes: [...bytes] });
  }

  read(data: (bytes: Uint8Array) => void, ended: () => void): void {
    this.#data = data;
    this.#ended = ended;
    for (const bytes of this.#early.splice(0)) data(bytes);
    if (this.state === "closed") ended();
  }

  release(rest: Uint8Array): void {
    this.#data = null;
    this.#ended = null;
    this.taken.push(...rest);
  }

  destroy(): void {
    this.#data = null;
    this.#ended = null;
    const wasOpen = this.state === "open" || this.state === "syn-received";
    this.close();
    if (wasOpen) this.send({ kind: "fin" });
  }

  /** The stream, in the clothes of a link. */
  link(): Link {
    this.#isLink = true;
    return { kind: "tcp", remoteAddress: null, close: () => this.destroy(), stream: this } as unknown as Link;
  }

  close(): void {
    this.state = "closed";
    this.stack.forget(this);
  }

  receive(segment: Segment): void {
    switch (segment.kind) {
      case "syn":
        // Crossed with ours: simultaneous open. Where it is a new one of somebody who gave an older one up, ours ends too.
        if (this.state === "syn-sent") this.state = "syn-received";
        else return this.#broken(true);
        this.send({ kind: "syn-ack", seq: this.sequence, ack: segment.seq });
        return;
      case "syn-ack":
        if (segment.ack !== this.sequence || this.state === "open") return this.#broken(true);
        if (this.state === "syn-sent") this.send({ kind: "ack", ack: segment.seq });
        return this.#open();
      case "ack":
        if (segment.ack !== this.sequence) return this.#broken(true);
        return this.#open();
      case "data": {
        this.#open();
        const bytes = Uint8Array.from(segment.bytes);
        if (this.#isLink) this.taken.push(...bytes);
        else if (this.#data) this.#data(bytes);
        else this.#early.push(bytes);
        return;
      }
      default:
        this.#broken(false);
    }
  }

  #open(): void {
    if (this.state === "open") return;
    this.state = "open";
    this.opened();
  }

  #broken(tell: boolean): void {
    const wasOpen = this.state === "open";
    this.close();
    if (tell) this.send({ kind: "rst" });
    if (wasOpen) this.#ended?.();
    else this.failed("refused");
  }
}

/** The TCP of one machine. */
export class SimTcp {
  readonly #net: SimInternet;
  readonly #host: SimHost;
  readonly #ports = new Map<number, SimPort>();
  readonly #sockets = new Map<string, SimSocket>();
  readonly #listeners = new Map<number, (socket: SimSocket) => void>();
  /** All dials, whatever became of them. */
  readonly dials: (Endpoint & { readonly at: number })[] = [];

  constructor(net: SimInternet, host: SimHost) {
    this.#net = net;
    this.#host = host;
  }

  /** Connections that are open, or about to be. */
  get sockets(): readonly SimSocket[] {
    return [...this.#sockets.values()];
  }

  get listening(): number {
    return this.#listeners.size;
  }

  connect(localPort: number, to: Endpoint, done: (outcome: SimSocket | DialFailure) => void): () => void {
    this.#bind(localPort);
    this.dials.push({ ...to, at: this.#net.clock.now() });
    const socket = new SimSocket(to, localPort, this);
    const key = keyOf(localPort, to);
    let isDone = false;
    const finish = (outcome: SimSocket | DialFailure): void => {
      if (isDone) return;
      isDone = true;
      this.#net.clock.after(0, () => done(outcome));
    };
    if (this.#listeners.has(localPort) || this.#sockets.has(key)) finish("in-use");
    else {
      this.#sockets.set(key, socket);
      socket.opened = () => finish(socket);
      socket.failed = finish;
      const dial = (): void => {
        if (socket.state === "syn-sent") socket.send({ kind: "syn", seq: socket.sequence });
      };
      dial();
      for (const ms of SYN_AGAIN_MS) this.#net.clock.after(ms, dial);
    }
    return () => {
      if (isDone && socket.state === "open") socket.destroy();
      isDone = true;
      socket.destroy();
    };
  }

  listen(localPort: number, accepted: (socket: SimSocket) => void): () => void {
    this.#bind(localPort);
    if (this.#listeners.has(localPort)) throw new Error(`port ${localPort} is listened on already`);
    this.#listeners.set(localPort, accepted);
    return () => {
      this.#listeners.delete(localPort);
    };
  }

  port(localPort: number): PunchPort<SimSocket> {
    return {
      connect: (to, done) => this.connect(localPort, to, done),
      listen: (accepted) => this.listen(localPort, accepted),
    };
  }

  /** Asks a {@link stunServer}. */
  get stunBinding(): TcpStunBinding {
    return ({ host, port, localPort, signal, timeoutMs, clock }) =>
      new Promise((resolve, reject) => {
        const cancel = this.connect(localPort, { host, port }, (outcome) => {
          if (typeof outcome === "string") reject(new Error(outcome));
          else
            outcome.read(
              (bytes) => {
                timer.cancel();
                resolve({ mapped: JSON.parse(new TextDecoder().decode(bytes)), socket: outcome });
              },
              () => reject(new Error("closed")),
            );
        });
        const giveUp = (reason: unknown) => (): void => {
          cancel();
          reject(reason);
        };
        const timer = clock.after(timeoutMs, giveUp(new Error("timeout")));
        signal.addEventListener("abort", () => giveUp(signal.reason)());
      });
  }

  /** Tells everybody who connects where they come from. */
  stunServer(port: number): void {
    this.listen(port, (socket) => socket.write(new TextEncoder().encode(JSON.stringify(socket.remote))));
  }

  send(localPort: number, to: Endpoint, segment: Segment): void {
    this.#ports.get(localPort)?.send(new TextEncoder().encode(JSON.stringify(segment)), to);
  }

  forget(socket: SimSocket): void {
    const key = keyOf(socket.localPort, socket.remote);
    if (this.#sockets.get(key) === socket) this.#sockets.delete(key);
  }

  #bind(localPort: number): void {
    if (this.#ports.has(localPort)) return;
    const port = this.#host.open(localPort);
    port.subscribe((bytes, from) => this.#receive(localPort, from, JSON.parse(new TextDecoder().decode(bytes)) as Segment));
    this.#ports.set(localPort, port);
  }

  #receive(localPort: number, from: Endpoint, segment: Segment): void {
    const socket = this.#sockets.get(keyOf(localPort, from));
    const accepted = this.#listeners.get(localPort);
    if (socket) socket.receive(segment);
    else if (segment.kind === "syn" && accepted) {
      const inbound = new SimSocket(from, localPort, this);
      this.#sockets.set(keyOf(localPort, from), inbound);
      inbound.opened = () => {
        if (this.#listeners.get(localPort) === accepted) accepted(inbound);
        else inbound.destroy();
      };
      inbound.receive(segment);
    } else if (segment.kind !== "rst") this.send(localPort, from, { kind: "rst" });
  }
}

function keyOf(localPort: number, { host, port }: Endpoint): string {
  return `${localPort} ${host}#${port}`;
}
