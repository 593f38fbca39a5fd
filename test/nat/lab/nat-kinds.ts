// The kinds of routers in the laboratory: what each is in the words of RFC 4787, and the rules that make Linux behave so.

/** Every kind that a site can have. `none` is a host with a public address and no router. */
export const NAT_KINDS = ["none", "full", "address", "port", "sequential", "random", "udp-blocked", "web-only"] as const;
export type NatKind = (typeof NAT_KINDS)[number];

/** @see RFC 4787 §4.1, §5 */
export type Dependence = "endpoint-independent" | "address-dependent" | "address-and-port-dependent";

/** What a kind does to packets; TCP is mapped and filtered as UDP is (RFC 5382 §4.1, §4.3). */
export interface NatBehaviour {
  /** `false`: no router in between, and everything below is as on the open internet. */
  readonly translates: boolean;
  readonly mapping: Dependence;
  readonly filtering: Dependence;
  /** How the outside port is chosen: the inside one, the next one, or any. */
  readonly ports: "preserved" | "sequential" | "random";
  /** Whether UDP passes at all. */
  readonly udp: boolean;
  /** TCP ports that can be reached outside. */
  readonly tcp: "all" | "80 and 443";
}

const PORT_RESTRICTED: NatBehaviour = {
  translates: true,
  mapping: "endpoint-independent",
  filtering: "address-and-port-dependent",
  ports: "preserved",
  udp: true,
  tcp: "all",
};
const SYMMETRIC: NatBehaviour = { ...PORT_RESTRICTED, mapping: "address-and-port-dependent" };

export const NAT_BEHAVIOUR: Record<NatKind, NatBehaviour> = {
  none: { ...PORT_RESTRICTED, translates: false, filtering: "endpoint-independent" },
  full: { ...PORT_RESTRICTED, filtering: "endpoint-independent" },
  address: { ...PORT_RESTRICTED, filtering: "address-dependent" },
  port: PORT_RESTRICTED,
  sequential: { ...SYMMETRIC, ports: "sequential" },
  random: { ...SYMMETRIC, ports: "random" },
  "udp-blocked": { ...PORT_RESTRICTED, udp: false },
  "web-only": { ...PORT_RESTRICTED, udp: false, tcp: "80 and 443" },
};

/** A router: its interfaces are called `wan` and `lan`. */
export interface RouterRules {
  readonly behaviour: NatBehaviour;
  readonly wanAddress: string;
  /** The router's own address inside, and its network, such as `192.168.1.0/24`. */
  readonly lanAddress: string;
  readonly lanNetwork: string;
  /** Whether two hosts inside reach each other by their outside addresses (RFC 4787 §6). Not for symmetric kinds. */
  readonly hairpin: boolean;
  /** Silence after which a mapping is forgotten. */
  readonly mappingSeconds: number;
  /** First outside port of the kind that counts. */
  readonly firstPort: number;
}

/** After so many the first port comes again. */
const SEQUENCE = 4_096;

function sequence(firstPort: number): string {
  return Array.from({ length: SEQUENCE }, (_, i) => `${i} : ${firstPort + i}`).join(", ");
}

// Our own table of mappings beside the one of the kernel, which knows connections only. It makes mapping independent of the remote
// endpoint also where two hosts inside use one port, and is what filtering and hairpins look into.
//   mapped     outside port -> inside endpoint            taken   outside ports in use
//   inside     inside endpoint -> outside endpoint        contacted   outside port with the addresses it was used for
function tables(seconds: number): string {
  const rest = `flags dynamic,timeout; timeout ${seconds}s; size 65535;`;
  return `
    map mapped { type inet_proto . inet_service : ipv4_addr . inet_service; ${rest} }
    map inside { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; ${rest} }
    set taken { type inet_proto . inet_service; ${rest} }
    set contacted { type inet_proto . inet_service . ipv4_addr; ${rest} }`;
}

/** The maps and sets that forget when the router does. */
export const MAPPING_TABLES = ["mapped", "inside", "taken", "contacted"] as const;

// Only the first packet of a connection passes a chain of type nat.
function inbound(rules: RouterRules): string {
  const { behaviour, wanAddress } = rules;
  const arrived = `ip daddr ${wanAddress} meta l4proto { tcp, udp }`;
  const translate = "dnat ip to meta l4proto . th dport map @mapped";
  const lines: string[] = [];
  if (behaviour.filtering === "endpoint-independent") lines.push(`iifname "wan" ${arrived} ${translate}`);
  if (behaviour.filtering === "address-dependent") {
    lines.push(`iifname "wan" ${arrived} meta l4proto . th dport . ip saddr @contacted ${translate}`);
  }
  if (rules.hairpin) lines.push(`iifname "lan" ${arrived} ${translate}`);
  return lines.join("\n      ");
}

function outbound({ behaviour, wanAddress, firstPort }: RouterRules): string {
  const anyPort = `${wanAddress}:1024-65535 fully-random`;
  switch (behaviour.ports) {
    case "preserved":
      return `snat ip to meta l4proto . ip saddr . th sport map @inside
      meta l4proto { tcp, udp } meta l4proto . th sport @taken snat to ${anyPort}
      snat to ${wanAddress}`;
    case "sequential":
      // One counter for both protocols, as many routers have it: a TCP connection moves the next UDP port on.
      // By a map, since a bare number would go into the packet in the byte order of this machine.
      return `meta l4proto { tcp, udp } snat to ${wanAddress}:numgen inc mod ${SEQUENCE} map { ${sequence(firstPort)} }`;
    case "random":
      return `meta l4proto { tcp, udp } snat to ${anyPort}`;
  }
}

// After translation, so that the outside port is known. Only outbound packets keep a mapping alive (RFC 4787 §4.3, REQ-6).
const REMEMBER = `
    chain opened_inside {
      meta l4proto { tcp, udp } update @mapped { meta l4proto . ct reply proto-dst : ct original ip saddr . ct original proto-src }
      meta l4proto { tcp, udp } update @inside { meta l4proto . ct original ip saddr . ct original proto-src : ct reply ip daddr . ct reply proto-dst }
      meta l4proto { tcp, udp } update @taken { meta l4proto . ct reply proto-dst }
      meta l4proto { tcp, udp } update @contacted { meta l4proto . ct reply proto-dst . ct original ip daddr }
    }
    chain opened_outside {
      meta l4proto { tcp, udp } update @mapped { meta l4proto . ct original proto-dst : ct reply ip saddr . ct reply proto-src }
      meta l4proto { tcp, udp } update @inside { meta l4proto . ct reply ip saddr . ct reply proto-src : ct original ip daddr . ct original proto-dst }
      meta l4proto { tcp, udp } update @taken { meta l4proto . ct original proto-dst }
      meta l4proto { tcp, udp } update @contacted { meta l4proto . ct original proto-dst . ct original ip saddr }
    }
    chain remember {
      type filter hook postrouting priority 200;
      oifname "wan" ct direction original jump opened_inside
      oifname "wan" ct direction reply jump opened_outside
      iifname "lan" oifname "lan" ct direction original jump opened_inside
    }`;

/** The rules of a router, for `nft -f`. */
export function routerRules(rules: RouterRules): string {
  const { behaviour, lanNetwork, lanAddress } = rules;
  const toOutside = behaviour.tcp === "all" ? "" : "tcp dport { 80, 443 }";
  const keepsTable = behaviour.ports === "preserved";
  return `
  table ip lab {
    ${keepsTable ? tables(rules.mappingSeconds) + REMEMBER : ""}
    chain translate {
      ${outbound(rules)}
    }
    chain prerouting {
      type nat hook prerouting priority dstnat;
      ${inbound(rules)}
    }
    chain postrouting {
      type nat hook postrouting priority srcnat;
      oifname "wan" meta l4proto { tcp, udp } jump translate
      oifname "wan" snat to ${rules.wanAddress}
      iifname "lan" oifname "lan" ct status dnat jump translate
    }
    chain forward {
      type filter hook forward priority filter; policy drop;
      ct state invalid drop
      ${behaviour.udp ? "" : "meta l4proto udp drop"}
      ct state established,related accept
      iifname "lan" ip saddr != ${lanNetwork} drop
      iifname "lan" oifname "wan" ${toOutside} accept
      ct status dnat accept
    }
    chain input {
      type filter hook input priority filter; policy drop;
      # A stray is dropped before the kernel remembers it. Else its port would be taken, and the punch that comes
      # the other way a moment later would be mapped to another one.
      iifname "lan" ip daddr ${lanAddress} accept
    }
  }`;
}

/** Settings of a router, so that the kernel's own table forgets when ours do; by their path below `/proc/sys/net`. */
export function routerSettings(mappingSeconds: number): Record<string, number> {
  return {
    "netfilter/nf_conntrack_udp_timeout": mappingSeconds,
    "netfilter/nf_conntrack_udp_timeout_stream": mappingSeconds,
    "netfilter/nf_conntrack_tcp_timeout_established": mappingSeconds,
    // A connection that was forgotten stays forgotten: its next packet makes no new mapping.
    "netfilter/nf_conntrack_tcp_loose": 0,
  };
}
