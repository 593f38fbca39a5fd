// Conversations about links, carried by the session that each of them is to improve: one per kind of link at a time.

import { abortable } from "../deadline.js";
import { NetworkError, toNetworkError } from "../errors.js";
import type { LinkKind } from "../path/link.js";
import type { Negotiation, Transport } from "../path/transport.js";
import type { Clock, Millis } from "../runtime.js";
import type { DialledLink } from "./dialer.js";
import type { PathHistory } from "./path-history.js";
import type { SignalMessage } from "./path-message.js";

/** How long a negotiation may take. */
const NEGOTIATION_TIMEOUT_MS: Millis = 15_000;
/** Largest signal, as JSON text. */
const MAX_SIGNAL_LENGTH = 60 * 1024;
/** Least time between two negotiations of one kind that the other side begins: an honest one waits for longer before it tries again. */
const NEGOTIATE_EVERY_MS: Millis = 1_000;

export interface NegotiatorContext {
  readonly clock: Clock;
  /** Transports that negotiate their links, now. */
  negotiators(): readonly Transport[];
  /** STUN servers that are known now. */
  stunServers(): readonly string[];
  /** Whether we are willing to send to an address that the other side named. */
  mayContact(url: string): boolean;
  /** Whether the other side waits for our offers, and not we for its. */
  readonly offers: boolean;
  tell(signal: SignalMessage): void;
  /** Proves the peer on a new link and gives it to its session. */
  open(link: DialledLink, initiator: boolean, signal: AbortSignal): Promise<unknown>;
  /** A negotiation that the other side began has failed. */
  failed(kind: LinkKind, error: unknown): void;
}

interface Running {
  readonly attempt: number;
  readonly negotiation: Negotiation;
  readonly controller: AbortController;
}

export class Negotiator {
  readonly #context: NegotiatorContext;
  readonly #history: PathHistory;
  readonly #running = new Map<LinkKind, Running>();
  /** The number of the last attempt of each kind. */
  readonly #attempts = new Map<LinkKind, number>();
  /** When the other side last began a negotiation of a kind, in monotonic ms. */
  readonly #begunAt = new Map<LinkKind, Millis>();

  constructor(context: NegotiatorContext, history: PathHistory) {
    this.#context = context;
    this.#history = history;
  }

  /** Offers a link and proves the peer on it. @throws NetworkError why there is none; or the signal's reason */
  offer(transport: Transport, signal: AbortSignal): Promise<void> {
    const attempt = (this.#attempts.get(transport.kind) ?? 0) + 1;
    this.#attempts.set(transport.kind, attempt);
    return this.#negotiate(transport, true, attempt, signal);
  }

  /** Takes a signal of the other side. */
  receive({ link: kind, attempt, signal: text }: SignalMessage): void {
    const transport = this.#context.negotiators().find((one) => one.kind === kind);
    if (!transport || text.length > MAX_SIGNAL_LENGTH) return;
    const running = this.#running.get(kind);
    if (running && running.attempt === attempt) {
      running.negotiation.receiveSignal(parseSignal(text));
    } else if (!this.#context.offers && attempt > (this.#attempts.get(kind) ?? 0) && this.#mayAnswer(kind)) {
      // Numbers only go up: what belongs to an attempt that is over is not taken for a new one.
      this.#attempts.set(kind, attempt);
      const done = this.#negotiate(transport, false, attempt, new AbortController().signal);
      void done.catch((error: unknown) => this.#context.failed(kind, error));
      this.#running.get(kind)?.negotiation.receiveSignal(parseSignal(text));
    }
  }

  /** The other side begins anew, and so does the count of its attempts. */
  restarted(): void {
    this.#attempts.clear();
    this.stop();
  }

  /** Gives up what is under way. */
  stop(): void {
    for (const running of this.#running.values()) running.controller.abort(new NetworkError("ERR_CLOSED"));
    this.#running.clear();
  }

  async #negotiate(transport: Transport, initiator: boolean, attempt: number, parent: AbortSignal): Promise<void> {
    if (!transport.negotiate) throw new NetworkError("ERR_ADDRESS_UNSUPPORTED");
    const { kind, rank } = transport;
    const { clock } = this.#context;
    this.#running.get(kind)?.controller.abort(new NetworkError("ERR_CLOSED", "a newer attempt"));
    const record = this.#history.begin(kind, initiator ? "offer" : "answer", null);
    const controller = new AbortController();
    let late = false;
    const timer = clock.after(NEGOTIATION_TIMEOUT_MS, () => {
      late = true;
      controller.abort(new NetworkError("ERR_DIAL_TIMEOUT", kind));
    });
    const follow = (): void => controller.abort(parent.reason);
    parent.addEventListener("abort", follow, { once: true });
    try {
      const negotiation = transport.negotiate({
        initiator,
        signal: controller.signal,
        stunServers: this.#context.stunServers(),
        mayContact: (url) => this.#context.mayContact(url),
        note: (step) => record.note(step),
        sendSignal: (signal) => {
          const text = JSON.stringify(signal);
          if (text.length > MAX_SIGNAL_LENGTH) controller.abort(new NetworkError("ERR_FRAME_TOO_LARGE", "a signal"));
          else this.#context.tell({ kind: "signal", link: kind, attempt, signal: text });
        },
      });
      this.#running.set(kind, { attempt, negotiation, controller });
      // Whoever ignores the signal must not hold up all that comes after; its late link is closed.
      const link = await abortable(negotiation.link, controller.signal, (open) => open.close());
      record.note(`open${link.remoteAddress === null ? "" : ` to ${link.remoteAddress}`}`);
      await this.#context.open({ link, rank }, initiator, controller.signal);
      record.opened();
    } catch (error) {
      record.failed(toNetworkError(error, "ERR_DIAL_FAILED"), controller.signal.aborted && !late);
      throw error;
    } finally {
      timer.cancel();
      parent.removeEventListener("abort", follow);
      if (this.#running.get(kind)?.controller === controller) this.#running.delete(kind);
    }
  }

  // Each attempt costs a connection object and sockets: they are not to be had by the thousand.
  #mayAnswer(kind: LinkKind): boolean {
    const now = this.#context.clock.now();
    if (now - (this.#begunAt.get(kind) ?? Number.NEGATIVE_INFINITY) < NEGOTIATE_EVERY_MS) return false;
    this.#begunAt.set(kind, now);
    return true;
  }
}

/** The value that the other side meant; `undefined` for what is no JSON, which every negotiation refuses. */
function parseSignal(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
