// Punching by TCP once both sides know where the other one is seen from: dials, listens, greets, and agrees on one connection.

import { unitInterval } from "../core/backoff.js";
import { concatBytes, EMPTY_BYTES, equalBytes } from "../core/bytes.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import type { Clock, Millis, Random, Timer } from "../core/runtime.js";
import type { Endpoint } from "./datagram-port.js";
import { plannedRemotes, type TcpPunchPlan } from "./tcp-punch-plan.js";
import { type DialFailure, encodeGreeting, GREETING_BYTES, type PunchPort, type PunchStream } from "./tcp-punch-port.js";

export interface PunchLoopOptions<S extends PunchStream> {
  readonly port: PunchPort<S>;
  /** Where the other side may be seen from: all of them checked, and at least one that the plan dials. */
  readonly remotes: readonly Endpoint[];
  readonly plan: TcpPunchPlan;
  readonly initiator: boolean;
  /** What each side begins every connection with. */
  readonly ownToken: Uint8Array;
  readonly theirToken: Uint8Array;
  /** Round trip to the other side, in ms, as far as it is known. */
  readonly rttMs: Millis;
  readonly clock: Clock;
  readonly random: Random;
  /** The connection that both sides have agreed on; everything else is closed. Called once, instead of `failed`. */
  chosen(stream: S): void;
  /** There is nothing left to do. */
  failed(): void;
  note(step: string): void;
}

/** Dials in one attempt, to all addresses together. */
export const MAX_PUNCH_DIALS = 40;
/** A dial is given up and made anew after this, and after two round trips at least: the kernel would send again after 1 s only. */
const DIAL_LEAST_MS: Millis = 300;
/** What is added by lot. Less for the first dial of an address, which was too early by a little if it was in vain. */
const DIAL_SPREAD_MS: Millis = 700;
const FIRST_DIAL_SPREAD_MS: Millis = 100;
/** Pause after a refusal. Drawn by lot, so that two sides which missed each other do not go on missing each other in step. */
const PAUSE_LEAST_MS: Millis = 10;
const PAUSE_MOST_MS: Millis = 200;
/** After so many refusals of one address it is not about the first moments any more: the pause becomes four times as long. */
const QUICK_DIALS = 8;
/** From dialling to listening on the same port: the dial must have its port by then, as listening shuts others out. */
const LISTEN_AFTER_MS: Millis = 50;
/** How long a new connection may take for its greeting. */
const GREETING_TIMEOUT_MS: Millis = 2_000;
/** Connections that are open at a time and have not been agreed on. */
const MAX_PUNCH_STREAMS = 8;

//  waiting ─▶ dialling ──open──▶ greeting ──chosen──▶ (over)
//     ▲          │ refused, silent   │ ended, wrong, late
//     └─ listen ─┴──▶ pausing ◀──────┘
type LaneState =
  | { readonly kind: "waiting" }
  | { readonly kind: "dialling"; readonly cancel: () => void; readonly timer: Timer }
  | { readonly kind: "pausing"; readonly timer: Timer }
  | { readonly kind: "greeting" };

/** One address of the other side. One connection at a time: the four numbers that name it are always the same. */
interface Lane {
  readonly remote: Endpoint;
  state: LaneState;
  failures: number;
}

interface Greeting<S> {
  readonly stream: S;
  /** `null`: it was accepted. */
  readonly lane: Lane | null;
  timer: Timer | null;
  received: Uint8Array;
  /** The responder has greeted back; the next byte decides. */
  answered: boolean;
}

/**
 * How two sides agree on one connection, when any number of them may open at about the same time, and some on one side only (one
 * gave its dial up, or closed its listener, while the other's was being acknowledged):
 *
 * 1. The initiator writes its token on every connection that opens. The responder writes nothing before it has read that.
 * 2. The responder answers it with its own token, on every connection, and still takes none. Thereby the initiator knows of a
 *    connection that the peer has it too and reads from it: one that is open here alone never answers.
 * 3. The initiator takes the first connection that answers, closes all others, and hands it over: the handshake's first message
 *    follows. It takes one only, as it stops at the first.
 * 4. The responder takes the connection on which anything follows, and closes all others. Bytes beyond the token are written on the
 *    one connection of step 3 only, so this is the same one, and there is no second.
 *
 * Between 2 and 4 the responder dials no more, and closes nothing that it has answered: what the initiator takes is not pulled away.
 * If that connection breaks all the same, both sides see it end, and neither is left with another one.
 *
 * The tokens prove nothing about the peer, that is the handshake's matter; they sort out whoever else sits at an address or knocks
 * at the port. Each side sends its own token, never bytes that the other side chose: a peer could name the address of some third
 * party, and have us say to it what it likes.
 */
export class TcpPunchLoop<S extends PunchStream> {
  readonly #options: PunchLoopOptions<S>;
  readonly #lanes: readonly Lane[];
  readonly #hosts: ReadonlySet<string>;
  readonly #greetings = new Set<Greeting<S>>();
  readonly #outcomes = new Map<string, number>();
  #dials = 0;
  #accepted = 0;
  #listener: { readonly close: () => void } | null = null;
  #listenTimer: Timer | null = null;
  #mayListen: boolean;
  #isOver = false;

  /** Begins at once. */
  constructor(options: PunchLoopOptions<S>) {
    this.#options = options;
    this.#lanes = plannedRemotes(options.plan, options.remotes).map((remote) => ({
      remote,
      state: { kind: "waiting" },
      failures: 0,
    }));
    this.#hosts = new Set(options.remotes.map(({ host }) => host));
    this.#mayListen = options.plan.listen !== null;
    this.#round();
  }

  /** What was done so far, in words. */
  get summary(): string {
    const outcomes = [...this.#outcomes].map(([outcome, count]) => `${count} ${outcome}`);
    const accepted = this.#accepted > 0 ? `, ${this.#accepted} accepted` : "";
    return `${this.#dials === 1 ? "1 dial" : `${this.#dials} dials`}${outcomes.length > 0 ? `: ${outcomes.join(", ")}` : ""}${accepted}`;
  }

  /** Gives up: closes everything. Calling it twice is harmless. */
  stop(): void {
    this.#end(null);
  }

  // Dials all addresses that wait, and listens behind it where that is our part.
  #round(): void {
    for (const lane of this.#lanes) if (lane.state.kind === "waiting") this.#dial(lane);
    if (!this.#mayListen || this.#isOver) return;
    this.#listenTimer?.cancel();
    this.#listenTimer = this.#after(LISTEN_AFTER_MS, () => this.#listen());
  }

  #dial(lane: Lane): void {
    if (this.#isOver || this.#listener || this.#hasAnswered || this.#dials >= MAX_PUNCH_DIALS) {
      lane.state = { kind: "waiting" };
      this.#checkExhausted();
      return;
    }
    this.#dials++;
    const cancel = this.#options.port.connect(lane.remote, (outcome) => {
      if (lane.state.kind !== "dialling") return;
      lane.state.timer.cancel();
      if (typeof outcome === "string") this.#dialFailed(lane, outcome);
      else this.#opened(outcome, lane);
    });
    const spreadMs = lane.failures === 0 ? FIRST_DIAL_SPREAD_MS : DIAL_SPREAD_MS;
    const patienceMs = Math.max(DIAL_LEAST_MS, 2 * this.#options.rttMs) + this.#between(0, spreadMs);
    const timer = this.#after(patienceMs, () => {
      cancel();
      this.#dialFailed(lane, "silent");
    });
    lane.state = { kind: "dialling", cancel, timer };
  }

  #dialFailed(lane: Lane, outcome: DialFailure | "silent"): void {
    this.#count(outcome);
    if (lane.failures === 0) this.#options.note(`${formatEndpoint(lane.remote.host, lane.remote.port)}: ${outcome}`);
    lane.failures++;
    const endsListening = outcome === "refused" && this.#options.plan.listen?.untilRefused;
    // Who was silent has waited long enough.
    this.#pause(lane, outcome === "silent" ? PAUSE_LEAST_MS : this.#between(PAUSE_LEAST_MS, PAUSE_MOST_MS), () => {
      lane.state = { kind: "waiting" };
      if (endsListening) this.#listened();
      else this.#dial(lane);
    });
  }

  #pause(lane: Lane, ms: Millis, then = () => this.#dial(lane)): void {
    const factor = lane.failures > QUICK_DIALS ? 4 : 1;
    lane.state = { kind: "pausing", timer: this.#after(factor * ms, then) };
  }

  #listen(): void {
    const { port, plan, note } = this.#options;
    if (!plan.listen || this.#hasAnswered) return;
    if (this.#outcomes.size === 0) note("listens on the port that it dials from");
    const close = port.listen(
      (stream) => this.#accept(stream),
      () => {
        note("the port cannot be listened on: only dials");
        this.#mayListen = false;
        this.#listened();
      },
    );
    this.#listener = { close };
    const ms = this.#between(plan.listen.leastMs, plan.listen.mostMs);
    this.#listenTimer = this.#after(ms, () => {
      // With no dial left, listening is all that there is to do, until somebody stops it.
      if (this.#dials < MAX_PUNCH_DIALS) this.#listened();
    });
  }

  #listened(): void {
    this.#listener?.close();
    this.#listener = null;
    this.#listenTimer?.cancel();
    this.#listenTimer = null;
    if (!this.#isOver) this.#round();
  }

  #accept(stream: S): void {
    if (this.#isOver || !this.#hosts.has(stream.remote.host)) stream.destroy();
    else {
      this.#accepted++;
      this.#opened(stream, null);
    }
  }

  #opened(stream: S, lane: Lane | null): void {
    if (this.#isOver || this.#greetings.size >= MAX_PUNCH_STREAMS) {
      stream.destroy();
      if (lane) this.#pause(lane, PAUSE_MOST_MS);
      return;
    }
    const greeting: Greeting<S> = { stream, lane, timer: null, received: EMPTY_BYTES, answered: false };
    if (lane) lane.state = { kind: "greeting" };
    this.#greetings.add(greeting);
    greeting.timer = this.#after(GREETING_TIMEOUT_MS, () => this.#drop(greeting, "without a greeting"));
    stream.read(
      (bytes) => this.#read(greeting, bytes),
      () => this.#drop(greeting, "closed again"),
    );
    if (this.#options.initiator) stream.write(encodeGreeting(this.#options.ownToken));
  }

  #read(greeting: Greeting<S>, bytes: Uint8Array): void {
    if (!this.#greetings.has(greeting) || bytes.length === 0) return;
    if (greeting.answered) {
      this.#choose(greeting, bytes);
      return;
    }
    greeting.received = concatBytes(greeting.received, bytes.subarray(0, GREETING_BYTES + 1));
    // Nothing may follow a greeting before it was answered, so more than one is as wrong as another one.
    if (greeting.received.length < GREETING_BYTES) return;
    if (!equalBytes(greeting.received, encodeGreeting(this.#options.theirToken))) this.#drop(greeting, "somebody else");
    else if (this.#options.initiator) this.#choose(greeting, EMPTY_BYTES);
    else this.#answer(greeting);
  }

  #answer(greeting: Greeting<S>): void {
    greeting.answered = true;
    // The attempt's deadline is all that ends it now, or the other side.
    greeting.timer?.cancel();
    greeting.stream.write(encodeGreeting(this.#options.ownToken));
  }

  get #hasAnswered(): boolean {
    return [...this.#greetings].some(({ answered }) => answered);
  }

  #drop(greeting: Greeting<S>, why: string): void {
    if (!this.#greetings.delete(greeting)) return;
    greeting.timer?.cancel();
    greeting.stream.destroy();
    this.#count(why);
    if (greeting.lane) {
      greeting.lane.failures++;
      this.#pause(greeting.lane, this.#between(PAUSE_LEAST_MS, PAUSE_MOST_MS));
    }
    if (greeting.answered && !this.#listener && !this.#hasAnswered) this.#round();
  }

  #choose(greeting: Greeting<S>, rest: Uint8Array): void {
    this.#greetings.delete(greeting);
    greeting.timer?.cancel();
    greeting.stream.release(rest);
    this.#end(() => this.#options.chosen(greeting.stream));
  }

  #checkExhausted(): void {
    const isIdle = this.#lanes.every(({ state }) => state.kind === "waiting");
    if (this.#dials < MAX_PUNCH_DIALS || !isIdle || this.#mayListen || this.#greetings.size > 0) return;
    this.#end(() => this.#options.failed());
  }

  #end(then: (() => void) | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener?.close();
    this.#listenTimer?.cancel();
    for (const { state } of this.#lanes) {
      if (state.kind === "dialling") state.cancel();
      if (state.kind === "dialling" || state.kind === "pausing") state.timer.cancel();
    }
    for (const { stream, timer } of this.#greetings) {
      timer?.cancel();
      stream.destroy();
    }
    this.#greetings.clear();
    then?.();
  }

  #after(ms: Millis, callback: () => void): Timer {
    return this.#options.clock.after(ms, () => {
      if (!this.#isOver) callback();
    });
  }

  #count(outcome: string): void {
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
  }

  #between(least: Millis, most: Millis): Millis {
    return least + (most - least) * unitInterval(this.#options.random);
  }
}
