// Gives a session that lost its last link a new one: tries every known way, with growing pauses, until the session ends.

import { backoffDelay } from "../backoff.js";
import { toNetworkError } from "../errors.js";
import type { Clock, Millis, Random, Timer } from "../runtime.js";
import type { PeerSession } from "../session/peer-session.js";

export interface ReconnectorContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly baseMs: Millis;
  readonly maxMs: Millis;
}

/** Who is to come back. */
export interface Reachable {
  /** One attempt, over all ways that are known. */
  connect(signal: AbortSignal): Promise<unknown>;
}

//  idle ──session lost its links──▶ waiting ──delay──▶ trying ──▶ idle, when the session is connected or over
//                                      ▲─────── failed ───┘
export class Reconnector {
  readonly #session: PeerSession;
  readonly #context: ReconnectorContext;
  readonly #peer: Reachable;
  #timer: Timer | null = null;
  #retryAt: Millis = 0;
  #running: AbortController | null = null;
  #failures = 0;

  constructor(session: PeerSession, context: ReconnectorContext, peer: Reachable) {
    this.#session = session;
    this.#context = context;
    this.#peer = peer;
  }

  /** When it tries again, in monotonic ms; `null` where nothing is planned. */
  get retryAt(): Millis | null {
    return this.#timer && this.#retryAt;
  }

  /** The session's status changed. */
  statusChanged(): void {
    if (this.#session.status !== "reconnecting") {
      this.stop();
    } else if (!this.#timer && !this.#running) {
      this.#failures = 0;
      this.#schedule();
    }
  }

  /** The network changed: no reason to wait any longer. */
  networkChanged(): void {
    if (!this.#timer) return;
    this.#timer.cancel();
    this.#timer = null;
    this.#failures = 0;
    this.#attempt();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#running?.abort();
    this.#running = null;
  }

  #schedule(): void {
    const { clock, random, baseMs, maxMs } = this.#context;
    const delay = backoffDelay(this.#failures, baseMs, maxMs, random);
    this.#retryAt = clock.now() + delay;
    this.#timer = clock.after(delay, () => {
      this.#timer = null;
      this.#attempt();
    });
  }

  #attempt(): void {
    const controller = new AbortController();
    this.#running = controller;
    this.#peer.connect(controller.signal).then(
      () => this.#ended(controller),
      (error: unknown) => {
        if (controller.signal.aborted) return;
        const reason = toNetworkError(error, "ERR_DIAL_FAILED", { peerId: this.#session.peerId });
        // Where the peer was, somebody else is: trying again would only tell them more.
        if (reason.code === "ERR_HANDSHAKE_AUTH") this.#session.close("done", reason);
        this.#ended(controller);
      },
    );
  }

  #ended(controller: AbortController): void {
    if (this.#running !== controller) return;
    this.#running = null;
    this.#failures++;
    if (this.#session.status === "reconnecting") this.#schedule();
  }
}
