// An internet in memory: machines, NATs before them, and a core with delay, loss, copies and wrong order, all by seed.

import type { Millis } from "../../src/core/runtime.js";
import type { DatagramPort, Endpoint } from "../../src/nat/datagram-port.js";
import { NAT_PRESETS, type NatKind, type NatRules, SimNat } from "./nat-model.js";
import { SeededRandom } from "./seeded-random.js";
import { VirtualClock } from "./virtual-clock.js";

/** What the core does to datagrams. Tests may change it while it runs. */
export interface Conditions {
  /** One way, through the core, in ms. */
  delayMs: Millis;
  /** Up to so much is added to the delay; the order of one pair of addresses is kept. */
  jitterMs: Millis;
  /** Between two machines on one network, in ms. Nothing is lost there. */
  lanDelayMs: Millis;
  /** Share that is lost, 0 to 1: half of it before the sender's NAT saw it, half behind. */
  loss: number;
  /** Share that arrives twice. */
  duplicate: number;
  /** Share that is overtaken: it takes up to twice the delay more. */
  reorder: number;
  /** Routers between two networks, without those of {@link NatRules.hops}. */
  coreHops: number;
}

const PERFECT: Conditions = { delayMs: 20, jitterMs: 0, lanDelayMs: 1, loss: 0, duplicate: 0, reorder: 0, coreHops: 6 };

/**
 * What became of a datagram. `sent` comes first, for each; the rest says where its way ended: `delivered` to a port, `closed`
 * (no such port there), `lost`, `expired` (no TTL left), `filtered` by the other side's NAT, `blocked` by the own one, `unroutable`.
 */
export type Fate = "sent" | "delivered" | "closed" | "lost" | "expired" | "filtered" | "blocked" | "unroutable";

export interface Sighting {
  readonly fate: Fate;
  readonly at: Millis;
  /** As it was known there: inside before the sender's NAT, outside behind it. */
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: number;
}

/** What one destination was made to bear. */
export interface Traffic {
  /** Datagrams that were sent towards it, whatever became of them. */
  sent: number;
  /** Of these, how many came to the address: to its NAT or to the machine, welcome or not. */
  arrived: number;
  /** Bytes of the latter, without headers. */
  arrivedBytes: number;
}

interface Datagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
  readonly ttl: number;
}

/** Shares from 0 to 1; what happens when one is below that of {@link Conditions}. */
interface Luck {
  readonly loss: number;
  readonly jitter: number;
  readonly duplicate: number;
  readonly reorder: number;
}

/** IPv4's usual first TTL. */
const DEFAULT_TTL = 64;

export class SimInternet {
  readonly clock: VirtualClock;
  readonly conditions: Conditions;
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #hosts: SimHost[] = [];
  readonly #nats: SimNat[] = [];
  readonly #traffic = new Map<string, Map<number, Traffic>>();
  readonly #lastArrival = new Map<string, Millis>();
  readonly #watchers: ((sighting: Sighting) => void)[] = [];

  constructor({ seed = 1, clock = new VirtualClock(), ...conditions }: Partial<Conditions> & InternetOptions = {}) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    this.clock = clock;
    this.conditions = { ...PERFECT, ...conditions };
  }

  /** Puts a NAT there. Its outside address is 198.51.100.N, unless it is given. */
  nat(kind: Exclude<NatKind, "none"> | NatRules, changes: Partial<NatRules> & { readonly publicAddress?: string } = {}): SimNat {
    const { publicAddress = `198.51.100.${this.#nats.length + 1}`, ...rules } = changes;
    const preset = typeof kind === "string" ? NAT_PRESETS[kind] : kind;
    // Its ports come from a generator of their own, so that they do not hang on what the core does to others.
    const random = new SeededRandom(this.#seed * 7919 + this.#nats.length);
    const nat = new SimNat(publicAddress, { ...preset, ...rules }, this.clock, random);
    this.#nats.push(nat);
    return nat;
  }

  /**
   * Puts a machine there: behind a NAT of its own of the given kind, behind a NAT that others may share, or in public.
   * Its address is 203.0.113.N in public and 192.168.N.N behind a NAT, unless it is given.
   */
  host(behind: NatKind | SimNat = "none", addresses: readonly string[] = []): SimHost {
    const nat = typeof behind !== "string" ? behind : behind === "none" ? null : this.nat(behind);
    const number = this.#hosts.length + 1;
    const own = nat ? `192.168.${this.#nats.indexOf(nat)}.${number}` : `203.0.113.${number}`;
    const random = new SeededRandom(this.#seed * 104_729 + number);
    const send = (host: SimHost, datagram: Datagram): void => this.#send(host, datagram);
    const host = new SimHost(addresses.length > 0 ? addresses : [own], nat, random, send);
    this.#hosts.push(host);
    return host;
  }

  /** What was sent through the core towards an address, or one port of it. Traffic inside one network does not count. */
  traffic(host: string, port?: number): Readonly<Traffic> {
    const sum: Traffic = { sent: 0, arrived: 0, arrivedBytes: 0 };
    for (const [at, traffic] of this.#traffic.get(host) ?? []) {
      if (port !== undefined && at !== port) continue;
      sum.sent += traffic.sent;
      sum.arrived += traffic.arrived;
      sum.arrivedBytes += traffic.arrivedBytes;
    }
    return sum;
  }

  /** Calls back with what becomes of each datagram. */
  watch(watcher: (sighting: Sighting) => void): void {
    this.#watchers.push(watcher);
  }

  #send(host: SimHost, datagram: Datagram): void {
    this.#tell("sent", datagram);
    const neighbour = this.#hostAt(datagram.to.host, host.nat);
    if (neighbour && (neighbour === host || host.nat)) {
      this.clock.after(this.conditions.lanDelayMs, () => this.#deliver(neighbour, datagram));
      return;
    }
    // All drawn here and always, so that a seed gives the n-th datagram the same luck whatever became of those before.
    const luck = { loss: this.#share(), jitter: this.#share(), duplicate: this.#share(), reorder: this.#share() };
    if (luck.loss < this.conditions.loss / 2) return this.#tell("lost", datagram);
    const outside = host.nat ? this.#leave(host.nat, datagram) : datagram;
    if (outside) this.#cross(outside, luck);
  }

  /** Through the sender's NAT, which may turn it back to another machine inside. */
  #leave(nat: SimNat, datagram: Datagram): Datagram | null {
    const ttl = datagram.ttl - nat.rules.hops;
    if (ttl <= 0) return this.#end("expired", datagram);
    const from = nat.outbound(datagram.from, datagram.to);
    if (!from) return this.#end("blocked", datagram);
    const outside = { ...datagram, from, ttl };
    if (datagram.to.host !== nat.publicAddress) return outside;
    if (!nat.rules.hairpin) return this.#end("filtered", outside);
    this.clock.after(this.conditions.lanDelayMs, () => this.#enter(nat, outside));
    return null;
  }

  #cross(datagram: Datagram, luck: Luck): void {
    const { delayMs, jitterMs, loss, duplicate, reorder, coreHops } = this.conditions;
    this.#trafficOf(datagram.to).sent++;
    const ttl = datagram.ttl - coreHops;
    if (ttl <= 0) return this.#tell("expired", datagram);
    if (luck.loss < loss) return this.#tell("lost", datagram);
    const now = this.clock.now();
    const pair = `${datagram.from.host} ${datagram.to.host}`;
    let at = now + delayMs + luck.jitter * jitterMs;
    if (luck.reorder < reorder) at += 2 * delayMs * (luck.reorder / reorder);
    else {
      at = Math.max(at, this.#lastArrival.get(pair) ?? 0);
      this.#lastArrival.set(pair, at);
    }
    const arrive = (): void => this.#arrive({ ...datagram, ttl });
    this.clock.after(at - now, arrive);
    if (luck.duplicate < duplicate) this.clock.after(at - now + delayMs * (luck.duplicate / duplicate), arrive);
  }

  #arrive(datagram: Datagram): void {
    const nat = this.#nats.find(({ publicAddress }) => publicAddress === datagram.to.host);
    const host = nat ? null : this.#hostAt(datagram.to.host, null);
    if (!nat && !host) return this.#tell("unroutable", datagram);
    const traffic = this.#trafficOf(datagram.to);
    traffic.arrived++;
    traffic.arrivedBytes += datagram.bytes.length;
    if (nat) this.#enter(nat, datagram);
    else if (host) this.#deliver(host, datagram);
  }

  #enter(nat: SimNat, datagram: Datagram): void {
    if (datagram.ttl <= nat.rules.hops) return this.#tell("expired", datagram);
    const inside = nat.inbound(datagram.from, datagram.to.port);
    if (!inside) return this.#tell("filtered", datagram);
    const host = this.#hostAt(inside.host, nat);
    if (!host) return this.#tell("unroutable", datagram);
    this.#deliver(host, { ...datagram, to: inside });
  }

  #deliver(host: SimHost, datagram: Datagram): void {
    this.#tell(host.receive(datagram.bytes, datagram.from, datagram.to) ? "delivered" : "closed", datagram);
  }

  #hostAt(address: string, nat: SimNat | null): SimHost | undefined {
    return this.#hosts.find((host) => host.nat === nat && host.addresses.includes(address));
  }

  #trafficOf({ host, port }: Endpoint): Traffic {
    const ports = this.#traffic.get(host) ?? new Map<number, Traffic>();
    this.#traffic.set(host, ports);
    const traffic = ports.get(port) ?? { sent: 0, arrived: 0, arrivedBytes: 0 };
    ports.set(port, traffic);
    return traffic;
  }

  #share(): number {
    return this.#random.u32() / 2 ** 32;
  }

  #end(fate: Fate, datagram: Datagram): null {
    this.#tell(fate, datagram);
    return null;
  }

  #tell(fate: Fate, { from, to, bytes }: Datagram): void {
    for (const watcher of this.#watchers) watcher({ fate, at: this.clock.now(), from, to, bytes: bytes.length });
  }
}

/** What {@link SimInternet} takes beside {@link Conditions}. */
export interface InternetOptions {
  /** Default: 1. */
  readonly seed?: number;
  readonly clock?: VirtualClock;
}

/** A machine with UDP. */
export class SimHost {
  #addresses: readonly string[];
  #nat: SimNat | null;
  readonly #random: SeededRandom;
  readonly #send: (host: SimHost, datagram: Datagram) => void;
  readonly #ports = new Map<number, SimPort>();

  constructor(
    addresses: readonly string[],
    nat: SimNat | null,
    random: SeededRandom,
    send: (host: SimHost, datagram: Datagram) => void,
  ) {
    this.#addresses = addresses;
    this.#nat = nat;
    this.#random = random;
    this.#send = send;
  }

  /** Its own addresses: private ones behind a NAT. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  get address(): string {
    return this.#addresses[0] as string;
  }

  get nat(): SimNat | null {
    return this.#nat;
  }

  /** Ports that are open. */
  get openPorts(): number {
    return this.#ports.size;
  }

  /**
   * Opens a UDP port on all addresses of the machine; answers go out from the first one, unless `via` names another.
   * @param port - 0 or none for any, as an operating system picks it
   * @throws Error when it is open already
   */
  open(port = 0): SimPort {
    let number = port;
    while (number === 0 || (port === 0 && this.#ports.has(number))) number = 32_768 + this.#random.below(28_232);
    if (this.#ports.has(number)) throw new Error(`port ${number} is open already`);
    const opened = new SimPort(
      number,
      (bytes, to, ttl, via) => this.#send(this, { from: { host: via ?? this.address, port: number }, to, bytes, ttl }),
      () => this.#ports.delete(number),
    );
    this.#ports.set(number, opened);
    return opened;
  }

  /** Goes into another network, as from Wi-Fi to mobile; its ports stay open. */
  move(nat: SimNat | null, address: string): void {
    this.#nat = nat;
    this.#addresses = [address];
  }

  /** Called by the internet. @returns whether the port is open */
  receive(bytes: Uint8Array, from: Endpoint, to: Endpoint): boolean {
    const port = this.#ports.get(to.port);
    port?.receive(bytes, from, to.host);
    return port !== undefined;
  }
}

/** A UDP port of a machine. It holds its users to the contract: what they keep of a datagram after the call is overwritten. */
export class SimPort implements DatagramPort {
  readonly port: number;
  readonly #out: (bytes: Uint8Array, to: Endpoint, ttl: number, via: string | undefined) => void;
  readonly #closed: () => void;
  readonly #receivers = new Set<(datagram: Uint8Array, from: Endpoint, at: string) => void>();
  #isOpen = true;

  constructor(
    port: number,
    out: (bytes: Uint8Array, to: Endpoint, ttl: number, via: string | undefined) => void,
    closed: () => void,
  ) {
    this.port = port;
    this.#out = out;
    this.#closed = closed;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Subscriptions that nobody has ended. */
  get subscribers(): number {
    return this.#receivers.size;
  }

  /** @param via - the own address that it goes out from, where the machine has several */
  send(datagram: Uint8Array, to: Endpoint, ttl = DEFAULT_TTL, via?: string): void {
    const isSendable = Number.isInteger(to.port) && to.port > 0 && to.port <= 65_535 && ttl >= 1 && ttl <= 255;
    // The caller may use its bytes again at once.
    if (this.#isOpen && isSendable) this.#out(datagram.slice(), { host: to.host, port: to.port }, ttl, via);
  }

  /** `at` is the own address that the datagram came to. */
  subscribe(receive: (datagram: Uint8Array, from: Endpoint, at: string) => void): () => void {
    // A subscription of its own, even if the same function comes twice.
    const receiver: typeof receive = (...call) => receive(...call);
    this.#receivers.add(receiver);
    return () => void this.#receivers.delete(receiver);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#receivers.clear();
    this.#closed();
  }

  /** Called by the internet. */
  receive(datagram: Uint8Array, from: Endpoint, at: string): void {
    const bytes = datagram.slice();
    for (const receiver of [...this.#receivers]) if (this.#receivers.has(receiver)) receiver(bytes, from, at);
    bytes.fill(0xdd);
  }
}
