// A NAT as rules over UDP, in the words of RFC 4787: how it maps, how it allots ports, what it lets in, and for how long.

import type { Clock, Millis } from "../../src/core/runtime.js";
import type { Endpoint } from "../../src/nat/datagram-port.js";
import type { SeededRandom } from "./seeded-random.js";

/** How much of the remote endpoint a mapping or a filter depends on (RFC 4787 §4.1, §5). */
export type Dependence = "endpoint-independent" | "address-dependent" | "address-and-port-dependent";

export interface NatRules {
  /** When one inside port keeps its outside port (RFC 4787 §4.1). */
  readonly mapping: Dependence;
  /** Who may send to an outside port that is mapped (RFC 4787 §5). */
  readonly filtering: Dependence;
  /** Which outside port a new mapping gets (RFC 4787 §4.2): the inside one or the next free one, `step` after the last, any. */
  readonly allocation: "preserving" | "sequential" | "random";
  /** From one outside port to the next, where they are sequential. Default: 1. */
  readonly step?: number;
  /** Whether two mappings towards different remotes may share an outside port, as under Linux. Default: no. */
  readonly overloading?: boolean;
  /** Default: 120 s (RFC 4787 §4.3). */
  readonly lifetimeMs?: Millis;
  /** What keeps a mapping alive (RFC 4787 §4.3). Default: `outbound`. */
  readonly refresh?: "outbound" | "both";
  /** Whether machines inside reach each other by outside addresses, and see those as sources (RFC 4787 §6). Default: no. */
  readonly hairpin?: boolean;
  /** Whether UDP passes at all. Default: yes. */
  readonly udp?: boolean;
  /**
   * What becomes of a datagram that nothing inside waits for: dropped, or also kept as a flow to the NAT itself, as Linux does
   * where its INPUT chain does not drop. Then the outside port is taken towards that remote. Default: `dropped`.
   */
  readonly strays?: "dropped" | "kept";
  /** Routers from a machine inside to the core, the NAT among them. Default: 1. */
  readonly hops?: number;
}

const CONE = { mapping: "endpoint-independent", allocation: "preserving" } as const;
const SYMMETRIC = { mapping: "address-and-port-dependent", filtering: "address-and-port-dependent" } as const;

/** The kinds that tests name; `none` is no NAT at all. */
export const NAT_PRESETS = {
  none: null,
  full: { ...CONE, filtering: "endpoint-independent" },
  address: { ...CONE, filtering: "address-dependent" },
  port: { ...CONE, filtering: "address-and-port-dependent" },
  sequential: { ...SYMMETRIC, allocation: "sequential" },
  random: { ...SYMMETRIC, allocation: "random" },
  "udp-blocked": { ...CONE, filtering: "address-and-port-dependent", udp: false },
} as const satisfies Record<string, NatRules | null>;

export type NatKind = keyof typeof NAT_PRESETS;
export const NAT_KINDS = Object.keys(NAT_PRESETS) as readonly NatKind[];

/** Ports that mappings get (RFC 4787 §4.2.2: never from the well-known ones). */
const FIRST_PORT = 1024;
const LAST_PORT = 65_535;

interface Mapping {
  readonly key: string;
  readonly inside: Endpoint;
  readonly port: number;
  /** Who may send in, and until when. */
  readonly permissions: Map<string, Millis>;
  /** When the last permission ends, and the mapping with it. */
  expiresAt: Millis;
}

export class SimNat {
  readonly rules: Required<NatRules>;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  #publicAddress: string;
  #nextPort: number;
  readonly #byKey = new Map<string, Mapping>();
  readonly #byPort = new Map<number, Mapping[]>();
  /** Flows to the NAT itself: outside port and remote, and until when they hold the port. */
  readonly #strays = new Map<string, Millis>();

  constructor(publicAddress: string, rules: NatRules, clock: Clock, random: SeededRandom) {
    const defaults = { step: 1, overloading: false, lifetimeMs: 120_000, refresh: "outbound", hairpin: false } as const;
    this.rules = { ...defaults, udp: true, strays: "dropped", hops: 1, ...rules };
    this.#publicAddress = publicAddress;
    this.#clock = clock;
    this.#random = random;
    this.#nextPort = 20_000 + random.below(20_000);
  }

  get publicAddress(): string {
    return this.#publicAddress;
  }

  /** Outside ports that are mapped now. */
  get ports(): readonly number[] {
    const now = this.#clock.now();
    return [...this.#byKey.values()].filter(({ expiresAt }) => expiresAt > now).map(({ port }) => port);
  }

  /** Takes a datagram out. @returns its source as the world sees it; `null` when it does not pass */
  outbound(inside: Endpoint, remote: Endpoint): Endpoint | null {
    if (!this.rules.udp) return null;
    const key = `${text(inside)} ${dependentPart(this.rules.mapping, remote)}`;
    let mapping = this.#byKey.get(key);
    if (!mapping || mapping.expiresAt <= this.#clock.now()) {
      if (mapping) this.#remove(mapping);
      mapping = this.#add(key, inside, remote);
      if (!mapping) return null;
    }
    this.#permit(mapping, dependentPart(this.rules.filtering, remote));
    return { host: this.#publicAddress, port: mapping.port };
  }

  /** Takes a datagram in. @returns where it goes inside; `null` when it is filtered, or nothing is mapped */
  inbound(remote: Endpoint, port: number): Endpoint | null {
    if (!this.rules.udp) return null;
    const now = this.#clock.now();
    const permission = dependentPart(this.rules.filtering, remote);
    const isOpen = ({ permissions }: Mapping): boolean => (permissions.get(permission) ?? 0) > now;
    const mapping = this.#byPort.get(port)?.find(isOpen);
    if (!mapping) {
      if (this.rules.strays === "kept") this.#strays.set(`${port} ${text(remote)}`, now + this.rules.lifetimeMs);
      return null;
    }
    if (this.rules.refresh === "both") this.#permit(mapping, permission);
    return mapping.inside;
  }

  /** Gets another outside address, as after a reconnect of the line: all mappings are gone. */
  roam(newPublicAddress: string): void {
    this.#publicAddress = newPublicAddress;
    this.forget();
  }

  /** Loses all mappings at once, as at a restart. */
  forget(): void {
    this.#byKey.clear();
    this.#byPort.clear();
    this.#strays.clear();
  }

  /** Lets other machines behind it open `count` mappings. */
  crowd(count: number): void {
    for (let i = 0; i < count; i++) {
      const stranger = { host: "stranger", port: FIRST_PORT + this.#random.below(LAST_PORT - FIRST_PORT) };
      this.outbound(stranger, { host: `elsewhere-${this.#random.u32()}`, port: 443 });
    }
  }

  #permit(mapping: Mapping, permission: string): void {
    mapping.expiresAt = this.#clock.now() + this.rules.lifetimeMs;
    mapping.permissions.set(permission, mapping.expiresAt);
  }

  #add(key: string, inside: Endpoint, remote: Endpoint): Mapping | undefined {
    const port = this.#allot(inside, remote);
    if (port === null) return undefined;
    const mapping: Mapping = { key, inside, port, permissions: new Map(), expiresAt: 0 };
    this.#byKey.set(key, mapping);
    const sharing = this.#byPort.get(port);
    if (sharing) sharing.push(mapping);
    else this.#byPort.set(port, [mapping]);
    return mapping;
  }

  #remove(mapping: Mapping): void {
    this.#byKey.delete(mapping.key);
    const others = this.#byPort.get(mapping.port)?.filter((other) => other !== mapping) ?? [];
    if (others.length > 0) this.#byPort.set(mapping.port, others);
    else this.#byPort.delete(mapping.port);
  }

  #allot(inside: Endpoint, remote: Endpoint): number | null {
    const { allocation, step } = this.rules;
    const begin =
      allocation === "preserving"
        ? Math.max(FIRST_PORT, inside.port)
        : allocation === "sequential"
          ? this.#nextPort
          : FIRST_PORT + this.#random.below(LAST_PORT + 1 - FIRST_PORT);
    const stride = allocation === "sequential" ? step : 1;
    let port = begin;
    for (let tries = 0; tries <= LAST_PORT - FIRST_PORT; tries++) {
      const next = port + stride > LAST_PORT ? port + stride - (LAST_PORT + 1 - FIRST_PORT) : port + stride;
      if (this.#isFree(port, remote)) {
        if (allocation === "sequential") this.#nextPort = next;
        return port;
      }
      port = next;
    }
    return null;
  }

  #isFree(port: number, remote: Endpoint): boolean {
    const now = this.#clock.now();
    if ((this.#strays.get(`${port} ${text(remote)}`) ?? 0) > now) return false;
    const part = ` ${dependentPart(this.rules.mapping, remote)}`;
    for (const mapping of this.#byPort.get(port) ?? []) {
      if (mapping.expiresAt <= now) this.#remove(mapping);
      else if (!this.rules.overloading || mapping.key.endsWith(part)) return false;
    }
    return true;
  }
}

function dependentPart(dependence: Dependence, remote: Endpoint): string {
  if (dependence === "endpoint-independent") return "any";
  return dependence === "address-dependent" ? remote.host : text(remote);
}

/** An endpoint as one word. */
function text({ host, port }: Endpoint): string {
  return `${host}#${port}`;
}
