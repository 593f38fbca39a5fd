// Port mapping: asks the gateway to let others in at our ports, renews that, asks anew when the network changes, and takes it back.

import { networkInterfaces } from "node:os";
import { unitInterval } from "../core/backoff.js";
import { abortable, deadline } from "../core/deadline.js";
import { NetworkError } from "../core/errors.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import { isDialable } from "../core/path/dialable.js";
import { isLoopback, parseIPv4 } from "../core/path/ip-address.js";
import type { MappedPort, PortMapping, PortMappingContext, PortMappingStatus } from "../core/path/port-mapping.js";
import type { Clock, Millis, Random, Timer } from "../core/runtime.js";
import type { Endpoint } from "../nat/datagram-port.js";
import {
  externalAddressProblem,
  type GatewayClient,
  GatewayError,
  type GatewayTarget,
  gatewayError,
  type PortGrant,
  type PortRequest,
} from "./gateway/gateway-client.js";
import { openNatPmp, openPcp } from "./gateway/pmp-client.js";
import { PCP_NONCE_BYTES } from "./gateway/pmp-message.js";
import { openUpnp } from "./gateway/upnp-client.js";

/** Most ports that are asked for. */
const MAX_PORTS = 8;

/**
 * Between two times of asking, at most: far below the two hours that we ask for, as a router that is switched off and on forgets, and
 * its outside address may be another afterwards. A gateway that allows less is asked at half of that.
 */
const RENEW_MS: Millis = 20 * 60_000;
const MIN_RENEW_MS: Millis = 30_000;
/** After a failure; it doubles up to {@link RENEW_MS}. */
const RETRY_MS: Millis = 60_000;

/** From `close` to the end, whatever the gateway does. */
const CLOSE_MS: Millis = 1_000;

/** A protocol, and how a gateway is found to speak it. */
export interface GatewayWay {
  readonly name: string;
  /** @throws GatewayError; the signal's reason */
  open(target: GatewayTarget, signal: AbortSignal): Promise<GatewayClient>;
}

/** What a {@link PortMapper} is given. */
export interface PortMapperTools {
  readonly clock: Clock;
  /** In the order in which they are tried. */
  readonly ways: readonly GatewayWay[];
  /** Routers of the default routes, the preferred one first. */
  gateways(): Promise<readonly string[]>;
  /** Our own addresses, as of now. */
  localAddresses(): readonly string[];
  /** Calls back when the network may have changed. Returns how to stop it. */
  onNetworkChange(callback: () => void): () => void;
}

/** PCP, then NAT-PMP, then UPnP: the younger ones take two datagrams and let a mapping die with us. */
export function gatewayWays(clock: Clock, random: Random): GatewayWay[] {
  // The same for all of this process, so that a renewal is known as one (RFC 6887 §11.1).
  const nonce = random.bytes(PCP_NONCE_BYTES);
  return [
    { name: "PCP", open: (target) => openPcp(clock, target, nonce) },
    { name: "NAT-PMP", open: (target, signal) => openNatPmp(clock, target, signal) },
    { name: "UPnP", open: (target, signal) => openUpnp(clock, target, () => unitInterval(random), signal) },
  ];
}

/** All addresses of this machine: the gateway may have given a port to any of them. */
export function allAddresses(): readonly string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
  } catch {
    return [];
  }
}

/** A port that is open. */
interface Lease {
  readonly client: GatewayClient;
  /** As it was granted: to renew it, and to take it back. */
  readonly request: PortRequest;
  readonly schemes: readonly string[];
  readonly externalAddress: string;
  /** On the clock; infinite where the gateway set no end. */
  readonly expiresAt: Millis;
}

interface Wish {
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  readonly schemes: readonly string[];
}

/** Asks from its construction on, in the background. Nothing of it fails loudly: `status` tells. */
export class PortMapper implements PortMapping {
  readonly #tools: PortMapperTools;
  readonly #onChange: () => void;
  readonly #wishes: readonly Wish[];
  readonly #from: string | undefined;
  readonly #stopWatching: () => void = () => undefined;
  /** Ends the search for gateways. */
  readonly #searching = new AbortController();
  /** Ends requests whose answer should be awaited, as a port may be open after them. */
  readonly #granting = new AbortController();
  #leases: readonly Lease[] = [];
  #state: PortMappingStatus["state"] = "asking";
  #problem: string | null = null;
  #failures = 0;
  #timer: Timer | null = null;
  #round: Promise<void> | null = null;
  /** Whether the network changed during a round. */
  #again = false;
  #closing: Promise<void> | null = null;

  constructor(tools: PortMapperTools, { listeners, host, onChange }: PortMappingContext) {
    this.#tools = tools;
    this.#onChange = onChange;
    this.#wishes = listeners
      .flatMap(({ port, mappable }) => (port !== null && mappable ? [{ port, ...mappable }] : []))
      .slice(0, MAX_PORTS);
    this.#from = host === undefined || host === "0.0.0.0" || host === "::" ? undefined : host;
    const unneeded = this.#unneeded();
    if (unneeded !== null) {
      this.#state = "failed";
      this.#problem = unneeded;
      return;
    }
    this.#stopWatching = tools.onNetworkChange(() => this.#ask());
    this.#ask();
  }

  get status(): PortMappingStatus {
    const leases = this.#valid;
    return {
      state: this.#state,
      protocol: leases[0]?.client.protocol ?? null,
      gateway: leases[0]?.client.gateway ?? null,
      ports: leases.map(mappedPort),
      problem: this.#problem,
    };
  }

  addresses(): readonly string[] {
    return this.#valid.flatMap(({ schemes, externalAddress, request }) =>
      schemes.map((scheme) => `${scheme}://${formatEndpoint(externalAddress, request.externalPort)}`),
    );
  }

  /** Where others reach our UDP port from outside. */
  udpEndpoints(port: number): readonly Endpoint[] {
    return this.#valid
      .filter(({ request }) => request.protocol === "udp" && request.internalPort === port)
      .map(({ externalAddress, request }) => ({ host: externalAddress, port: request.externalPort }));
  }

  close(): Promise<void> {
    this.#closing ??= this.#takeBack();
    return this.#closing;
  }

  // Where nobody could come in through a gateway.
  #unneeded(): string | null {
    if (this.#wishes.length === 0) return "no port is open here";
    if (this.#from === undefined || (parseIPv4(this.#from) && !isLoopback(this.#from))) return null;
    return `what listens at ${this.#from} cannot be reached from a gateway's IPv4 side`;
  }

  get #valid(): readonly Lease[] {
    const now = this.#tools.clock.now();
    return this.#leases.filter(({ expiresAt }) => expiresAt > now);
  }

  #ask(): void {
    if (this.#closing) return;
    if (this.#round) {
      this.#again = true;
      return;
    }
    this.#timer?.cancel();
    this.#timer = null;
    this.#round = this.#askOnce()
      .catch((error: unknown) => this.#failed(gatewayError(error).message))
      .then(() => {
        this.#round = null;
        if (this.#closing) return;
        if (!this.#again) {
          this.#timer = this.#tools.clock.after(this.#pauseMs(), () => this.#ask());
          return;
        }
        this.#again = false;
        this.#ask();
      });
  }

  #pauseMs(): Millis {
    if (this.#state === "failed") return Math.min(RENEW_MS, RETRY_MS * 2 ** Math.min(this.#failures - 1, 10));
    const left = Math.min(...this.#leases.map(({ expiresAt }) => expiresAt)) - this.#tools.clock.now();
    return Math.max(MIN_RENEW_MS, Math.min(RENEW_MS, left / 2));
  }

  // One time of asking: every gateway in every way, until one opens a port.
  async #askOnce(): Promise<void> {
    const gateways = await this.#tools.gateways();
    await this.#forgetOtherNetworks(gateways);
    const problems: string[] = gateways.length === 0 ? ["this machine has no IPv4 gateway"] : [];
    for (const gateway of gateways) {
      for (const { name, open } of this.#tools.ways) {
        if (this.#closing) return;
        try {
          const client = await open({ gateway, from: this.#from }, this.#searching.signal);
          if (this.#closing) return;
          this.#succeeded(...(await this.#mapAll(client)));
          return;
        } catch (error) {
          problems.push(`${name}: ${gatewayError(error).message}`);
        }
      }
    }
    this.#failed([...new Set(problems)].join("; "));
  }

  /** @throws GatewayError when no port was opened */
  async #mapAll(client: GatewayClient): Promise<[leases: Lease[], problem: string | null]> {
    const outcomes = await Promise.allSettled(this.#wishes.map((wish) => this.#map(client, wish)));
    const leases = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    const [refusal] = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
    if (leases.length === 0) throw refusal;
    return [leases, refusal === undefined ? null : `not every port: ${gatewayError(refusal).message}`];
  }

  async #map(client: GatewayClient, { protocol, port, schemes }: Wish): Promise<Lease> {
    const before = this.#leases.find(({ request }) => request.protocol === protocol && request.internalPort === port);
    const wish = { protocol, internalPort: port, externalPort: before?.request.externalPort ?? port };
    const grant = await client.map(wish, this.#granting.signal);
    const request = { ...wish, externalPort: grant.externalPort };
    const problem = grantProblem(grant);
    if (problem !== null) {
      await client.unmap(request, this.#granting.signal).catch(() => undefined);
      throw new GatewayError(problem);
    }
    const expiresAt =
      grant.lifetimeSeconds === 0 ? Number.POSITIVE_INFINITY : this.#tools.clock.now() + grant.lifetimeSeconds * 1_000;
    return { client, request, schemes, externalAddress: grant.externalAddress, expiresAt };
  }

  #succeeded(leases: readonly Lease[], problem: string | null): void {
    const before = this.#leases;
    this.#failures = 0;
    this.#change("mapped", leases, problem);
    // Another port outside than before: with UPnP the old one is open still. The others know a mapping by its inside port.
    for (const { client, request } of before) {
      const isKept = leases.some(
        (lease) => lease.request.protocol === request.protocol && lease.request.externalPort === request.externalPort,
      );
      if (client.protocol === "upnp" && !isKept) void this.#unmap(client, request);
    }
  }

  #failed(problem: string): void {
    this.#failures++;
    const leases = this.#valid;
    // What was granted holds until its end, also when a renewal got no answer.
    this.#change(leases.length > 0 ? "mapped" : "failed", leases, problem);
  }

  // As well as it goes.
  #unmap(client: GatewayClient, request: PortRequest): Promise<void> {
    return client.unmap(request, this.#granting.signal).catch(() => undefined);
  }

  async #forgetOtherNetworks(gateways: readonly string[]): Promise<void> {
    const local = this.#tools.localAddresses();
    const isHere = ({ client }: Lease): boolean => gateways.includes(client.gateway) && local.includes(client.localAddress);
    const gone = this.#leases.filter((lease) => !isHere(lease));
    if (gone.length === 0) return;
    this.#change("asking", this.#leases.filter(isHere), null);
    // Our address is another one: UPnP lets us close what leads to the old one, and gives us the port again. The others let nobody but
    // that address do it.
    const closable = gone.filter(({ client }) => client.protocol === "upnp" && gateways.includes(client.gateway));
    await Promise.all(closable.map(({ client, request }) => this.#unmap(client, request)));
  }

  #change(state: PortMappingStatus["state"], leases: readonly Lease[], problem: string | null): void {
    const before = JSON.stringify(this.#leases.map(mappedPort));
    this.#leases = leases;
    if (this.#closing) return;
    this.#state = state;
    this.#problem = problem;
    if (JSON.stringify(leases.map(mappedPort)) !== before) this.#onChange();
  }

  async #takeBack(): Promise<void> {
    this.#state = "closed";
    this.#stopWatching();
    this.#timer?.cancel();
    this.#searching.abort(new GatewayError("closed"));
    const limit = deadline(this.#tools.clock, CLOSE_MS, undefined, () => new NetworkError("ERR_CLOSED_TIMEOUT"));
    // Nothing else here keeps a process alive, and now somebody waits.
    const hold = setInterval(() => undefined, CLOSE_MS);
    try {
      // A request that is on its way may open a port yet.
      if (this.#round) await abortable(this.#round, limit.signal);
      const leases = this.#leases;
      this.#leases = [];
      await abortable(Promise.allSettled(leases.map(({ client, request }) => client.unmap(request, limit.signal))), limit.signal);
    } catch {
      // The gateway does not answer: what it opened ends by itself.
    } finally {
      clearInterval(hold);
      limit.clear();
      this.#granting.abort(new GatewayError("closed"));
      this.#leases = [];
    }
  }
}

function grantProblem({ externalAddress, externalPort }: PortGrant): string | null {
  const problem = externalAddressProblem(externalAddress);
  if (problem !== null) return problem;
  const isUseful = isDialable(`tcp://${externalAddress}:${externalPort}`, { allowLoopback: false });
  return isUseful ? null : `the gateway offers port ${externalPort}, which nobody dials`;
}

function mappedPort({ request, externalAddress }: Lease): MappedPort {
  const { protocol, internalPort, externalPort } = request;
  return { protocol, internalPort, externalAddress, externalPort };
}
