// From where the other side will see us, before we punch by TCP: asked from STUN servers over TCP, from the very port that dials later.

import { NetworkError } from "../core/errors.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import { parseIPv4, parseIPv6 } from "../core/path/ip-address.js";
import type { Clock, Millis, Random } from "../core/runtime.js";
import type { Endpoint } from "../nat/datagram-port.js";
import { sameEndpoint } from "../nat/endpoint.js";
import { type PortHabit, portAfter } from "../nat/punch-plan.js";
import { parseStunUrl, type StunServer } from "../nat/stun-server-url.js";
import { portStep } from "../nat/tcp-punch-plan.js";

/** A connection to a STUN server. While it is open, a NAT keeps what it has mapped for it. */
export interface KeptSocket {
  destroy(): unknown;
}

/** Asks a STUN server over TCP, from a port of our choice. The connection stays open and belongs to the caller. */
export type TcpStunBinding = (request: {
  readonly host: string;
  readonly port: number;
  readonly localPort: number;
  readonly signal: AbortSignal;
  readonly timeoutMs: Millis;
  readonly random: Random;
  readonly clock: Clock;
}) => Promise<{ readonly mapped: Endpoint; readonly socket: KeptSocket }>;

export interface OriginContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly stunBinding: TcpStunBinding;
  /** A local port that nobody uses. */
  freePort(): Promise<number>;
  /** The port that will dial. */
  readonly localPort: number;
  /** Addresses of this machine. */
  readonly localAddresses: readonly string[];
  /** As `stun:host:port`. */
  readonly stunServers: readonly string[];
  readonly signal: AbortSignal;
  note(step: string): void;
  /** Takes a connection that is to stay open until the attempt is over. */
  keep(socket: KeptSocket): void;
}

/** How the other side sees this one. */
export interface PunchOrigin {
  readonly ports: PortHabit;
  /** Where it sees us, as URLs, best first; with `sequential` and `random` ports the port is none that it will see. */
  readonly addresses: readonly string[];
  /** Where it sees our next connection, with sequential ports. Nothing else may be dialled between this and the dial. */
  aim(): Promise<string>;
}

/** Servers that are asked: two tell how the NAT maps, a third one stands by. */
const MAX_SERVERS = 3;
/** STUN servers have this much time, in ms: all the rest has to happen within ten seconds as well. */
const STUN_TIMEOUT_MS: Millis = 3_000;
/** Once one has answered, the others have this much longer, in ms. */
const GRACE_MS: Millis = 500;
/** Connections from fresh ports, one after the other, which show whether outside ports follow each other. */
const STEP_SAMPLES = 3;

/**
 * Finds out where we are seen from.
 * @throws NetworkError `ERR_PUNCH_FAILED` when no public address can be known; the signal's reason
 */
export async function findOrigin(context: OriginContext): Promise<PunchOrigin> {
  const { localPort, note } = context;
  const answers = await askAll(context);
  const mapped = answers.map((answer) => answer.mapped).filter(({ host }) => !host.includes(":"));
  const [first] = mapped;
  const own = ownAddresses(context, first === undefined);
  if (!first) {
    if (own.length === 0)
      throw new NetworkError("ERR_PUNCH_FAILED", "no STUN server answered by TCP, and no own address is public");
    note(`seen as ${own.join(", ")}: own addresses, asked nobody`);
    return { ports: "unknown", addresses: own, aim: noAim };
  }
  const addresses = [urlOf(first), ...own];
  if (mapped.every((endpoint) => sameEndpoint(endpoint, first))) {
    // One answer alone proves little, but a NAT that kept the port of one connection keeps that of others.
    const ports = mapped.length > 1 || first.port === localPort ? "steady" : "unknown";
    note(`seen as ${addresses.join(", ")} from port ${localPort}: ports are ${ports}`);
    return { ports, addresses, aim: noAim };
  }
  const server = (answers.find((answer) => answer.mapped === first) as Answer).server;
  const step = await findStep(context, server);
  note(`seen as ${first.host}, by each server from another port: ${step === null ? "random" : `the next is ${step} on`}`);
  if (step === null) return { ports: "random", addresses, aim: noAim };
  return {
    ports: "sequential",
    addresses,
    aim: async () => {
      const last = await askAfresh(context, server);
      return urlOf({ host: last.host, port: portAfter(last.port, step) });
    },
  };
}

interface Answer {
  readonly server: StunServer;
  readonly mapped: Endpoint;
}

/** All servers at once, from the port that will dial; resolves with the answers, none perhaps. */
function askAll(context: OriginContext): Promise<readonly Answer[]> {
  const servers = chooseServers(context.stunServers);
  const answers: Answer[] = [];
  let missing = servers.length;
  return new Promise((resolve, reject) => {
    if (missing === 0) resolve(answers);
    const settled = (): void => {
      if (context.signal.aborted) reject(context.signal.reason);
      else if (--missing === 0) resolve(answers);
    };
    for (const server of servers) {
      ask(context, server, context.localPort).then(
        ({ mapped, socket }) => {
          context.keep(socket);
          answers.push({ server, mapped });
          if (answers.length === 1) context.clock.after(GRACE_MS, () => resolve([...answers]));
          settled();
        },
        (error: unknown) => {
          const name = formatEndpoint(server.host, server.port);
          context.note(`STUN at ${name} by TCP: ${error instanceof Error ? error.message : String(error)}`);
          settled();
        },
      );
    }
  });
}

function chooseServers(urls: readonly string[]): StunServer[] {
  const servers: StunServer[] = [];
  for (const url of urls) {
    try {
      const server = parseStunUrl(url);
      if (!servers.some((other) => sameEndpoint(other, server))) servers.push(server);
    } catch {
      // One that a relay named wrongly: the others may do.
    }
  }
  return servers.slice(0, MAX_SERVERS);
}

function ask({ stunBinding, signal, random, clock }: OriginContext, server: StunServer, localPort: number) {
  return stunBinding({ ...server, localPort, signal, timeoutMs: STUN_TIMEOUT_MS, random, clock });
}

/** From a port that was not used before, so that the NAT has to allot another one. */
async function askAfresh(context: OriginContext, server: StunServer): Promise<Endpoint> {
  const { mapped, socket } = await ask(context, server, await context.freePort());
  socket.destroy();
  return mapped;
}

async function findStep(context: OriginContext, server: StunServer): Promise<number | null> {
  const ports: number[] = [];
  try {
    while (ports.length < STEP_SAMPLES) ports.push((await askAfresh(context, server)).port);
  } catch {
    context.signal.throwIfAborted();
  }
  return portStep(ports);
}

/** Own addresses that need no NAT: one of IPv6, where only a firewall is in between, and of IPv4 where nobody told a better one. */
function ownAddresses({ localAddresses, localPort }: OriginContext, withIPv4: boolean): string[] {
  const ipv4 = withIPv4 ? localAddresses.filter(isPublicIPv4).slice(0, 1) : [];
  return [...ipv4, ...localAddresses.filter(isGlobalIPv6).slice(0, 1)].map((host) => urlOf({ host, port: localPort }));
}

/** Whether an address is one of 2000::/3, from which all global unicast ones are (RFC 4291 §2.4, IANA). */
export function isGlobalIPv6(address: string): boolean {
  const first = parseIPv6(address)?.[0];
  return first !== undefined && first >> 13 === 1;
}

/** Outside of what RFC 1918, RFC 6598 and RFC 6890 keep for other uses. */
function isPublicIPv4(address: string): boolean {
  const bytes = parseIPv4(address);
  if (!bytes) return false;
  const [a, b] = bytes as [number, number, number, number];
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false;
  const isShared = a === 100 && b >= 64 && b < 128;
  return !isShared && !(a === 172 && b >= 16 && b < 32) && !(a === 192 && b === 168) && !(a === 169 && b === 254);
}

function urlOf({ host, port }: Endpoint): string {
  return `tcp://${formatEndpoint(host, port)}`;
}

function noAim(): Promise<never> {
  return Promise.reject(new NetworkError("ERR_PUNCH_FAILED", "the next port is not known"));
}
