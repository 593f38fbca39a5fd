// What is known of our NAT, for as long as it may be believed, and which STUN servers it was asked from.

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { NetworkError } from "../core/errors.js";
import type { NatSummary } from "../core/explain/report.js";
import type { Clock, Millis, Random } from "../core/runtime.js";
import type { DatagramPort, Endpoint } from "../nat/datagram-port.js";
import { discoverNat, type NatReport } from "../nat/nat-discovery.js";
import { type NatView, natViewOf } from "../nat/punch-plan.js";
import { stunBinding } from "../nat/stun-client.js";
import { parseStunUrl } from "../nat/stun-server-url.js";
import { natSummary } from "./nat-summary.js";

/** How long a report is believed: NATs forget a mapping after two minutes at the earliest, by the rule, and after 30 s in fact. */
const BELIEVED_MS: Millis = 20_000;
/** Servers that are asked. */
const MAX_SERVERS = 4;

/** What it is given. */
export interface NatMemoryContext {
  readonly clock: Clock;
  readonly random: Random;
  localAddresses(): readonly string[];
}

interface Known {
  readonly key: string;
  readonly at: Millis;
  readonly report: Promise<NatReport | null>;
}

export class NatMemory {
  readonly #context: NatMemoryContext;
  readonly #known = new WeakMap<DatagramPort, Known>();

  constructor(context: NatMemoryContext) {
    this.#context = context;
  }

  /** How the NAT in front of this socket behaves; `null` when no server is known. Concurrent callers share one examination. */
  report(port: DatagramPort, stunServers: readonly string[]): Promise<NatReport | null> {
    const { clock, localAddresses } = this.#context;
    // Another network has another NAT.
    const key = [...stunServers, "", ...localAddresses()].join(" ");
    const known = this.#known.get(port);
    if (known && known.key === key && clock.now() - known.at < BELIEVED_MS) return known.report;
    const report = this.#examine(port, stunServers);
    this.#known.set(port, { key, at: clock.now(), report });
    return report;
  }

  async view(port: DatagramPort, stunServers: readonly string[], signal: AbortSignal): Promise<NatView> {
    signal.throwIfAborted();
    return natViewOf(await this.report(port, stunServers));
  }

  /** @throws NetworkError `ERR_STUN_TIMEOUT` when no server answers */
  async mappedOf(port: DatagramPort, stunServers: readonly string[], signal: AbortSignal): Promise<Endpoint> {
    const [server] = await resolveServers(stunServers);
    if (!server) throw new NetworkError("ERR_STUN_TIMEOUT", "no server is known");
    const { clock, random } = this.#context;
    return (await stunBinding(port, server, { clock, random, signal })).mapped;
  }

  /**
   * The NAT in front of this socket, examined anew and for people; `null` when no server is known.
   * @param fresh - another socket, which nobody has used, to test the filtering with; it stays open
   */
  async examine(
    port: DatagramPort,
    fresh: DatagramPort,
    stunServers: readonly string[],
    signal: AbortSignal,
  ): Promise<NatSummary | null> {
    const urls = stunServers.slice(0, MAX_SERVERS);
    if (urls.length === 0) return null;
    const servers = await Promise.all(urls.map(resolveServer));
    const { clock, random, localAddresses } = this.#context;
    const report = await discoverNat(
      port,
      servers.filter((server) => server !== null),
      { clock, random, localHosts: localAddresses(), filtering: true, filteringPort: fresh, signal },
    );
    return natSummary(
      report,
      urls.filter((_, i) => servers[i] === null),
    );
  }

  async #examine(port: DatagramPort, stunServers: readonly string[]): Promise<NatReport | null> {
    const servers = await resolveServers(stunServers);
    if (servers.length === 0) return null;
    const { clock, random, localAddresses } = this.#context;
    return discoverNat(port, servers, { clock, random, localHosts: localAddresses() });
  }
}

/** Numeric endpoints of the servers that can be had; names are asked of the system. */
export async function resolveServers(stunServers: readonly string[]): Promise<Endpoint[]> {
  const found = await Promise.all(stunServers.slice(0, MAX_SERVERS).map(resolveServer));
  return found.filter((endpoint) => endpoint !== null);
}

async function resolveServer(url: string): Promise<Endpoint | null> {
  try {
    const { host, port } = parseStunUrl(url);
    return { host: isIP(host) ? host : (await lookup(host)).address, port };
  } catch {
    return null;
  }
}
