// Collects what is to be done in each network namespace, so that each is entered once per program and not once per line.

/** Settings below `/proc/sys/net` of every namespace. */
const COMMON_SETTINGS: Record<string, number> = {
  "ipv6/conf/all/disable_ipv6": 1,
  "ipv6/conf/default/disable_ipv6": 1,
  // Without it a router's rules would see what one host on its bridge says to the other.
  "bridge/bridge-nf-call-iptables": 0,
  "ipv4/conf/all/rp_filter": 0,
  "ipv4/conf/default/rp_filter": 0,
};

/** A text as the input of a command. */
const here = (command: string, text: string): string => `${command} <<'END'\n${text}\nEND`;

/** Builds a shell script. The order of calls matters only within one namespace and one kind of command. */
export class SetupScript {
  readonly #create: string[] = [];
  readonly #settings = new Map<string, string[]>();
  readonly #ip = new Map<string, string[]>();
  readonly #rules: string[] = [];
  readonly #last: string[] = [];

  /** @param settings - numbers by their path below `/proc/sys/net`; those that the kernel does not have are left out */
  namespace(name: string, settings: Record<string, number>): void {
    this.#create.push(`netns add ${name}`);
    const set = ([path, value]: [string, number]): string =>
      `[ ! -e /proc/sys/net/${path} ] || echo ${value} > /proc/sys/net/${path}`;
    this.#settings.set(name, Object.entries({ ...COMMON_SETTINGS, ...settings }).map(set));
    this.ip(name, "link set dev lo up");
  }

  /** A cable between two namespaces; its ends are down. */
  cable(left: string, leftName: string, right: string, rightName: string): void {
    this.#create.push(`link add ${leftName} netns ${left} type veth peer name ${rightName} netns ${right}`);
  }

  /** Lines for `ip -batch`. */
  ip(namespace: string, ...lines: readonly string[]): void {
    this.#ip.set(namespace, [...(this.#ip.get(namespace) ?? []), ...lines]);
  }

  /** A file for `nft -f`. */
  rules(namespace: string, text: string): void {
    this.#rules.push(here(`ip netns exec ${namespace} nft -f -`, text));
  }

  /** A command that runs when all the rest is there. */
  last(namespace: string, command: string): void {
    this.#last.push(`ip netns exec ${namespace} ${command}`);
  }

  text(): string {
    return [
      here("ip -batch -", this.#create.join("\n")),
      // Before any interface is up: it would have an IPv6 address already.
      ...[...this.#settings].map(([name, lines]) => here(`ip netns exec ${name} sh -e`, lines.join("\n"))),
      ...[...this.#ip].map(([name, lines]) => here(`ip -n ${name} -batch -`, lines.join("\n"))),
      ...this.#rules,
      ...this.#last,
    ].join("\n");
  }
}
