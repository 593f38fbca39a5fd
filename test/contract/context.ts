// What a scenario of the contract gets: peers of the builds under test, a relay, and how these peers reach each other.

import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import type { NetworkManagerOptions } from "linknet";
import { createRelay, type Relay } from "linknet/relay";
import { type AgentHandle, ContractPeer } from "./contract-peer.js";

export type Build = "node" | "browser";

/** Which builds play Alice, who mostly begins, and Bob, who has an address only where he is Node. Carol is of the same build as Bob. */
export interface Pair {
  readonly a: Build;
  readonly b: Build;
}

/** Where agents come from; one for each way to run the contract. */
export type OpenAgent = (build: Build) => Promise<AgentHandle>;

/** A relay that counts what it forwards. */
export interface CountedRelay {
  readonly url: string;
  readonly port: number;
  forwardedBytes: number;
  close(): Promise<void>;
}

export async function countedRelay(port = 0): Promise<CountedRelay> {
  const counted = { forwardedBytes: 0 };
  const relay: Relay = await createRelay({
    port,
    host: "127.0.0.1",
    stunPort: false,
    onForward: (_sender, _destination, payload) => {
      counted.forwardedBytes += payload.length;
    },
  });
  return Object.assign(counted, { url: relay.url, port: relay.port, close: () => relay.close() });
}

export class ContractContext {
  readonly pair: Pair;
  readonly #openAgent: OpenAgent;
  readonly #peers: ContractPeer[] = [];
  readonly #closers: (() => Promise<unknown>)[] = [];
  #relay: CountedRelay | null = null;

  constructor(pair: Pair, openAgent: OpenAgent) {
    this.pair = pair;
    this.#openAgent = openAgent;
  }

  /** The kind of path on which the two end up. */
  get directPath(): string {
    const { a, b } = this.pair;
    if (a === "node" && b === "node") return "tcp";
    return a === "browser" && b === "browser" ? "webrtc" : "websocket";
  }

  get bobHasAddress(): boolean {
    return this.pair.b === "node";
  }

  async relay(): Promise<CountedRelay> {
    this.#relay ??= await countedRelay();
    return this.#relay;
  }

  /** A peer that is not started. Without `relays` in its options it knows the context's relay. */
  async peer(who: "alice" | "bob" | "carol", options: NetworkManagerOptions = {}): Promise<ContractPeer> {
    const build = who === "alice" ? this.pair.a : this.pair.b;
    const relays = options.relays ?? [(await this.relay()).url];
    const peer = await ContractPeer.create(who, await this.#openAgent(build), { name: who, ...options, relays });
    this.#peers.push(peer);
    return peer;
  }

  async started(who: "alice" | "bob" | "carol", options: NetworkManagerOptions = {}): Promise<ContractPeer> {
    const peer = await this.peer(who, options);
    await peer.call("start");
    return peer;
  }

  /** Connects by the shortest way: to an address where there is one, else through the relay. */
  async connect(from: ContractPeer, to: ContractPeer): Promise<void> {
    const id =
      to.build === "node"
        ? await from.call("connectToPeer", "127.0.0.1", await to.call("getLocalPort"))
        : await from.call("connectToPeer", to.peerId);
    assert.equal(id, to.peerId);
    await to.saw({ from: "event", name: "connection", peerId: from.peerId, status: "connected" });
  }

  /** Alice and Bob, connected. */
  async connected(
    aliceOptions: NetworkManagerOptions = {},
    bobOptions: NetworkManagerOptions = {},
  ): Promise<[ContractPeer, ContractPeer]> {
    const bob = await this.started("bob", bobOptions);
    const alice = await this.started("alice", aliceOptions);
    await this.connect(alice, bob);
    return [alice, bob];
  }

  /** The port of a server that takes connections and says nothing, ever. */
  async silentPort(): Promise<number> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket.on("error", () => undefined).resume()));
    await listen(server);
    this.onEnd(async () => {
      for (const socket of sockets) socket.destroy();
      await closeServer(server);
    });
    return portOf(server);
  }

  /** A port on which nobody listens. */
  async closedPort(): Promise<number> {
    const server = createServer();
    await listen(server);
    const port = portOf(server);
    await closeServer(server);
    return port;
  }

  /** Runs when the scenario is over, whatever its outcome. */
  onEnd(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async end(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.end()));
    await Promise.all(this.#closers.map((close) => close()));
    await this.#relay?.close();
  }

  /** What everybody saw, for a failed test. */
  story(): string {
    return this.#peers.map((peer) => `${peer.label} (${peer.build}) ${peer.peerId.slice(0, 6)}\n${peer.story()}`).join("\n");
  }
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function portOf(server: Server): number {
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("not listening");
  return address.port;
}
