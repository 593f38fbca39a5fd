// A whole network in one process: real managers with real cryptography on virtual time, joined by links in memory.

import { NetworkError } from "../../src/core/errors.js";
import type { ConnectionStatus } from "../../src/core/events.js";
import { CoreNetworkManager } from "../../src/core/network-manager.js";
import type { NetworkManagerOptions } from "../../src/core/options.js";
import type { Link } from "../../src/core/path/link.js";
import type { Transport } from "../../src/core/path/transport.js";
import type { CryptoProvider, Millis, Runtime } from "../../src/core/runtime.js";
import { nodeProvider } from "../crypto/providers.js";
import { run } from "./flush.js";
import { MemoryWire, type WireOptions } from "./memory-link.js";
import { SeededRandom } from "./seeded-random.js";
import { SimProcess } from "./sim-process.js";
import { SimRelay } from "./sim-relay.js";
import { VirtualClock } from "./virtual-clock.js";

/** One kind of link that the network has. Its scheme is its kind: `near://10.0.0.1:1000`. */
export interface SimKind extends WireOptions {
  readonly kind: string;
  readonly rank: number;
}

/** What a node can do with each kind of link. Default: everything. */
export interface SimAbilities {
  readonly listen?: readonly string[];
  readonly dial?: readonly string[];
}

export interface SimWire {
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly wire: MemoryWire;
}

/** A manager, and what its callbacks were told. */
export class SimNode {
  readonly name: string;
  /** What the manager runs in; it can be frozen. */
  readonly process: SimProcess;
  readonly manager: CoreNetworkManager;
  readonly statuses: ConnectionStatus[] = [];
  readonly paths: string[] = [];
  readonly messages: unknown[] = [];
  readonly errors: NetworkError[] = [];
  networkChanged: () => void = () => {};

  constructor(name: string, process: SimProcess, manager: (node: SimNode) => CoreNetworkManager) {
    this.name = name;
    this.process = process;
    this.manager = manager(this);
    this.manager.setConnectionCallback((_peerId, status) => this.statuses.push(status));
    this.manager.setMessageCallback((message) => this.messages.push(message.payload));
    this.manager.setErrorCallback((error) => this.errors.push(error));
    this.manager.on("path", ({ path }) => this.paths.push(path));
  }
}

export class SimNetwork {
  readonly clock = new VirtualClock();
  /** For nodes that are given any URL in `relays`. */
  readonly relay = new SimRelay(this.clock, 30);
  readonly wires: SimWire[] = [];
  /** Kinds that lead nowhere at the moment. */
  readonly down = new Set<string>();
  /** Dials that were begun, by kind. */
  readonly dials: { readonly kind: string; readonly from: string; readonly at: Millis }[] = [];
  readonly #kinds: readonly SimKind[];
  readonly #crypto: CryptoProvider;
  readonly #listening = new Map<string, { readonly name: string; readonly accept: (link: Link) => void }>();
  #nodes = 0;

  /** @param crypto - of all nodes */
  constructor(kinds: readonly SimKind[], crypto: CryptoProvider = nodeProvider) {
    this.#kinds = kinds;
    this.#crypto = crypto;
  }

  /** Makes a node and starts it. Its addresses are `kind://10.0.0.N:1000`, counted from 1. */
  async node(name: string, abilities: SimAbilities = {}, options: NetworkManagerOptions = {}): Promise<SimNode> {
    const number = ++this.#nodes;
    const random = new SeededRandom(1000 + number);
    const node = new SimNode(name, new SimProcess(this.clock), (self) => {
      const runtime: Runtime = {
        name: "node",
        clock: self.process.clock,
        random,
        crypto: this.#crypto,
        transports: this.#kinds.map((kind) => this.#transport(kind, self, number, abilities)),
        openRelaySocket: (_url, handlers) => this.relay.open(handlers, name),
        localAddresses: () => [],
        onNetworkChange: (callback) => {
          self.networkChanged = callback;
          return () => {};
        },
        maxConnections: 300,
      };
      return new CoreNetworkManager(options, runtime);
    });
    const started = node.manager.start();
    if (options.relays) await this.run(500);
    await started;
    return node;
  }

  /** Wires that are alive. */
  get open(): readonly SimWire[] {
    return this.wires.filter(({ wire }) => !wire.ended);
  }

  run(ms: Millis): Promise<void> {
    return run(this.clock, ms);
  }

  #transport(kind: SimKind, { name, process }: SimNode, number: number, abilities: SimAbilities): Transport {
    const address = `${kind.kind}://10.0.0.${number}:1000`;
    const canListen = abilities.listen?.includes(kind.kind) ?? true;
    const canDial = abilities.dial?.includes(kind.kind) ?? true;
    return {
      kind: kind.kind,
      schemes: [kind.kind],
      rank: kind.rank,
      ...(canDial ? { dial: (url) => this.#dial(kind, url, name, process) } : {}),
      ...(canListen
        ? {
            listen: async ({ onLink }) => {
              this.#listening.set(address, { name, accept: (link) => process.arrive(() => onLink(process.link(link))) });
              return {
                port: null,
                addresses: () => [address],
                close: async () => {
                  this.#listening.delete(address);
                },
              };
            },
          }
        : {}),
    };
  }

  async #dial(kind: SimKind, url: string, from: string, process: SimProcess): Promise<Link> {
    this.dials.push({ kind: kind.kind, from, at: this.clock.now() });
    const target = this.#listening.get(url);
    await new Promise<void>((resolve) => this.clock.after(2 * (kind.delayMs ?? 1), () => process.arrive(resolve)));
    if (!target || this.down.has(kind.kind)) throw new NetworkError("ERR_DIAL_REFUSED");
    const wire = new MemoryWire(this.clock, kind);
    this.wires.push({ kind: kind.kind, from, to: target.name, wire });
    target.accept(wire.accepting);
    return process.link(wire.dialling);
  }
}
