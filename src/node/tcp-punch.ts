// TCP hole punching: two sides behind NATs dial each other at the same time, from ports that STUN has seen. PROTOCOL.md, "Punching by TCP".

import { fromHex, toHex } from "../core/bytes.js";
import { abortable, type Deadline, deadline } from "../core/deadline.js";
import { NetworkError, toNetworkError } from "../core/errors.js";
import { formatEndpoint, parseDialUrl } from "../core/path/dial-url.js";
import type { Link } from "../core/path/link.js";
import type { NegotiateContext, Negotiation } from "../core/path/transport.js";
import type { Clock, Millis, Random } from "../core/runtime.js";
import type { Endpoint } from "../nat/datagram-port.js";
import { canonicalEndpoint } from "../nat/endpoint.js";
import { type PunchLoopOptions, TcpPunchLoop } from "../nat/tcp-punch-loop.js";
import { plannedRemotes, tcpPunchPlan } from "../nat/tcp-punch-plan.js";
import { PUNCH_TOKEN_BYTES, type PunchPort, type PunchStream } from "../nat/tcp-punch-port.js";
import { decodeTcpPunchSignal, MAX_PUNCH_RTT_MS, MAX_PUNCH_SIGNALS, type TcpPunchSignal } from "../nat/tcp-punch-signal.js";
import { findOrigin, isGlobalIPv6, type KeptSocket, type TcpStunBinding } from "./tcp-punch-origin.js";

/** A connection that can become a link, once it is agreed on. */
export interface LinkStream extends PunchStream {
  link(): Link;
}

/** What punching needs of the machine; tests bring their own. */
export interface TcpPunchSettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly stunBinding: TcpStunBinding;
  /** A local port that nobody uses. @throws NetworkError `ERR_LISTEN_FAILED` */
  freePort(): Promise<number>;
  /** @param ipv6 - the own address that it dials from where the other one is of IPv6; `null` for any */
  openPort(port: number, ipv6: string | null): PunchPort<LinkStream>;
  localAddresses(): readonly string[];
}

/** From the first signal to a connection, in ms. */
export const PUNCH_TIMEOUT_MS: Millis = 10_000;
/** Attempts at a time, with all peers together: each takes a port, up to four connections to STUN servers, and dials. */
export const MAX_PUNCHES = 8;

/** `negotiate` of the `tcp` transport. */
export function tcpPunch(settings: TcpPunchSettings): (context: NegotiateContext) => Negotiation {
  let running = 0;
  return (context) => {
    const attempt = new TcpPunch(context, settings);
    if (running >= MAX_PUNCHES) {
      attempt.refuse(new NetworkError("ERR_LIMIT_CONNECTIONS", `${MAX_PUNCHES} are being punched`));
    } else {
      running++;
      attempt.run().finally(() => running--);
    }
    return attempt;
  };
}

type SignalOf<T extends TcpPunchSignal["type"]> = TcpPunchSignal & { readonly type: T };

/** The first signal of each type, which may come before or after somebody waits for it. */
class Inbox {
  readonly #signals = new Map<string, TcpPunchSignal>();
  readonly #waiting = new Map<string, (signal: TcpPunchSignal) => void>();

  /** @returns whether it is the first of its type */
  put(signal: TcpPunchSignal): boolean {
    if (this.#signals.has(signal.type)) return false;
    this.#signals.set(signal.type, signal);
    this.#waiting.get(signal.type)?.(signal);
    return true;
  }

  next<T extends TcpPunchSignal["type"]>(type: T, signal: AbortSignal): Promise<SignalOf<T>> {
    const come = this.#signals.get(type);
    const work = come ? Promise.resolve(come) : new Promise<TcpPunchSignal>((resolve) => this.#waiting.set(type, resolve));
    return abortable(work as Promise<SignalOf<T>>, signal);
  }
}

class TcpPunch implements Negotiation {
  readonly link: Promise<Link>;
  readonly #context: NegotiateContext;
  readonly #settings: TcpPunchSettings;
  readonly #deadline: Deadline;
  readonly #inbox = new Inbox();
  readonly #kept = new Set<KeptSocket>();
  readonly #token: Uint8Array;
  #resolve!: (link: Link) => void;
  #reject!: (reason: unknown) => void;
  readonly #begunAt: Millis;
  #rttMs: Millis = 0;
  #received = 0;
  #isOver = false;

  constructor(context: NegotiateContext, settings: TcpPunchSettings) {
    this.#context = context;
    this.#settings = settings;
    this.#begunAt = settings.clock.now();
    this.#token = settings.random.bytes(PUNCH_TOKEN_BYTES);
    this.link = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever negotiates may have gone; a failure that nobody waits for must not end a process.
    this.link.catch(() => undefined);
    const late = (): NetworkError => new NetworkError("ERR_PUNCH_FAILED", `by TCP, in ${PUNCH_TIMEOUT_MS / 1000} s`);
    this.#deadline = deadline(settings.clock, PUNCH_TIMEOUT_MS, context.signal, late);
  }

  receiveSignal(value: unknown): void {
    if (this.#isOver) return;
    try {
      if (++this.#received > MAX_PUNCH_SIGNALS) throw new NetworkError("ERR_FRAME_MALFORMED", "too many signals of kind tcp");
      const signal = decodeTcpPunchSignal(value);
      if (!signal) return;
      if (signal.type === "stop") throw new NetworkError("ERR_PUNCH_FAILED", "the other side does not punch by TCP now");
      if (!this.#inbox.put(signal)) return;
      // At once, as it is the way that is measured, not what we have to do before.
      if (signal.type === "ping" && !this.#context.initiator) this.#send({ type: "pong" });
      if (signal.type === "pong") this.#rttMs = Math.min(this.#settings.clock.now() - this.#begunAt, MAX_PUNCH_RTT_MS);
    } catch (error) {
      this.#deadline.abort(error);
    }
  }

  /** Does not try. */
  refuse(error: NetworkError): void {
    this.#end();
    this.#reject(error);
    this.#sayStop();
  }

  /** Resolves when the attempt is over, however it ended; {@link link} tells how. */
  async run(): Promise<void> {
    try {
      const link = await this.#punch();
      this.#end();
      this.#resolve(link);
    } catch (error) {
      const isOurs = !this.#deadline.signal.aborted;
      this.#end();
      this.#reject(isOurs ? toNetworkError(error, "ERR_PUNCH_FAILED") : this.#deadline.signal.reason);
      // What is hopeless is known to both sides alike, and what was aborted may have no session left to speak in.
      if (isOurs && !(error instanceof NetworkError && error.code === "ERR_PUNCH_HOPELESS")) this.#sayStop();
    }
  }

  async #punch(): Promise<Link> {
    const { initiator } = this.#context;
    const { signal } = this.#deadline;
    signal.throwIfAborted();
    if (initiator) this.#send({ type: "ping" });
    const { clock, random, stunBinding, freePort, localAddresses } = this.#settings;
    const number = await abortable(freePort(), signal);
    const addresses = localAddresses();
    const ours = await abortable(
      findOrigin({
        ...{ clock, random, stunBinding, freePort, signal },
        localPort: number,
        localAddresses: addresses,
        stunServers: this.#context.stunServers,
        note: (step) => this.#context.note(step),
        keep: (socket) => this.#keep(socket),
      }),
      signal,
    );
    this.#send({ type: "here", token: toHex(this.#token), ports: ours.ports, addresses: ours.addresses });
    const theirs = await this.#inbox.next("here", signal);
    const named = this.#contactable(theirs.addresses);
    const theirIPv6 = named.filter(({ host }) => host.includes(":"));
    const bothIPv6 = theirIPv6.length > 0 && ours.addresses.some((url) => url.includes("["));
    const plan = tcpPunchPlan(initiator, ours.ports, theirs.ports, bothIPv6);
    if (!plan) throw new NetworkError("ERR_PUNCH_HOPELESS", `by TCP: ports are ${ours.ports} here, ${theirs.ports} there`);
    // Last, as every connection in between would take the port that we tell.
    if (ours.ports === "sequential" && plan.ipv4 > 0) this.#send({ type: "aim", address: await abortable(ours.aim(), signal) });
    let remotes = named;
    if (theirs.ports === "sequential" && plan.ipv4 > 0) {
      remotes = [...this.#contactable([(await this.#inbox.next("aim", signal)).address]), ...theirIPv6];
    }
    if (plannedRemotes(plan, remotes).length === 0) {
      throw new NetworkError("ERR_PUNCH_FAILED", "the other side names no address that may be dialled");
    }
    const rttMs = await this.#together(plan.listen !== null);
    const ipv6 = addresses.find(isGlobalIPv6) ?? null;
    const port = this.#makingRoom(this.#settings.openPort(number, ipv6));
    return this.#dial({ port, remotes, plan, rttMs, theirToken: fromHex(theirs.token) });
  }

  // Both sides begin at the same moment: the initiator half a round trip after it said so, the other one when it hears so. An
  // initiator that will listen begins at once: its NAT is to be open when the other side's first packet comes.
  async #together(listens: boolean): Promise<Millis> {
    const { signal } = this.#deadline;
    if (!this.#context.initiator) return (await this.#inbox.next("go", signal)).rttMs;
    await this.#inbox.next("pong", signal);
    this.#send({ type: "go", rttMs: Math.round(this.#rttMs) });
    const waitMs = listens ? 0 : this.#rttMs / 2;
    await abortable(new Promise<void>((resolve) => this.#settings.clock.after(waitMs, resolve)), signal);
    return this.#rttMs;
  }

  #dial(options: Pick<PunchLoopOptions<LinkStream>, "port" | "remotes" | "plan" | "rttMs" | "theirToken">): Promise<Link> {
    const { initiator } = this.#context;
    const { clock, random } = this.#settings;
    const { signal } = this.#deadline;
    signal.throwIfAborted();
    const note = (step: string): void => this.#context.note(step);
    const named = options.remotes.map(({ host, port }) => formatEndpoint(host, port)).join(", ");
    note(`dials ${named}; the round trip is ${Math.round(options.rttMs)} ms`);
    return new Promise<Link>((resolve, reject) => {
      const loop = new TcpPunchLoop<LinkStream>({
        ...options,
        ...{ initiator, clock, random, note, ownToken: this.#token },
        chosen: (stream) => {
          note(`agreed on a connection with ${formatEndpoint(stream.remote.host, stream.remote.port)}, after ${loop.summary}`);
          resolve(stream.link());
        },
        failed: () => reject(new NetworkError("ERR_PUNCH_FAILED", `by TCP: ${loop.summary}`)),
      });
      const stop = (): void => {
        note(loop.summary);
        loop.stop();
        reject(signal.reason);
      };
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  // Some systems let one port have one connection only: those that keep the mapping make room, and most NATs do not forget it at once.
  #makingRoom(port: PunchPort<LinkStream>): PunchPort<LinkStream> {
    return {
      connect: (to, done) =>
        port.connect(to, (outcome) => {
          if (outcome === "in-use") this.#letGo();
          done(outcome);
        }),
      listen: (accepted, failed) => port.listen(accepted, failed),
    };
  }

  #contactable(urls: readonly string[]): Endpoint[] {
    const found = new Map<string, Endpoint>();
    for (const url of urls) {
      const endpoint = this.#context.mayContact(url) ? endpointOf(url) : null;
      if (endpoint) found.set(formatEndpoint(endpoint.host, endpoint.port), endpoint);
      else this.#context.note(`not dialled: ${url}`);
    }
    return [...found.values()];
  }

  #send(signal: TcpPunchSignal): void {
    this.#context.sendSignal(signal);
  }

  #sayStop(): void {
    try {
      this.#send({ type: "stop" });
    } catch {
      // Then it finds out by itself, after its deadline.
    }
  }

  #keep(socket: KeptSocket): void {
    if (this.#isOver) socket.destroy();
    else this.#kept.add(socket);
  }

  #letGo(): void {
    for (const socket of this.#kept) socket.destroy();
    this.#kept.clear();
  }

  #end(): void {
    this.#isOver = true;
    this.#deadline.clear();
    this.#letGo();
  }
}

/** `tcp://192.0.2.1:8080` with its address in the one spelling; `null` for anything else. */
function endpointOf(url: string): Endpoint | null {
  try {
    const { scheme, host, port } = parseDialUrl(url);
    return scheme === "tcp" && port !== null ? canonicalEndpoint({ host, port }) : null;
  } catch {
    return null;
  }
}
