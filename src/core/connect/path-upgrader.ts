// Looks for a better path than the one in use: tells the other side where we can be dialled, dials, negotiates, tries again later.

import { backoffDelay } from "../backoff.js";
import { NetworkError, toNetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { isDialable } from "../path/dialable.js";
import type { LinkKind } from "../path/link.js";
import type { Transport } from "../path/transport.js";
import type { Clock, Millis, Random, Timer } from "../runtime.js";
import type { PeerSession } from "../session/peer-session.js";
import type { Dialer, DialledLink } from "./dialer.js";
import { Negotiator } from "./negotiator.js";
import { PathHistory } from "./path-history.js";
import { decodePathMessage, encodePathMessage, type PathMessage, type PathsMessage } from "./path-message.js";
import { type Attempt, race, STAGGER_MS } from "./race.js";

/** First and largest delay before direct paths are tried again. */
const RETRY_BASE_MS: Millis = 5_000;
const RETRY_MAX_MS: Millis = 60_000;
/** Head start of the side with the smaller PeerId where both can dial, and of dialling where a negotiation could do as well. */
const HEAD_START_MS: Millis = 1_000;
export interface UpgraderContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly ownId: PeerId;
  readonly dialer: Dialer;
  /** Transports that negotiate their links. */
  readonly negotiators: readonly Transport[];
  /** STUN servers that are known now, as `stun:host:port`. */
  stunServers(): readonly string[];
  /** URLs that we listen at, now. */
  ownAddresses(): readonly string[];
  /** Whether addresses of this machine make sense for this peer. */
  allowLoopback(): boolean;
  /** Proves the peer on a new link and gives it to its session. */
  open(dialled: DialledLink, initiator: boolean, peerId: PeerId, signal: AbortSignal): Promise<unknown>;
  onError(error: NetworkError): void;
}

/** A way to a better path: what it would lead to, and what to do for it. */
interface Way {
  readonly kind: LinkKind;
  readonly rank: number;
  readonly delayMs: Millis;
  readonly attempt: Attempt<unknown>;
}

export class PathUpgrader {
  readonly #session: PeerSession;
  readonly #context: UpgraderContext;
  #remote: PathsMessage | null = null;
  readonly #negotiator: Negotiator;
  readonly #history: PathHistory;
  /** Kinds of links that cannot be had between these two networks: not tried again before one of them changes. */
  readonly #hopeless = new Set<LinkKind>();
  /** The kind that led to a direct path before: it is tried without delay. */
  #worked: LinkKind | null = null;
  /** Attempts under way, with the rank that each would lead to. */
  #running: { readonly rank: number; readonly controller: AbortController }[] = [];
  #failures = 0;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(session: PeerSession, context: UpgraderContext) {
    this.#session = session;
    this.#context = context;
    this.#history = new PathHistory(context.clock);
    const { clock } = context;
    this.#negotiator = new Negotiator(
      {
        clock,
        negotiators: () => this.#negotiators,
        stunServers: () => context.stunServers(),
        mayContact: (url) => this.#mayContact(url),
        // One side offers, so that two offers never cross.
        offers: context.ownId < session.peerId,
        tell: (signal) => this.#tell(signal),
        open: (link, initiator, signal) => context.open(link, initiator, session.peerId, signal),
        failed: () => this.#evaluate(),
      },
      this.#history,
    );
  }

  /** What was tried of late. */
  get history(): PathHistory {
    return this.#history;
  }

  /** What the other side has said of itself; `null` before it has. */
  get remote(): PathsMessage | null {
    return this.#remote;
  }

  /** Addresses of the other side that we may dial, best first; used for reconnecting as well. */
  get candidates(): readonly string[] {
    return (this.#remote?.addresses ?? [])
      .filter((url) => this.#context.dialer.rankOf(url) !== null && this.#mayContact(url))
      .sort((a, b) => (this.#context.dialer.rankOf(a) ?? 0) - (this.#context.dialer.rankOf(b) ?? 0));
  }

  /** The session has a path, or another one. */
  pathChanged(): void {
    if (this.#stopped) return;
    this.#failures = 0;
    const { path } = this.#session;
    if (path !== null && this.#negotiators.some(({ kind }) => kind === path)) this.#worked = path;
    this.#giveUp(this.#session.pathRank);
    this.#evaluate();
  }

  /** Tells the other side where we are; again whenever that may have changed. */
  announce(): void {
    const { dialer } = this.#context;
    this.#tell({
      kind: "paths",
      addresses: this.#context.ownAddresses(),
      schemes: dialer.schemes,
      negotiable: this.#negotiators.map((transport) => transport.kind),
    });
  }

  /** The network changed: what failed before may work now. */
  networkChanged(): void {
    if (this.#session.status !== "connected") return;
    this.#hopeless.clear();
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
    if (message.kind === "signal") {
      this.#negotiator.receive(message);
      return;
    }
    // It says so again when its network has changed.
    this.#hopeless.clear();
    this.#remote = message;
    this.#evaluate();
  }

  /** The other side begins anew, and so does the count of its attempts. */
  restarted(): void {
    this.#remote = null;
    this.#failures = 0;
    this.#hopeless.clear();
    this.#negotiator.restarted();
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
    this.#negotiator.stop();
  }

  get #negotiators(): readonly Transport[] {
    return this.#context.negotiators.filter((transport) => transport.negotiate !== undefined);
  }

  #mayContact(url: string): boolean {
    return isDialable(url, { allowLoopback: this.#context.allowLoopback() }) && !this.#context.ownAddresses().includes(url);
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
    try {
      await way.attempt(signal);
    } catch (error) {
      if (error instanceof NetworkError && error.code === "ERR_PUNCH_HOPELESS") this.#hopeless.add(way.kind);
      throw error;
    }
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
        kind: dialer.kindOf(urls[0] as string) ?? "",
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
      const record = this.#history.begin(this.#context.dialer.kindOf(url) ?? "", "dial", url);
      try {
        const dialled = await this.#context.dialer.dial(url, signal);
        await this.#context.open(dialled, true, this.#session.peerId, signal);
        record.opened();
      } catch (error) {
        record.failed(toNetworkError(error, "ERR_DIAL_FAILED"), signal.aborted);
        throw error;
      }
    };
  }

  #negotiateWays(remote: PathsMessage): Way[] {
    if (this.#context.ownId > this.#session.peerId) return [];
    const transports = this.#negotiators
      .filter(({ kind }) => remote.negotiable.includes(kind) && !this.#hopeless.has(kind))
      .sort((a, b) => a.rank - b.rank);
    const someoneCanDial = this.candidates.length > 0 || this.#otherSideCanDial(remote);
    return transports.map((transport, i) => ({
      kind: transport.kind,
      rank: transport.rank,
      delayMs: transport.kind === this.#worked ? 0 : headStart(transport, someoneCanDial, i),
      attempt: (signal) => this.#negotiator.offer(transport, signal),
    }));
  }

  #otherSideCanDial(remote: PathsMessage): boolean {
    return this.#context.ownAddresses().some((url) => remote.schemes.includes(url.slice(0, url.indexOf(":"))));
  }
}

/** Dialling costs least and WebRTC most: what costs more waits for what may be there before it. */
function headStart(transport: Transport, someoneCanDial: boolean, place: number): Millis {
  if (transport.kind === "webrtc") return someoneCanDial || place > 0 ? HEAD_START_MS : 0;
  return someoneCanDial ? STAGGER_MS : 0;
}
