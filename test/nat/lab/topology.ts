// The map of the laboratory: who is where, with which address, and the script that builds it.
//
//   a, c ── router ──┐                         ┌── router ── b
//   a ───── mobile ──┤── core (delay, loss) ───┤
//                    └── relay, two addresses ─┘
//
// Each is a network namespace. The core routes as well, so a packet with a TTL of 2 opens the sender's own NAT and dies there.
// What is for nobody vanishes in it, as private addresses do on the internet.

import { NAT_BEHAVIOUR, type NatKind, routerRules, routerSettings } from "./nat-kinds.js";
import { SetupScript } from "./setup-script.js";

/** One place with an uplink. A bare kind stands for all defaults. */
export type Site = NatKind | SiteOptions;

export interface SiteOptions {
  readonly kind: NatKind;
  /** Whether two hosts inside reach each other by their outside addresses. Default `false`. Not for symmetric kinds. */
  readonly hairpin?: boolean;
  /** Whether two hosts inside cannot talk directly, as in a guest network. Default `false`. */
  readonly isolated?: boolean;
  /** Silence after which a mapping is forgotten, in whole seconds. Default 300. */
  readonly mappingSeconds?: number;
}

export interface LabOptions {
  /** Where host `a` is. */
  readonly a: Site;
  /** Where host `b` is. Default: there is none, but a host `c` beside `a`. */
  readonly b?: Site;
  /** Whether there is a host `c` behind the router of `a`. Default: only without `b`. */
  readonly c?: boolean;
  /** Another uplink of host `a`, not in use until `roam("mobile")`. Default: none. */
  readonly mobile?: Site;
  /** From one site to another, one way. Default 20. */
  readonly delayMs?: number;
  /** From a site to the relay or back, one way. Default: as between sites. */
  readonly relayDelayMs?: number;
  /** Most that is added to the delay, at random for each packet, which changes their order. Default 0. */
  readonly jitterMs?: number;
  /** Packets lost in the core, in per cent. Default 0. */
  readonly lossPercent?: number;
}

export type HostName = "a" | "b" | "c";
export type UplinkName = "home" | "mobile";

/** How a host is attached: behind a router, or with a public address of its own. */
export interface Uplink {
  readonly interface: string;
  /** With the length of its network, such as `192.168.1.2/24`. */
  readonly address: string;
  readonly gateway: string;
  /** The namespace of the router; `null` without one. */
  readonly router: string | null;
  /** The address that others see. */
  readonly publicAddress: string;
}

export interface HostPlan {
  readonly namespace: string;
  readonly home: Uplink;
  readonly mobile: Uplink | null;
}

export interface LabPlan {
  readonly namespaces: readonly string[];
  readonly core: string;
  readonly relay: string;
  readonly hosts: ReadonlyMap<HostName, HostPlan>;
  /** For `sh -e`: builds everything. */
  readonly script: string;
}

/** The relay's. The first is the one to dial; STUN answers at both. */
export const RELAY_ADDRESSES = ["203.0.113.10", "203.0.113.20"] as const;
/** Of the core, in the eyes of its neighbours. */
const CORE_ADDRESS = "203.0.113.1";
/** The counter of packets that go from site to site past the relay. */
export const DIRECT_COUNTER = "direct";

// Addresses for documentation (RFC 5737) stand for public ones; the mobile network is one of RFC 6598.
const SITES = {
  a: { wan: "198.51.100.1", lan: "192.168.1", firstPort: 41_000 },
  mobile: { wan: "198.51.100.201", lan: "100.64.7", firstPort: 47_000 },
  b: { wan: "192.0.2.1", lan: "10.0.3", firstPort: 53_000 },
} as const;
type SiteName = keyof typeof SITES;

const DEFAULT_MAPPING_SECONDS = 300;

/**
 * @param prefix - of all namespaces; nobody else's may begin with it
 * @param netfilter - how netfilter.py is started
 */
export function planLab(options: LabOptions, prefix: string, netfilter: readonly string[]): LabPlan {
  const builder = new Builder(prefix);
  const hosts = new Map<HostName, HostPlan>();
  const a = builder.namespace("a");
  const home = builder.attach(a, "a", "eth0", options.a);
  builder.script.ip(a, ...attachLines(home));
  const mobile = options.mobile === undefined ? null : builder.attach(a, "mobile", "mob0", options.mobile);
  hosts.set("a", { namespace: a, home, mobile });
  if (options.b !== undefined) {
    const b = builder.namespace("b");
    const uplink = builder.attach(b, "b", "eth0", options.b);
    builder.script.ip(b, ...attachLines(uplink));
    hosts.set("b", { namespace: b, home: uplink, mobile: null });
  }
  if (options.c ?? options.b === undefined) {
    const c = builder.namespace("c");
    const uplink = builder.attachBeside(c, home, "eth0", options.a);
    builder.script.ip(c, ...attachLines(uplink));
    hosts.set("c", { namespace: c, home: uplink, mobile: null });
  }
  const { delayMs = 20, relayDelayMs = delayMs, jitterMs = 0, lossPercent = 0 } = options;
  // The queues of xt, as there are kernels without those of nft.
  builder.script.last(builder.core, `iptables -A FORWARD -s ${RELAY_ADDRESSES} -j NFQUEUE --queue-num 1`);
  builder.script.last(builder.core, `iptables -A FORWARD -d ${RELAY_ADDRESSES} -j NFQUEUE --queue-num 1`);
  builder.script.last(builder.core, "iptables -A FORWARD -j NFQUEUE --queue-num 0");
  builder.script.last(builder.core, [...netfilter.map(quote), "delay", jitterMs, lossPercent, delayMs, relayDelayMs].join(" "));
  const { namespaces, core, relay, script } = builder;
  return { namespaces, core, relay, hosts, script: script.text() };
}

/** Lines for `ip -batch` that take an uplink into use. */
export function attachLines({ interface: name, address, gateway }: Uplink): string[] {
  return [
    `link set dev ${name} up`,
    `addr add ${address} dev ${name}`,
    // For a public address, whose network is itself alone; elsewhere it says what is known.
    `route replace ${gateway}/32 dev ${name}`,
    `route add default via ${gateway} dev ${name}`,
  ];
}

/** The contrary: the address goes as well, as it does when a cable is pulled under a DHCP client. */
export function detachLines({ interface: name }: Uplink): string[] {
  return [`addr flush dev ${name}`, `link set dev ${name} down`];
}

/** One word for `sh`. */
const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

function resolveSite(site: Site): Required<SiteOptions> {
  const given = typeof site === "string" ? { kind: site } : site;
  const resolved = { hairpin: false, isolated: false, mappingSeconds: DEFAULT_MAPPING_SECONDS, ...given };
  const behaviour = NAT_BEHAVIOUR[resolved.kind];
  if (resolved.hairpin && !(behaviour.translates && behaviour.mapping === "endpoint-independent")) {
    throw new Error(`"${resolved.kind}" has no mapping that a hairpin could use`);
  }
  return resolved;
}

class Builder {
  readonly script = new SetupScript();
  readonly namespaces: string[] = [];
  readonly core: string;
  readonly relay: string;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.core = this.namespace("core", { "ipv4/ip_forward": 1 });
    this.script.ip(this.core, `addr add ${CORE_ADDRESS}/32 dev lo`, "route add blackhole default");
    this.script.rules(this.core, CORE_RULES);
    this.relay = this.namespace("relay");
    this.#cableToCore(this.relay, "eth0", "relay", RELAY_ADDRESSES);
    const [first, second] = RELAY_ADDRESSES;
    const uplink = { interface: "eth0", address: `${first}/32`, gateway: CORE_ADDRESS, router: null, publicAddress: first };
    this.script.ip(this.relay, ...attachLines(uplink), `addr add ${second}/32 dev eth0`);
  }

  namespace(name: string, settings: Record<string, number> = {}): string {
    const namespace = `${this.#prefix}${name}`;
    this.namespaces.push(namespace);
    this.script.namespace(namespace, settings);
    return namespace;
  }

  /** Lays the cable of a host's uplink, with the router at its end if the site has one. */
  attach(host: string, name: SiteName, inside: string, site: Site): Uplink {
    const resolved = resolveSite(site);
    const { wan, lan } = SITES[name];
    if (!NAT_BEHAVIOUR[resolved.kind].translates) {
      this.#cableToCore(host, inside, name, [wan]);
      return { interface: inside, address: `${wan}/32`, gateway: CORE_ADDRESS, router: null, publicAddress: wan };
    }
    const router = this.#router(name, resolved);
    this.#cableToRouter(host, inside, router, "lan-1", resolved);
    return { interface: inside, address: `${lan}.2/24`, gateway: `${lan}.1`, router, publicAddress: wan };
  }

  /** A further host behind the router of another. */
  attachBeside(host: string, other: Uplink, inside: string, site: Site): Uplink {
    if (!other.router) throw new Error("two hosts at one site need a router");
    this.#cableToRouter(host, inside, other.router, "lan-2", resolveSite(site));
    return { ...other, interface: inside, address: other.gateway.replace(/\d+$/, "3/24") };
  }

  #router(name: SiteName, site: Required<SiteOptions>): string {
    const { wan, lan, firstPort } = SITES[name];
    const router = this.namespace(`router-${name}`, { "ipv4/ip_forward": 1, ...routerSettings(site.mappingSeconds) });
    this.#cableToCore(router, "wan", name, [wan]);
    const uplink = { interface: "wan", address: `${wan}/32`, gateway: CORE_ADDRESS, router: null, publicAddress: wan };
    this.script.ip(router, ...attachLines(uplink));
    this.script.ip(router, "link add lan type bridge", "link set dev lan up", `addr add ${lan}.1/24 dev lan`);
    const { kind, hairpin, mappingSeconds } = site;
    const networks = { wanAddress: wan, lanAddress: `${lan}.1`, lanNetwork: `${lan}.0/24` };
    this.script.rules(router, routerRules({ behaviour: NAT_BEHAVIOUR[kind], ...networks, hairpin, mappingSeconds, firstPort }));
    return router;
  }

  #cableToRouter(host: string, inside: string, router: string, port: string, site: Required<SiteOptions>): void {
    this.script.cable(host, inside, router, port);
    this.script.ip(router, `link set dev ${port} master lan up`);
    if (site.isolated) this.script.ip(router, `link set dev ${port} type bridge_slave isolated on`);
  }

  #cableToCore(namespace: string, inside: string, name: string, addresses: readonly string[]): void {
    this.script.cable(namespace, inside, this.core, name);
    this.script.ip(this.core, `link set dev ${name} up`);
    for (const address of addresses) this.script.ip(this.core, `route add ${address}/32 dev ${name} src ${CORE_ADDRESS}`);
  }
}

const CORE_RULES = `
  table ip lab {
    counter ${DIRECT_COUNTER} { }
    chain forward {
      type filter hook forward priority -10;
      ip saddr != { ${RELAY_ADDRESSES.join(", ")} } ip daddr != { ${RELAY_ADDRESSES.join(", ")} } counter name ${DIRECT_COUNTER}
    }
  }`;
