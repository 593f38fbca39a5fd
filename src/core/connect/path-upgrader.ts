// Looks for a better path than the one in use: tells the other side where we can be dialled, dials, negotiates, tries again later.

import { backoffDelay } from "../backoff.js";
import { abortable } from "../deadline.js";
import { NetworkError, toNetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { isDialable } from "../path/dialable.js";
import type { Negotiation, Transport } from "../path/transport.js";
import type { Clock, Millis, Random, Timer } from "../runtime.js";
import type { PeerSession } from "../session/peer-session.js";
import type { Dialer, DialledLink } from "./dialer.js";
import { decodePathMessage, encodePathMessage, type PathMessage, type PathsMessage } from "./path-message.js";
import { type Attempt, race } from "./race.js";

/** First and largest delay before direct paths are tried again. */
const RETRY_BASE_MS: Millis = 5_000;
const RETRY_MAX_MS: Millis = 60_000;
/** Head start of the side with the smaller PeerId where both can dial, and of dialling where a negotiation could do as well. */
const HEAD_START_MS: Millis = 1_000;
/** How long a negotiation may take. */
const NEGOTIATION_TIMEOUT_MS: Millis = 15_000;
/** Largest signal, as JSON text. */
const MAX_SIGNAL_LENGTH = 60 * 1024;

export interface UpgraderContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly ownId: PeerId;
  readonly dialer: Dialer;
  /** Transports that negotiate their links. */
  readonly negotiators: readonly Transport[];
  /** URLs that we listen at, now. */
  ownAddresses(): readonly string[];
  /** Whether addresses of this machine make sense for this peer. */
  allowLoopback(): boolean;
  /** Proves the peer on a new link and gives it to its session. */
  open(dialled: DialledLink, initiator: boolean, peerId: PeerId, signal: AbortSignal): Promise<unknown>;
  onError(error: NetworkError): void;
}

interface RunningNegotiation {
  readonly attempt: number;
  readonly negotiation: Negotiation;
  readonly controller: AbortController;
}

/** A way to a better path: what it would lead to, and what to do for it. */
interface Way {
  readonly rank: number;
  readonly delayMs: Millis;
  readonly attempt: Attempt<unknown>;
}

export class PathUpgrader {
  readonly #session: PeerSession;
  readonly #context: UpgraderContext;
  #remote: PathsMessage | null = null;
  readonly #negotiations = new Map<string, RunningNegotiation>();
  #attempts = 0;
  /** When the other side last began a negotiation, in monotonic ms. */
  #negotiatedAt = Number.NEGATIVE_INFINITY;
  /** Attempts under way, with the rank that each would lead to. */
  #running: { readonly rank: number; readonly controller: AbortController }[] = [];
  #failures = 0;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(session: PeerSession, context: UpgraderContext) {
    this.#session = session;
    this.#context = context;
  }

  /** Addresses of the other side that we may dial, best first; used for reconnecting as well. */
  get candidates(): readonly string[] {
    const policy = { allowLoopback: this.#context.allowLoopback() };
    const own = new Set(this.#context.ownAddresses());
    return (this.#remote?.addresses ?? [])
      .filter((url) => this.#context.dialer.rankOf(url) !== null && isDialable(url, policy) && !own.has(url))
      .sort((a, b) => (this.#context.dialer.rankOf(a) ?? 0) - (this.#context.dialer.rankOf(b) ?? 0));
  }

  /** The session has a path, or another one. */
  pathChanged(): void {
    if (this.#stopped) return;
    this.#failures = 0;
    this.#giveUp(this.#session.pathRank);
    this.#evaluate();
  }

  /** Tells the other side where we are; again whenever that may have changed. */
  announce(): void {
    const { dialer, negotiators } = this.#context;
    this.#tell({
      kind: "paths",
      addresses: this.#context.ownAddresses(),
      schemes: dialer.schemes,
      negotiable: negotiators.map((transport) => transport.kind),
    });
  }

  /** The network changed: what failed before may work now. */
  networkChanged(): void {
    if (this.#session.status !== "connected") return;
    this.announce();
    this.#failures = 0;
    this.#timer?.cancel();
    this.#timer = null;
    this.#evaluate();
  }

  /** Takes a message of the other session. @throws NetworkError `ERR_MESSAGE_MALFORMED` */
  receive(bytes: Uint8Array): void {
    const message = decodePathMessage(bytes);
    if (this.#stopped || !message) return;
    if (message.kind === "paths") {
      this.#remote = message;
      this.#evaluate();
    } else {
      this.#signal(message.link, message.attempt, message.signal);
    }
  }

  /** The other side begins anew, and so does the count of its attempts. */
  restarted(): void {
    this.#remote = null;
    this.#attempts = 0;
    this.#failures = 0;
    this.#abandon();
  }

  stop(): void {
    this.#stopped = true;
    this.#abandon();
  }

  #abandon(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#giveUp(Number.NEGATIVE_INFINITY);
    for (const running of this.#negotiations.values()) running.controller.abort(new NetworkError("ERR_CLOSED"));
    this.#negotiations.clear();
  }

  #tell(message: PathMessage): void {
    try {
      this.#session.sendControl(encodePathMessage(message));
    } catch (error) {
      this.#context.onError(toNetworkError(error, "ERR_MESSAGE_INVALID", { peerId: this.#session.peerId }));
    }
  }

  // Ends the attempts that would not lead to anything better than `rank`.
  #giveUp(rank: number): void {
    for (const running of this.#running) {
      if (running.rank >= rank) running.controller.abort(new NetworkError("ERR_CLOSED", "a better path was found"));
    }
  }

  #evaluate(): void {
    if (this.#stopped || this.#session.status !== "connected" || this.#running.length > 0 || this.#timer) return;
    const ways = this.#ways();
    if (ways.length === 0) return;
    const running = ways.map((way) => ({ rank: way.rank, controller: new AbortController() }));
    this.#running = running;
    const attempts = ways.map((way, i) => this.#try(way, (running[i] as { controller: AbortController }).controller.signal));
    void Promise.allSettled(attempts).then(() => {
      this.#running = [];
      this.#afterAttempts();
    });
  }

  async #try(way: Way, signal: AbortSignal): Promise<void> {
    if (way.delayMs > 0) await this.#pause(way.delayMs, signal);
    // Somebody was faster, perhaps the other side.
    if (this.#session.pathRank <= way.rank || this.#session.status !== "connected") return;
    await way.attempt(signal);
  }

  #pause(ms: Millis, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#context.clock.after(ms, () => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
      const stop = (): void => {
        timer.cancel();
        reject(signal.reason);
      };
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  #afterAttempts(): void {
    if (this.#stopped || this.#timer || this.#session.status !== "connected" || this.#ways().length === 0) return;
    const delay =
      RETRY_BASE_MS + backoffDelay(this.#failures++, RETRY_BASE_MS, RETRY_MAX_MS - RETRY_BASE_MS, this.#context.random);
    this.#timer = this.#context.clock.after(delay, () => {
      this.#timer = null;
      this.#evaluate();
    });
  }

  // Everything that would be better than the path in use.
  #ways(): Way[] {
    const remote = this.#remote;
    if (!remote) return [];
    const ways = [...this.#dialWays(remote), ...this.#negotiateWays(remote)];
    return ways.filter((way) => way.rank < this.#session.pathRank);
  }

  #dialWays(remote: PathsMessage): Way[] {
    const { dialer, ownId } = this.#context;
    const byRank = new Map<number, string[]>();
    for (const url of this.candidates) {
      const rank = dialer.rankOf(url) as number;
      byRank.set(rank, [...(byRank.get(rank) ?? []), url]);
    }
    const schemesOfOurs = new Set(this.#context.ownAddresses().map((url) => url.slice(0, url.indexOf(":"))));
    return [...byRank].map(([rank, urls]) => {
      const mutual = urls.some((url) => {
        const scheme = url.slice(0, url.indexOf(":"));
        return schemesOfOurs.has(scheme) && remote.schemes.includes(scheme);
      });
      return {
        rank,
        delayMs: mutual && ownId > this.#session.peerId ? HEAD_START_MS : 0,
        attempt: (signal) =>
          race(
            urls.map((url) => this.#dialAttempt(url)),
            this.#context.clock,
            signal,
          ),
      };
    });
  }

  #dialAttempt(url: string): Attempt<unknown> {
    return async (signal) => {
      const dialled = await this.#context.dialer.dial(url, signal);
      return this.#context.open(dialled, true, this.#session.peerId, signal);
    };
  }

  #negotiateWays(remote: PathsMessage): Way[] {
    // One side offers, so that two offers never cross.
    if (this.#context.ownId > this.#session.peerId) return [];
    const someoneCanDial = this.candidates.length > 0 || this.#otherSideCanDial(remote);
    return this.#context.negotiators
      .filter((transport) => remote.negotiable.includes(transport.kind))
      .map((transport) => ({
        rank: transport.rank,
        delayMs: someoneCanDial ? HEAD_START_MS : 0,
        attempt: (signal) => this.#negotiate(transport, true, ++this.#attempts, signal),
      }));
  }

  #otherSideCanDial(remote: PathsMessage): boolean {
    return this.#context.ownAddresses().some((url) => remote.schemes.includes(url.slice(0, url.indexOf(":"))));
  }

  async #negotiate(transport: Transport, initiator: boolean, attempt: number, parent: AbortSignal): Promise<void> {
    if (!transport.negotiate) throw new NetworkError("ERR_ADDRESS_UNSUPPORTED");
    this.#negotiations.get(transport.kind)?.controller.abort(new NetworkError("ERR_CLOSED", "a newer attempt"));
    const controller = new AbortController();
    const timer = this.#context.clock.after(NEGOTIATION_TIMEOUT_MS, () =>
      controller.abort(new NetworkError("ERR_DIAL_TIMEOUT", transport.kind)),
    );
    const follow = (): void => controller.abort(parent.reason);
    parent.addEventListener("abort", follow, { once: true });
    try {
      const negotiation = transport.negotiate({
        initiator,
        signal: controller.signal,
        sendSignal: (signal) => {
          const text = JSON.stringify(signal);
          if (text.length > MAX_SIGNAL_LENGTH) controller.abort(new NetworkError("ERR_FRAME_TOO_LARGE", "a signal"));
          else this.#tell({ kind: "signal", link: transport.kind, attempt, signal: text });
        },
      });
      this.#negotiations.set(transport.kind, { attempt, negotiation, controller });
      // Whoever ignores the signal must not hold up all that comes after; its late link is closed.
      const link = await abortable(negotiation.link, controller.signal, (late) => late.close());
      await this.#context.open({ link, rank: transport.rank }, initiator, this.#session.peerId, controller.signal);
    } finally {
      timer.cancel();
      parent.removeEventListener("abort", follow);
      if (this.#negotiations.get(transport.kind)?.controller === controller) this.#negotiations.delete(transport.kind);
    }
  }

  // Each attempt costs a connection object and sockets: they are not to be had by the thousand.
  #mayNegotiate(): boolean {
    const now = this.#context.clock.now();
    if (now - this.#negotiatedAt < NEGOTIATE_EVERY_MS) return false;
    this.#negotiatedAt = now;
    return true;
  }

  #signal(kind: string, attempt: number, text: string): void {
    const transport = this.#context.negotiators.find((one) => one.kind === kind);
    if (!transport || text.length > MAX_SIGNAL_LENGTH) return;
    const weOffer = this.#context.ownId < this.#session.peerId;
    const running = this.#negotiations.get(kind);
    if (running && running.attempt === attempt) {
      running.negotiation.receiveSignal(parseSignal(text));
    } else if (!weOffer && attempt > this.#attempts && this.#mayNegotiate()) {
      // Numbers only go up: what belongs to an attempt that is over is not taken for a new one.
      this.#attempts = attempt;
      const done = this.#negotiate(transport, false, attempt, new AbortController().signal);
      void done.catch(() => this.#evaluate());
      this.#negotiations.get(kind)?.negotiation.receiveSignal(parseSignal(text));
    }
  }
}

/** Least time between two negotiations that the other side begins: an honest one waits for longer before it tries again. */
const NEGOTIATE_EVERY_MS: Millis = 1_000;

/** The value that the other side meant; `undefined` for what is no JSON, which every negotiation refuses. */
function parseSignal(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
