// Looks for a better path than the one in use: tells the other side where we can be dialled, dials, negotiates, tries again later.

import { backoffDelay } from "../backoff.js";
import { pause } from "../deadline.js";
import { NetworkError, toNetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { isDialable } from "../path/dialable.js";
import type { LinkKind } from "../path/link.js";
import type { Transport } from "../path/transport.js";
import type { Clock, Millis, Random, Timer } from "../runtime.js";
import type { PeerSession } from "../session/peer-session.js";
import type { Dialer, DialledLink } from "./dialer.js";
import { HEAD_START_MS, headStart } from "./head-start.js";
import { Negotiator } from "./negotiator.js";
import { PathHistory } from "./path-history.js";
import { decodePathMessage, encodePathMessage, type PathMessage, type PathsMessage } from "./path-message.js";
import { type Attempt, race } from "./race.js";
import type { WhatWorked } from "./what-worked.js";

/** First and largest delay before direct paths are tried again. */
const RETRY_BASE_MS: Millis = 5_000;
const RETRY_MAX_MS: Millis = 60_000;
const NONE: readonly LinkKind[] = [];

export interface UpgraderContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly ownId: PeerId;
  readonly dialer: Dialer;
  /** Transports that negotiate their links. */
  readonly negotiators: readonly Transport[];
  /** STUN servers that are known now, as `stun:host:port`. */
  stunServers(): readonly string[];
  /** What led to which peer before, in this session or an earlier one: it is tried without delay. */
  readonly worked: WhatWorked;
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
  /** Made for the first negotiation: most sessions need none. */
  #negotiator: Negotiator | null = null;
  /** What was tried of late, and which paths there were. */
  readonly history: PathHistory;
  /** Kinds of links that cannot be had between these two networks: not tried again before one of them changes. */
  hopeless: readonly LinkKind[] = NONE;
  /** Attempts under way, with the rank that each would lead to. */
  #running: { readonly rank: number; readonly controller: AbortController; over: boolean }[] = [];
  #failures = 0;
  #timer: Timer | null = null;
  #retryAt: Millis = 0;
  /** Since when the session has the path that it has. */
  #since = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(session: PeerSession, context: UpgraderContext) {
    this.#session = session;
    this.#context = context;
    this.history = new PathHistory(context.clock);
  }

  /** What the other side has said of itself; `null` before it has. */
  get remote(): PathsMessage | null {
    return this.#remote;
  }

  /** When better paths are tried again, in monotonic ms; `null` where nothing is planned. */
  get retryAt(): Millis | null {
    return this.#timer && this.#ways().length > 0 ? this.#retryAt : null;
  }

  /** Whether attempts of ours are under way, or about to begin. */
  get isTrying(): boolean {
    return this.#running.length > 0;
  }

  /** Whether the other side could make a better link to us: it dials, or it offers. */
  get awaits(): boolean {
    const remote = this.#remote;
    if (!remote) return false;
    const { ownId, negotiators: transports } = this.#context;
    const { peerId, pathRank } = this.#session;
    const offers = ownId > peerId ? this.#negotiableWith(remote) : [];
    const schemes = this.#context.ownAddresses().map(schemeOf);
    const dials = transports.filter((one) => one.schemes.some((name) => schemes.includes(name) && remote.schemes.includes(name)));
    return [...offers, ...dials].some(({ rank }) => rank < pathRank);
  }

  /** What we make of an address that the other side has named: `foreign` where no transport here dials it. */
  judge(url: string): "dialable" | "refused" | "foreign" {
    if (this.#context.dialer.rankOf(url) === null) return "foreign";
    return this.#mayContact(url) ? "dialable" : "refused";
  }

  /** Addresses of the other side that we may dial, best first; used for reconnecting as well. */
  get candidates(): readonly string[] {
    return (this.#remote?.addresses ?? [])
      .filter((url) => this.judge(url) === "dialable")
      .sort((a, b) => (this.#context.dialer.rankOf(a) ?? 0) - (this.#context.dialer.rankOf(b) ?? 0));
  }

  /** The session has a path, or another one. */
  pathChanged(): void {
    if (this.#stopped) return;
    const now = this.#context.clock.now();
    // A path that has held is looked for at once when it is lost; for one that comes and goes, the pauses stay.
    if (now - this.#since >= RETRY_BASE_MS) this.#startAgain();
    this.#since = now;
    const { path } = this.#session;
    if (path !== null && this.#negotiators.some(({ kind }) => kind === path))
      this.#context.worked.set(this.#session.peerId, path);
    this.#giveUp(this.#session.pathRank);
    this.#evaluate();
  }

  /** Where we can be reached, and what we can reach. */
  get announced(): PathsMessage {
    const { dialer } = this.#context;
    const negotiable = this.#negotiators.map(({ kind }) => kind);
    return { kind: "paths", addresses: this.#context.ownAddresses(), schemes: dialer.schemes, negotiable };
  }

  /** Tells the other side where we are; again whenever that may have changed. */
  announce(): void {
    this.#tell(this.announced);
  }

  /** The network changed: what failed before may work now. */
  networkChanged(): void {
    if (this.#session.status !== "connected") return;
    this.hopeless = NONE;
    this.announce();
    this.#startAgain();
    this.#evaluate();
  }

  /** Takes a message of the other session. @throws NetworkError `ERR_MESSAGE_MALFORMED` */
  receive(bytes: Uint8Array): void {
    const message = decodePathMessage(bytes);
    if (this.#stopped || !message) return;
    if (message.kind === "signal") return this.#negotiations().receive(message);
    // It says so again when its network has changed.
    this.hopeless = NONE;
    this.#remote = message;
    this.#evaluate();
  }

  /** The other side begins anew, and so does the count of its attempts. */
  restarted(): void {
    this.#remote = null;
    this.hopeless = NONE;
    this.#negotiator?.restarted();
    this.#abandon();
  }

  stop(): void {
    this.#stopped = true;
    this.#abandon();
  }

  #startAgain(): void {
    this.#failures = 0;
    this.#running = this.#running.filter(({ over }) => !over);
    this.#timer?.cancel();
    this.#timer = null;
  }

  #abandon(): void {
    this.#startAgain();
    this.#giveUp(Number.NEGATIVE_INFINITY);
    this.#negotiator?.stop();
  }

  #negotiations(): Negotiator {
    const { peerId } = this.#session;
    this.#negotiator ??= new Negotiator(
      {
        clock: this.#context.clock,
        negotiators: () => this.#negotiators,
        stunServers: () => this.#context.stunServers(),
        mayContact: (url) => this.#mayContact(url),
        // One side offers, so that two offers never cross.
        offers: this.#context.ownId < peerId,
        tell: (signal) => this.#tell(signal),
        open: (link, initiator, signal) => this.#context.open(link, initiator, peerId, signal),
        failed: (kind, error) => {
          this.#learn(kind, error);
          this.#evaluate();
        },
      },
      this.history,
    );
    return this.#negotiator;
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
    if (this.#stopped || this.#session.status !== "connected" || this.#timer) return;
    // What was begun on a better path goes on, and does not hold up what is worth trying on this one.
    const ways = this.#ways().filter(({ rank }) => !this.#running.some((one) => one.rank === rank));
    if (ways.length === 0) return;
    const attempts = ways.map((way) => {
      const running = { rank: way.rank, controller: new AbortController(), over: false };
      this.#running.push(running);
      return this.#try(way, running.controller.signal).finally(() => {
        running.over = true;
      });
    });
    void Promise.allSettled(attempts).then(() => {
      if (this.#running.some(({ over }) => !over)) return;
      this.#running = [];
      this.#afterAttempts();
    });
  }

  async #try(way: Way, signal: AbortSignal): Promise<void> {
    if (way.delayMs > 0) await pause(this.#context.clock, way.delayMs, signal);
    // Somebody was faster, perhaps the other side.
    if (this.#session.pathRank <= way.rank || this.#session.status !== "connected") return;
    try {
      await way.attempt(signal);
    } catch (error) {
      this.#learn(way.kind, error);
      throw error;
    }
  }

  #learn(kind: LinkKind, error: unknown): void {
    if (!(error instanceof NetworkError) || error.code !== "ERR_PUNCH_HOPELESS" || this.hopeless.includes(kind)) return;
    this.hopeless = [...this.hopeless, kind];
  }

  #afterAttempts(): void {
    if (this.#stopped || this.#timer || this.#session.status !== "connected" || this.#ways().length === 0) return;
    const delay =
      RETRY_BASE_MS + backoffDelay(this.#failures++, RETRY_BASE_MS, RETRY_MAX_MS - RETRY_BASE_MS, this.#context.random);
    this.#retryAt = this.#context.clock.now() + delay;
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
    const schemesOfOurs = new Set(this.#context.ownAddresses().map(schemeOf));
    return [...byRank].map(([rank, urls]) => {
      const mutual = urls.some((url) => {
        const scheme = schemeOf(url);
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
    const { dialer, open } = this.#context;
    return this.history.noted(dialer.kindOf(url) ?? "", url, async (signal) => {
      await open(await dialer.dial(url, signal), true, this.#session.peerId, signal);
    });
  }

  #negotiateWays(remote: PathsMessage): Way[] {
    if (this.#context.ownId > this.#session.peerId) return [];
    const transports = this.#negotiableWith(remote).sort((a, b) => a.rank - b.rank);
    const someoneCanDial = this.candidates.length > 0 || this.#otherSideCanDial(remote);
    return transports.map((transport, i) => ({
      kind: transport.kind,
      rank: transport.rank,
      delayMs: transport.kind === this.#context.worked.get(this.#session.peerId) ? 0 : headStart(transport, someoneCanDial, i),
      attempt: (signal) => this.#negotiations().offer(transport, signal),
    }));
  }

  #negotiableWith(remote: PathsMessage): Transport[] {
    return this.#negotiators.filter(({ kind }) => remote.negotiable.includes(kind) && !this.hopeless.includes(kind));
  }

  #otherSideCanDial(remote: PathsMessage): boolean {
    return this.#context.ownAddresses().some((url) => remote.schemes.includes(schemeOf(url)));
  }
}

function schemeOf(url: string): string {
  return url.slice(0, url.indexOf(":"));
}
