// Punching by UDP: two sides that hear each other inside a session open a direct path through their NATs.
// What they tell each other is in PROTOCOL.md, "Punching by UDP"; what two NATs allow in punch-plan.ts; the probes in checks.ts.

import { unitInterval } from "../core/backoff.js";
import { NetworkError, toNetworkError } from "../core/errors.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import type { NegotiateContext } from "../core/path/transport.js";
import type { Clock, Millis, Random, Timer } from "../core/runtime.js";
import { candidatePriority } from "./candidate.js";
import { Checks, type Pair } from "./checks.js";
import type { DatagramPort, Endpoint } from "./datagram-port.js";
import { type Hmac, PROBE_KEY_BYTES, PROBE_TAG_BYTES } from "./probe.js";
import { isHopeless, type NatView, type PunchPlan, portAfter, punchPlan } from "./punch-plan.js";
import { decodePunchSignal, encodePunchSignal, type PunchHello, type PunchReady, type PunchSignal } from "./punch-signal.js";

/** Routers that an opener passes: it opens our own NAT and dies before it can annoy the other one. */
export const OPENER_TTL = 2;
/** Sockets behind a random NAT, probes to random ports from the other side, and how many of them each 10 ms. */
export const BIRTHDAY_SOCKETS = 256;
export const BIRTHDAY_PROBES = 2_048;
const BIRTHDAY_BURST = 10;
const BIRTHDAY_BURST_MS: Millis = 10;
/** A random NAT before one that filters by address alone needs no birthday: time for that to show. */
const BIRTHDAY_AFTER_MS: Millis = 300;
/** Two sequential NATs: our opener is on its way for so long before anything follows. */
const OPENER_LEAD_MS: Millis = 150;
/** Ports beyond the predicted one that are probed too, once each: somebody else behind that NAT may have taken it. */
const PREDICTED_BEYOND = 3;
/** From the moment when both sides know what to do until they give up; where nothing but the own addresses is left, and else. */
const LOCAL_MS: Millis = 1_500;
const PUNCH_MS: Millis = 5_000;
/** How long the agreed pair is still answered for: the last word to the other side may have been lost. */
const LINGER_MS: Millis = 3_000;

/** What punching is given by its runtime. */
export interface PunchTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly hmac: Hmac;
  /** The socket of all attempts. */
  readonly port: DatagramPort;
  /** Our own addresses for that socket. */
  readonly hosts: readonly Endpoint[];
  /** A further socket, at any port. @throws whatever went wrong */
  openPort(): Promise<DatagramPort>;
  /** What is known of our NAT; asked anew where nothing is. Never rejects but by `signal`. */
  natView(stunServers: readonly string[], signal: AbortSignal): Promise<NatView>;
  /** Where a STUN server sees this socket, which has been used for nothing before. @throws NetworkError when none answers */
  mappedOf(port: DatagramPort, stunServers: readonly string[], signal: AbortSignal): Promise<Endpoint>;
  /** Asks for the one place in this process for a birthday. @returns how to leave it, and whether it led anywhere; `null`: not now */
  enterBirthday(): ((answered: boolean) => void) | null;
}

/** A path that both sides have agreed on. */
export interface Punched extends Pair {
  /** Numbers of both ends of the UDX stream. */
  readonly ownStream: number;
  readonly remoteStream: number;
}

/** An attempt. */
export interface Punching {
  /** Rejects with `ERR_PUNCH_FAILED`, `ERR_PUNCH_HOPELESS`, `ERR_FRAME_MALFORMED` or the reason of the signal. */
  readonly result: Promise<Punched>;
  receiveSignal(value: unknown): void;
}

export type PunchContext = Pick<NegotiateContext, "initiator" | "signal" | "sendSignal" | "stunServers" | "mayContact" | "note">;

/** Starts an attempt. */
export function punch(context: PunchContext, tools: PunchTools): Punching {
  const attempt = new Punch(context, tools);
  return { result: attempt.result, receiveSignal: (value) => attempt.receive(value) };
}

//  hello, nat ──both known──▶ planned ──own NAT open──▶ ready ──other side ready──▶ probing ──▶ agreed
class Punch {
  readonly #context: PunchContext;
  readonly #tools: PunchTools;
  readonly #hello: PunchHello;
  readonly #abort = new AbortController();
  readonly #ports: DatagramPort[] = [];
  readonly #timers = new Set<Timer>();
  #checks: Checks | null = null;
  #remoteHello: PunchHello | null = null;
  #own: NatView | null = null;
  #remote: NatView | null = null;
  #plan: PunchPlan | null = null;
  /** The socket that a sequential NAT's prediction is about. */
  #predicted: DatagramPort | null = null;
  #ready = false;
  #remoteReady: PunchReady | null = null;
  #probing = false;
  #leaveBirthday: ((answered: boolean) => void) | null = null;
  #settle!: { resolve(punched: Punched): void; reject(reason: unknown): void };
  #over = false;
  readonly result: Promise<Punched>;

  constructor(context: PunchContext, tools: PunchTools) {
    this.#context = context;
    this.#tools = tools;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever punches may have gone; a failure that nobody waits for must not end a process.
    this.result.catch(() => undefined);
    const { random } = tools;
    this.#hello = {
      kind: "hello",
      tag: random.bytes(PROBE_TAG_BYTES),
      key: context.initiator ? random.bytes(PROBE_KEY_BYTES) : null,
      stream: 1 + Math.floor(unitInterval(random) * 0xffff_fffe),
      hosts: tools.hosts,
    };
    if (context.signal.aborted) {
      this.#fail(context.signal.reason);
      return;
    }
    context.signal.addEventListener("abort", this.#onAbort, { once: true });
    this.#send(this.#hello);
    void this.#discover();
  }

  receive(value: unknown): void {
    if (this.#over) return;
    try {
      const signal = decodePunchSignal(value, this.#context.mayContact);
      if (signal?.kind === "hello") this.#greeted(signal);
      else if (signal?.kind === "nat") this.#remote ??= signal;
      else if (signal?.kind === "ready") this.#remoteReady ??= signal;
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#advance();
  }

  readonly #onAbort = (): void => this.#fail(this.#context.signal.reason);

  #send(signal: PunchSignal): void {
    if (!this.#over) this.#context.sendSignal(encodePunchSignal(signal));
  }

  async #discover(): Promise<void> {
    try {
      const view = await this.#tools.natView(this.#context.stunServers, this.#abort.signal);
      if (this.#over) return;
      this.#own = view;
      this.#context.note(`our NAT: ${describe(view)}`);
      this.#send({ kind: "nat", ...view });
      this.#advance();
    } catch (error) {
      this.#fail(error);
    }
  }

  #greeted(hello: PunchHello): void {
    if (this.#remoteHello) return;
    const key = this.#hello.key ?? hello.key;
    if (!key) throw new NetworkError("ERR_FRAME_MALFORMED", "a signal of punching: no key");
    this.#remoteHello = hello;
    const { clock, random, hmac, port } = this.#tools;
    this.#checks = new Checks({
      clock,
      random,
      keys: { hmac, key, offers: this.#context.initiator },
      ownTag: this.#hello.tag,
      remoteTag: hello.tag,
      mayProbe: ({ host, port: at }) => this.#context.mayContact(`udp://${formatEndpoint(host, at)}`),
      agreed: (pair) => this.#agreed(pair),
      note: (step) => this.#context.note(step),
    });
    this.#checks.listen(port);
    for (const host of hello.hosts) this.#checks.add(port, host, candidatePriority("host", host));
  }

  // Does what can be done with what is known by now.
  #advance(): void {
    const [own, remote] = [this.#own, this.#remote];
    if (this.#over || !own || !remote || !this.#checks) return;
    if (!this.#plan) {
      this.#plan = punchPlan(own, remote);
      this.#context.note(`the other side's NAT: ${describe(remote)}; plan: ${this.#plan}`);
      this.#after(this.#plan === "local" ? LOCAL_MS : PUNCH_MS, () => this.#fail(this.#whyNot(own, remote)));
      void this.#open(this.#plan, own, remote).catch((error: unknown) => this.#fail(error));
    }
    if (this.#ready && this.#remoteReady && !this.#probing) {
      this.#probing = true;
      this.#probe(this.#plan, own, remote, this.#remoteReady);
    }
  }

  #whyNot(own: NatView, remote: NatView): NetworkError {
    if (isHopeless(own, remote)) return new NetworkError("ERR_PUNCH_HOPELESS", `${own.habit} against ${remote.habit}`);
    if (!own.mapped) return new NetworkError("ERR_PUNCH_FAILED", "no STUN server answers us by UDP");
    if (!remote.mapped) return new NetworkError("ERR_PUNCH_FAILED", "no STUN server answers the other side by UDP");
    return new NetworkError("ERR_PUNCH_FAILED", `no probe came through: ${own.habit} against ${remote.habit}`);
  }

  // Opens our NAT for what the other side will send, and says so.
  async #open(plan: PunchPlan, own: NatView, remote: NatView): Promise<void> {
    const [checks, target] = [this.#checks, remote.mapped];
    if (plan === "local" || !checks || !target) return;
    let from: Endpoint | null = null;
    if (plan === "predict" && own.habit === "sequential") {
      this.#predicted = await this.#openPort();
      const seen = await this.#tools.mappedOf(this.#predicted, this.#context.stunServers, this.#abort.signal);
      if (this.#over) return;
      from = { host: seen.host, port: portAfter(seen.port, own.step) };
      this.#context.note(`our NAT's next port should be ${from.port}`);
      // The next destination gets the next port, so nothing else may be sent from here before.
      if (remote.habit !== "sequential") checks.once(this.#predicted, target, OPENER_TTL);
    } else if (plan === "birthday") {
      this.#leaveBirthday = this.#tools.enterBirthday();
      if (!this.#leaveBirthday)
        throw new NetworkError("ERR_PUNCH_FAILED", "probing random ports is for one attempt at a time, and not soon again");
      const ports = own.habit === "random" ? await this.#openPorts(BIRTHDAY_SOCKETS) : [this.#tools.port];
      for (const port of ports) checks.once(port, target, OPENER_TTL);
    } else if (plan === "open") {
      checks.once(this.#tools.port, target, OPENER_TTL);
    }
    if (this.#over) return;
    this.#ready = true;
    this.#send({ kind: "ready", from });
    this.#advance();
  }

  #probe(plan: PunchPlan, own: NatView, remote: NatView, ready: PunchReady): void {
    const checks = this.#checks as Checks;
    const target = ready.from ?? (remote.mapped as Endpoint);
    const priority = candidatePriority("server-reflexive", target);
    if (plan === "predict" && this.#predicted) {
      const port = this.#predicted;
      if (remote.habit !== "sequential") {
        checks.add(port, target, priority);
      } else {
        checks.once(port, target, OPENER_TTL);
        this.#after(OPENER_LEAD_MS, () => checks.add(port, target, priority));
      }
    } else if (plan === "predict") {
      checks.add(this.#tools.port, target, priority);
      for (let i = 1; i <= PREDICTED_BEYOND; i++) {
        checks.once(this.#tools.port, { host: target.host, port: portAfter(target.port, i * remote.step) });
      }
    } else if (plan === "birthday" && own.habit !== "random") {
      this.#after(BIRTHDAY_AFTER_MS, () => this.#birthday(target.host, BIRTHDAY_PROBES));
    } else {
      checks.add(this.#tools.port, target, priority);
    }
  }

  // Probes random ports of one address, at a bounded rate, until one of them is one of the other side's.
  #birthday(host: string, left: number): void {
    if (left === 0 || this.#over) return;
    if (left === BIRTHDAY_PROBES) this.#context.note(`probing random ports of ${host}`);
    for (let i = 0; i < BIRTHDAY_BURST && left > 0; i++, left--) {
      const port = 1_024 + Math.floor(unitInterval(this.#tools.random) * 64_512);
      this.#checks?.once(this.#tools.port, { host, port });
    }
    this.#after(BIRTHDAY_BURST_MS, () => this.#birthday(host, left));
  }

  async #openPorts(count: number): Promise<DatagramPort[]> {
    return Promise.all(Array.from({ length: count }, () => this.#openPort()));
  }

  async #openPort(): Promise<DatagramPort> {
    const port = await this.#tools.openPort();
    if (this.#over) port.close();
    else this.#ports.push(port);
    return port;
  }

  #after(ms: Millis, callback: () => void): void {
    const timer = this.#tools.clock.after(ms, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
  }

  #agreed(pair: Pair): void {
    const { remoteHello, checks } = { remoteHello: this.#remoteHello as PunchHello, checks: this.#checks };
    this.#context.note(`agreed on ${formatEndpoint(pair.remote.host, pair.remote.port)}`);
    this.#end(pair.port);
    this.#tools.clock.after(LINGER_MS, () => checks?.stop());
    this.#settle.resolve({ ...pair, ownStream: this.#hello.stream, remoteStream: remoteHello.stream });
  }

  #fail(reason: unknown): void {
    if (this.#over) return;
    this.#end(null);
    this.#checks?.stop();
    this.#settle.reject(reason === this.#context.signal.reason ? reason : toNetworkError(reason, "ERR_PUNCH_FAILED"));
  }

  #end(winner: DatagramPort | null): void {
    this.#over = true;
    this.#context.signal.removeEventListener("abort", this.#onAbort);
    this.#abort.abort(new NetworkError("ERR_CLOSED"));
    for (const timer of this.#timers) timer.cancel();
    this.#leaveBirthday?.(winner !== null);
    for (const port of this.#ports) if (port !== winner) port.close();
  }
}

function describe({ habit, mapped, step }: NatView): string {
  if (!mapped) return "no STUN server answers";
  return `${habit}${habit === "sequential" ? ` by ${step}` : ""}, seen at ${formatEndpoint(mapped.host, mapped.port)}`;
}
