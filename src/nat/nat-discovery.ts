// Finds out how the NAT before us behaves: asks several STUN servers from one port, all at once, and more of them where it helps.

import { type ErrorCode, NetworkError } from "../core/errors.js";
import type { Clock, Millis, Random, Timer } from "../core/runtime.js";
import type { DatagramPort, Endpoint } from "./datagram-port.js";
import { canonicalHost, sameEndpoint } from "./endpoint.js";
import { classifyNat, type FilteringBehaviour, lastPort, type NatBehaviour, type NatObservation } from "./nat-behaviour.js";
import { discoverFiltering } from "./nat-filtering.js";
import { type StunBinding, stunBinding } from "./stun-client.js";

/** Most servers that are asked; more are ignored. */
export const MAX_STUN_SERVERS = 8;
/** Distinct mapped ports after which no more are waited for: they tell a sequence from chance. */
const ENOUGH_PORTS = 3;
/** How long the other servers have once the first one answered, in ms, or twice the first one's time: a lost request is repeated by then. */
const GRACE_MS = 250;

/** What {@link discoverNat} takes beside port and servers. */
export interface NatDiscoveryOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Gives up when it aborts; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Our own addresses, to know that there is no NAT. Default: none. */
  readonly localHosts?: readonly string[];
  /** Called once, with the first endpoint as which we are seen, as soon as the first answer has come. */
  readonly onMapped?: (mapped: Endpoint) => void;
  /**
   * Whether to test the filtering, with a server that has a second address: 0.8 s more, or eight round trips where one takes over
   * 100 ms. Default `false`.
   */
  readonly filtering?: boolean;
  /**
   * A fresh port of its own for the filtering tests, which then run beside the others. On the one port they come first, and only
   * servers serve whose second address was not asked. It stays open. Default: the one port.
   */
  readonly filteringPort?: DatagramPort | undefined;
}

/** What was found out about the NAT. */
export interface NatReport extends NatBehaviour {
  readonly localPort: number;
  /** The first endpoint as which we were seen; `null` when no server answered, as where UDP is blocked. */
  readonly mapped: Endpoint | null;
  readonly filtering: FilteringBehaviour;
  /** Answers, in the order in which the servers were asked. */
  readonly observations: readonly NatObservation[];
  /** Their mapped ports. */
  readonly mappedPorts: readonly number[];
  /** The port that the NAT gave out last: with a sequential one the next mapping gets this and `portStep`, unless others take it. */
  readonly lastPort: number | null;
  /** Servers that failed, and why; those that nobody waited for any longer are not among them. */
  readonly failures: readonly { readonly server: Endpoint; readonly code: ErrorCode }[];
  readonly tookMs: Millis;
}

/**
 * Finds out how the NAT before a port behaves. A round trip where two servers see us alike, two where a server's second address
 * has to be asked as well; 3 s where no server, or one without a second address, answers.
 * @param servers - numeric, at most {@link MAX_STUN_SERVERS}; those of another family than the first are left out
 * @returns a report in any case, also when nobody answered
 * @see RFC 5780 §4
 */
export async function discoverNat(
  port: DatagramPort,
  servers: readonly Endpoint[],
  options: NatDiscoveryOptions,
): Promise<NatReport> {
  options.signal?.throwIfAborted();
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await new Discovery(port, options, stop.signal).run(servers);
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
    stop.abort();
  }
}

interface Probe {
  readonly server: Endpoint;
  outcome: StunBinding | NetworkError | null;
}

class Discovery {
  readonly #port: DatagramPort;
  readonly #options: NatDiscoveryOptions;
  readonly #signal: AbortSignal;
  readonly #startedAt: Millis;
  /** In the order asked. */
  readonly #probes: Probe[] = [];
  #first: StunBinding | null = null;
  #grace: Timer | null = null;
  #isGraceOver = false;
  /** Looks again whether what is waited for has happened. */
  #look: () => void = () => {};
  #broken: { readonly reason: unknown } | null = null;

  constructor(port: DatagramPort, options: NatDiscoveryOptions, signal: AbortSignal) {
    this.#port = port;
    this.#options = options;
    this.#signal = signal;
    this.#startedAt = options.clock.now();
    signal.addEventListener("abort", () => {
      this.#grace?.cancel();
      this.#break(signal.reason);
    });
  }

  async run(servers: readonly Endpoint[]): Promise<NatReport> {
    const { filtering: wantsFiltering = false, filteringPort } = this.#options;
    this.#ask(oneFamily(servers));
    await this.#until(() => this.#isDecided || this.#isGraceOver);
    const tests = wantsFiltering ? this.#filtering() : Promise.resolve<FilteringBehaviour>("unknown");
    // They fail only where all of this does, and that is told below.
    tests.catch(() => undefined);
    // What is sent to a second address opens the NAT for it, and there would be nothing left to test.
    if (!filteringPort) await tests;
    if (!this.#isDecided) {
      this.#ask(this.#furtherServers());
      await this.#until(() => this.#isDecided || (this.#isGraceOver && this.#behaviour.mapping !== "unknown"));
    }
    const filtering = await tests;
    this.#signal.throwIfAborted();
    return this.#report(filtering);
  }

  #ask(servers: readonly Endpoint[]): void {
    const further = servers.filter((server) => !this.#probes.some((probe) => sameEndpoint(probe.server, server)));
    if (further.length > 0) this.#startGrace();
    for (const server of further) {
      const probe: Probe = { server, outcome: null };
      this.#probes.push(probe);
      const { clock, random } = this.#options;
      const binding = stunBinding(this.#port, server, { clock, random, signal: this.#signal });
      binding.then(
        (answer) => this.#answered(probe, answer),
        (error: unknown) => this.#failed(probe, error),
      );
    }
  }

  #answered(probe: Probe, answer: StunBinding): void {
    probe.outcome = answer;
    if (!this.#first) {
      this.#first = answer;
      this.#startGrace();
      try {
        this.#options.onMapped?.(answer.mapped);
      } catch (error) {
        this.#break(error);
      }
    }
    this.#look();
  }

  #failed(probe: Probe, error: unknown): void {
    if (error instanceof NetworkError) probe.outcome = error;
    else this.#break(error);
    this.#look();
  }

  #break(reason: unknown): void {
    this.#broken ??= { reason };
    this.#look();
  }

  #startGrace(): void {
    if (!this.#first) return;
    this.#grace?.cancel();
    this.#isGraceOver = false;
    this.#grace = this.#options.clock.after(Math.max(GRACE_MS, 2 * this.#first.rttMs), () => {
      this.#isGraceOver = true;
      this.#look();
    });
  }

  /** Waits until something is so, or nothing more can come. */
  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#look = () => {
        if (this.#broken) reject(this.#broken.reason);
        else if (condition() || this.#probes.every(({ outcome }) => outcome !== null)) resolve();
      };
      this.#look();
    });
  }

  get #observations(): NatObservation[] {
    return this.#bindings.map(({ server, mapped }) => ({ server, mapped }));
  }

  get #bindings(): StunBinding[] {
    return this.#probes.flatMap(({ outcome }) => (outcome && !(outcome instanceof NetworkError) ? [outcome] : []));
  }

  get #behaviour(): NatBehaviour {
    const hosts = (this.#options.localHosts ?? []).map((host) => canonicalHost(host) ?? host);
    return classifyNat(this.#observations, { port: this.#port.port, hosts });
  }

  /** Whether further answers would tell nothing new. */
  get #isDecided(): boolean {
    const { mapping } = this.#behaviour;
    if (mapping === "unknown") return false;
    const ports = new Set(this.#observations.map(({ mapped }) => mapped.port));
    return mapping === "endpoint-independent" || (ports.size >= ENOUGH_PORTS && this.#sawOneAddressTwice);
  }

  /** Without it nothing tells whether a mapping depends on the port as well. */
  get #sawOneAddressTwice(): boolean {
    const hosts = this.#observations.map(({ server }) => server.host);
    return new Set(hosts).size < hosts.length;
  }

  /** The other three endpoints of the first server that has a second address. */
  #furtherServers(): Endpoint[] {
    for (const { server, otherAddress: other } of this.#bindings) {
      if (!other || other.host === server.host) continue;
      return [{ host: server.host, port: other.port }, { host: other.host, port: server.port }, other];
    }
    return [];
  }

  #filtering(): Promise<FilteringBehaviour> {
    const { clock, random, filteringPort } = this.#options;
    const isFresh = (host: string): boolean => !this.#probes.some(({ server }) => server.host === host);
    const binding = this.#bindings.find(({ otherAddress: other, server }) => {
      if (!other || other.host === server.host || other.port === server.port) return false;
      return filteringPort !== undefined || isFresh(other.host);
    });
    if (!binding) return Promise.resolve("unknown");
    return discoverFiltering(filteringPort ?? this.#port, binding, {
      clock,
      random,
      signal: this.#signal,
      isNew: filteringPort !== undefined,
    });
  }

  #report(filtering: FilteringBehaviour): NatReport {
    const observations = this.#observations;
    const failures = this.#probes.flatMap(({ server, outcome }) =>
      outcome instanceof NetworkError ? [{ server, code: outcome.code }] : [],
    );
    const behaviour = this.#behaviour;
    return {
      ...behaviour,
      localPort: this.#port.port,
      mapped: this.#first?.mapped ?? null,
      filtering,
      observations,
      mappedPorts: observations.map(({ mapped }) => mapped.port),
      lastPort: lastPort(observations, behaviour.portStep),
      failures,
      tookMs: this.#options.clock.now() - this.#startedAt,
    };
  }
}

/** Each once, in its one spelling. What is no address stays, and fails. */
function oneFamily(servers: readonly Endpoint[]): Endpoint[] {
  const known = servers.slice(0, MAX_STUN_SERVERS).map(({ host, port }) => ({ host: canonicalHost(host) ?? host, port }));
  return known.filter((server, i) => {
    const isFirst = known.findIndex((other) => sameEndpoint(other, server)) === i;
    return isFirst && server.host.includes(":") === known[0]?.host.includes(":");
  });
}
