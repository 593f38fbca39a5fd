// How a NAT behaves, in the words of RFC 4787, told from what STUN servers saw of one local port. A rule without time or sockets.

import type { Endpoint } from "./datagram-port.js";
import { sameEndpoint } from "./endpoint.js";

/**
 * When one local port keeps its mapped endpoint (RFC 4787 §4.1): towards everybody, towards one address, or towards one address
 * and port only. `unknown` where fewer than two addresses were asked.
 */
export type MappingBehaviour = "endpoint-independent" | "address-dependent" | "address-and-port-dependent" | "unknown";

/** Who may send to a mapped endpoint (RFC 4787 §5): everybody, addresses, or endpoints that the local port has sent to. */
export type FilteringBehaviour = "endpoint-independent" | "address-dependent" | "address-and-port-dependent" | "unknown";

/** Which port a new mapping gets (RFC 4787 §4.2): the local one, one a small step behind the last, or any. */
export type PortAllocation = "preserving" | "sequential" | "random" | "unknown";

/** What one server saw of our port. */
export interface NatObservation {
  /** Whom we asked. */
  readonly server: Endpoint;
  /** From where it saw us ask. */
  readonly mapped: Endpoint;
}

/** What observations say about a NAT. */
export interface NatBehaviour {
  /** Whether no NAT is there: we are seen as what we are. A firewall may still filter. */
  readonly open: boolean;
  readonly mapping: MappingBehaviour;
  readonly allocation: PortAllocation;
  /** With `sequential`: from one mapped port to the next, such as 1, 2 or -1. Otherwise 0. */
  readonly portStep: number;
}

/** What is known of our side. */
export interface LocalSide {
  readonly port: number;
  /** Our own addresses in their one spelling. */
  readonly hosts: readonly string[];
}

/**
 * Largest distance of neighbours that counts as sequential: others behind the same NAT take ports in between. Two random ports
 * are so near once in 1,600 times, three of them once in a million.
 */
const MAX_STEP = 20;

/**
 * Classifies a NAT. It never says better than was seen: where it is open whether a mapping depends on the address or on the port
 * as well, the worse is said.
 * @param observations - of one local port and one family, in the order in which the servers were asked
 */
export function classifyNat(observations: readonly NatObservation[], local: LocalSide): NatBehaviour {
  const open =
    observations.length > 0 &&
    observations.every(({ mapped }) => mapped.port === local.port && local.hosts.includes(mapped.host));
  return { open, mapping: mappingOf(observations), ...allocationOf(observations, local.port) };
}

/** RFC 5780 §4.3, for any number of servers. */
function mappingOf(observations: readonly NatObservation[]): MappingBehaviour {
  const pairs = observations.flatMap((a, i) => observations.slice(i + 1).map((b) => [a, b] as const));
  const across = pairs.filter(([a, b]) => a.server.host !== b.server.host);
  const within = pairs.filter(([a, b]) => a.server.host === b.server.host && a.server.port !== b.server.port);
  const isSame = ([a, b]: readonly [NatObservation, NatObservation]): boolean => sameEndpoint(a.mapped, b.mapped);
  if (!within.every(isSame)) return "address-and-port-dependent";
  if (across.length === 0) return "unknown";
  if (across.every(isSame)) return "endpoint-independent";
  return within.length > 0 ? "address-dependent" : "address-and-port-dependent";
}

function allocationOf(observations: readonly NatObservation[], localPort: number): Pick<NatBehaviour, "allocation" | "portStep"> {
  const ports = [...new Set(observations.map(({ mapped }) => mapped.port))];
  const isPreserved = ports[0] === localPort;
  if (ports.length === 1 && isPreserved) return { allocation: "preserving", portStep: 0 };
  // Some NATs keep the port for the first destination and count for those that come after.
  const counted = isPreserved ? ports.slice(1) : ports;
  if (counted.length < 2) return { allocation: "unknown", portStep: 0 };
  const portStep = stepOf(ports) || stepOf(counted);
  return { allocation: portStep === 0 ? "random" : "sequential", portStep };
}

/**
 * The mapped port that the NAT gave out last: with a sequential one the next mapping gets this and `portStep`. `null` where nothing
 * was seen. It is the outermost one, and not that of the last request, which another may have overtaken.
 */
export function lastPort(observations: readonly NatObservation[], portStep: number): number | null {
  const ports = observations.map(({ mapped }) => mapped.port);
  if (portStep !== 0) return portStep > 0 ? Math.max(...ports) : Math.min(...ports);
  return ports[ports.length - 1] ?? null;
}

/** The step of ports that lie close together, in whatever order they were taken; 0 when they do not. */
function stepOf(ports: readonly number[]): number {
  const sorted = [...ports].sort((a, b) => a - b);
  const gaps = sorted.slice(1).map((port, i) => port - (sorted[i] as number));
  if (gaps.length === 0 || gaps.some((gap) => gap > MAX_STEP)) return 0;
  // A request that was lost and repeated took its port late, so a single downward step says nothing.
  const isDownward = ports.length > 2 && ports.slice(1).every((port, i) => port < (ports[i] as number));
  // What others took in between is a multiple of the step as well: some NATs keep the parity, and step by two.
  const step = gaps.reduce(greatestCommonDivisor);
  return isDownward ? -step : step;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
