// Checks of pairs, a local socket and a remote address each: probes out, answers in, until both sides agree on one pair.

import { unitInterval } from "../core/backoff.js";
import { equalBytes, toHex } from "../core/bytes.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import type { Clock, Millis, Random, Timer } from "../core/runtime.js";
import type { DatagramPort, Endpoint } from "./datagram-port.js";
import { decodeProbe, encodeProbe, looksLikeProbe, PROBE, PROBE_ID_BYTES, type ProbeKeys } from "./probe.js";

/** Probes of a pair: at random distances within the first second, then one a second. */
const FAST_MS: Millis = 1_000;
const LEAST_PAUSE_MS: Millis = 10;
const MOST_PAUSE_MS: Millis = 200;
const SLOW_PAUSE_MS: Millis = 1_000;
/** Most probes of a pair that nobody answered. */
export const MAX_TRIES = 10;
/** How long the first pair that works waits for one of a higher priority that is still being tried. */
const SETTLE_MS: Millis = 50;
/** Between two requests to use a pair, and how many. */
const USE_EVERY_MS: Millis = 100;
const MAX_USES = 20;
/** Pairs that are checked because a probe came from an address that nobody named (RFC 8445 §7.3.1.3). */
const MAX_REFLEXIVE = 8;
/** Pings whose answer is still of interest. */
const MAX_OUTSTANDING = 8_192;

/** A way between the two sides. */
export interface Pair {
  readonly port: DatagramPort;
  readonly remote: Endpoint;
}

/** What {@link Checks} is given. */
export interface ChecksContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: ProbeKeys;
  /** By which the other side calls us, and we the other side. */
  readonly ownTag: Uint8Array;
  readonly remoteTag: Uint8Array;
  /** Whether we are willing to answer to this address and to probe it. */
  mayProbe(remote: Endpoint): boolean;
  /** Both sides have agreed on this pair. Called once. */
  agreed(pair: Pair): void;
  /** The first answer came, or the first probe of the other side: for the record. */
  note(step: string): void;
}

interface Check extends Pair {
  readonly priority: number;
  readonly since: Millis;
  tries: number;
  timer: Timer | null;
  works: boolean;
}

//  checking ──an answer──▶ settling ──USE, by the side that offers──▶ agreed
export class Checks {
  readonly #context: ChecksContext;
  readonly #checks = new Map<string, Check>();
  readonly #outstanding = new Map<string, Pair>();
  readonly #listening = new Map<DatagramPort, { readonly name: number; stop(): void }>();
  #reflexive = 0;
  #settle: Timer | null = null;
  #use: { readonly pair: Pair; readonly id: Uint8Array } | null = null;
  #useTimer: Timer | null = null;
  #agreed = false;
  #agreedKey: string | null = null;
  #heard = false;
  #stopped = false;

  constructor(context: ChecksContext) {
    this.#context = context;
  }

  /** Whether a pair has been agreed on. */
  get agreed(): boolean {
    return this.#agreed;
  }

  /** Hears what comes to a socket. */
  listen(port: DatagramPort): void {
    if (this.#listening.has(port) || this.#stopped) return;
    const stop = port.subscribe((datagram, from) => this.#receive(port, datagram, from));
    this.#listening.set(port, { name: this.#listening.size, stop });
  }

  /** Probes a pair until it answers, up to {@link MAX_TRIES} times. A second call for the same pair begins its tries anew. */
  add(port: DatagramPort, remote: Endpoint, priority: number): void {
    if (this.#stopped || this.#agreed || !this.#context.mayProbe(remote)) return;
    this.listen(port);
    const key = this.#keyOf(port, remote);
    const old = this.#checks.get(key);
    if (old?.works) return;
    old?.timer?.cancel();
    const check: Check = { port, remote, priority, since: this.#context.clock.now(), tries: 0, timer: null, works: false };
    this.#checks.set(key, check);
    this.#probe(check);
  }

  /** Sends one probe, which may be answered as any other. @param ttl - how many routers it may pass; default: all */
  once(port: DatagramPort, remote: Endpoint, ttl?: number): void {
    if (this.#stopped || this.#agreed || !this.#context.mayProbe(remote)) return;
    this.listen(port);
    this.#ping(port, remote, ttl);
  }

  /** Sends nothing more of its own accord; still answers, as the last word of the other side may have been lost. */
  rest(): void {
    for (const check of this.#checks.values()) check.timer?.cancel();
    this.#settle?.cancel();
    this.#useTimer?.cancel();
    this.#checks.clear();
    this.#outstanding.clear();
  }

  stop(): void {
    this.#stopped = true;
    this.rest();
    for (const { stop } of this.#listening.values()) stop();
    this.#listening.clear();
  }

  #keyOf(port: DatagramPort, remote: Endpoint): string {
    return `${this.#listening.get(port)?.name} ${formatEndpoint(remote.host, remote.port)}`;
  }

  #probe(check: Check): void {
    check.timer = null;
    if (this.#stopped || this.#agreed || check.works || check.tries >= MAX_TRIES) return;
    check.tries++;
    this.#ping(check.port, check.remote);
    const { clock, random } = this.#context;
    const fast = clock.now() - check.since < FAST_MS;
    const pause = fast ? LEAST_PAUSE_MS + unitInterval(random) * (MOST_PAUSE_MS - LEAST_PAUSE_MS) : SLOW_PAUSE_MS;
    check.timer = clock.after(pause, () => this.#probe(check));
  }

  #ping(port: DatagramPort, remote: Endpoint, ttl?: number): void {
    const { random, keys, remoteTag } = this.#context;
    const id = random.bytes(PROBE_ID_BYTES);
    this.#outstanding.set(toHex(id), { port, remote });
    if (this.#outstanding.size > MAX_OUTSTANDING) {
      for (const oldest of this.#outstanding.keys()) {
        this.#outstanding.delete(oldest);
        break;
      }
    }
    port.send(encodeProbe(keys, PROBE.PING, remoteTag, id), remote, ttl);
  }

  #receive(port: DatagramPort, datagram: Uint8Array, from: Endpoint): void {
    const { keys, ownTag, remoteTag } = this.#context;
    if (this.#stopped || !looksLikeProbe(datagram, ownTag) || !this.#context.mayProbe(from)) return;
    const probe = decodeProbe(keys, datagram);
    if (!probe) return;
    if (!this.#heard) {
      this.#heard = true;
      this.#context.note(`first probe came from ${formatEndpoint(from.host, from.port)}`);
    }
    if (probe.kind === PROBE.PING) {
      port.send(encodeProbe(keys, PROBE.PONG, remoteTag, probe.id), from);
      this.#triggered(port, from);
    } else if (probe.kind === PROBE.PONG) {
      this.#answered(port, from, probe.id);
    } else if (probe.kind === PROBE.USE && !keys.offers && this.#mayUse(port, from)) {
      port.send(encodeProbe(keys, PROBE.USED, remoteTag, probe.id), from);
      this.#agree({ port, remote: from });
    } else if (probe.kind === PROBE.USED && this.#use && equalBytes(probe.id, this.#use.id)) {
      this.#agree(this.#use.pair);
    }
  }

  // Only a pair that answered us: whoever copies a request to use one, and is faster, has answered nothing.
  #mayUse(port: DatagramPort, from: Endpoint): boolean {
    const key = this.#keyOf(port, from);
    return this.#agreed ? key === this.#agreedKey : this.#checks.get(key)?.works === true;
  }

  // The other side reached us from here: what we send there should arrive as well.
  #triggered(port: DatagramPort, from: Endpoint): void {
    const known = this.#checks.get(this.#keyOf(port, from));
    if (known ? known.works || known.timer !== null : this.#reflexive >= MAX_REFLEXIVE) return;
    if (!known) this.#reflexive++;
    this.add(port, from, known?.priority ?? 0);
  }

  #answered(port: DatagramPort, from: Endpoint, id: Uint8Array): void {
    const asked = this.#outstanding.get(toHex(id));
    // An answer from elsewhere says nothing of the way there (RFC 8445 §7.2.5.2.1).
    if (!asked || asked.port !== port || asked.remote.host !== from.host || asked.remote.port !== from.port) return;
    this.#outstanding.delete(toHex(id));
    const key = this.#keyOf(port, from);
    const { clock } = this.#context;
    const check = this.#checks.get(key) ?? { ...asked, priority: 0, since: clock.now(), tries: 0, timer: null, works: false };
    check.works = true;
    check.timer?.cancel();
    check.timer = null;
    this.#checks.set(key, check);
    if (!this.#context.keys.offers || this.#use) return;
    const better = [...this.#checks.values()].some((other) => !other.works && other.timer && other.priority > check.priority);
    this.#settle?.cancel();
    if (better) this.#settle = clock.after(SETTLE_MS, () => this.#choose());
    else this.#choose();
  }

  #choose(): void {
    this.#settle = null;
    const [best] = [...this.#checks.values()].filter((check) => check.works).sort((a, b) => b.priority - a.priority);
    if (!best || this.#use) return;
    this.#use = { pair: { port: best.port, remote: best.remote }, id: this.#context.random.bytes(PROBE_ID_BYTES) };
    this.#askToUse(this.#use.pair, this.#use.id, 1);
  }

  #askToUse(pair: Pair, id: Uint8Array, count: number): void {
    const { clock, keys, remoteTag } = this.#context;
    pair.port.send(encodeProbe(keys, PROBE.USE, remoteTag, id), pair.remote);
    if (count < MAX_USES) this.#useTimer = clock.after(USE_EVERY_MS, () => this.#askToUse(pair, id, count + 1));
  }

  #agree(pair: Pair): void {
    if (this.#agreed) return;
    this.#agreed = true;
    this.#agreedKey = this.#keyOf(pair.port, pair.remote);
    this.rest();
    this.#context.agreed(pair);
  }
}
