// Requests that we have sent and that wait for their reply, per peer.

import type { SendOptions } from "../call-options.js";
import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { encodeCancel, encodeEnvelope } from "../message/envelope.js";
import type { Message, OutgoingMessage } from "../message/message.js";
import { newMessageId } from "../message/message-id.js";
import type { Clock, Millis } from "../runtime.js";
import { LANE_BULK, LANE_INTERACTIVE, type Outlet } from "./outlet.js";

/** What `request` takes beside its subject. */
export interface RequestOptions extends SendOptions {
  /** Gives up when it aborts: the call rejects with `signal.reason`, and the handler at the other side is told by its own signal. */
  readonly signal?: AbortSignal;
  /** Longest wait for the reply, in ms, from 1 to 2 147 483 647. Default 30 000. */
  readonly timeoutMs?: number;
}

/** Most requests that wait for one peer's replies. The other side allows as many, see `handlers.ts`. */
export const MAX_REQUESTS = 1_024;
const DEFAULT_TIMEOUT_MS: Millis = 30_000;
/** Longest delay of a timer in Node and in browsers: a larger one would be due at once. */
const MAX_TIMEOUT_MS: Millis = 2 ** 31 - 1;

interface Waiting {
  resolve(reply: Message): void;
  reject(error: NetworkError): void;
}

export class Requests {
  readonly #clock: Clock;
  readonly #maxMessageBytes: number;
  readonly #outlet: Outlet;
  readonly #peers = new Map<PeerId, Map<string, Waiting>>();

  constructor(clock: Clock, maxMessageBytes: number, outlet: Outlet) {
    this.#clock = clock;
    this.#maxMessageBytes = maxMessageBytes;
    this.#outlet = outlet;
  }

  /**
   * Sends a request and resolves to its reply.
   * @throws NetworkError `ERR_OPTION_INVALID`, `ERR_MESSAGE_…`, `ERR_PEER_UNKNOWN`, `ERR_LIMIT_QUEUE`, `ERR_REQUEST_…`, or why the
   *   session ended; or `signal.reason`
   */
  async send(peerId: PeerId, message: OutgoingMessage, options: RequestOptions): Promise<Message> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    signal?.throwIfAborted();
    if (!(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS)) {
      throw new NetworkError("ERR_OPTION_INVALID", `timeoutMs must be a number from 1 to ${MAX_TIMEOUT_MS}`);
    }
    // Never the message's own id: a reply to an earlier request with the same message must not pass for the reply to this one.
    const id = newMessageId();
    const envelope = encodeEnvelope(message, id, this.#clock.date(), this.#maxMessageBytes, "request");
    if (!this.#outlet.knows(peerId)) throw new NetworkError("ERR_PEER_UNKNOWN", undefined, { peerId });
    if ((this.#peers.get(peerId)?.size ?? 0) >= MAX_REQUESTS) {
      throw new NetworkError("ERR_LIMIT_QUEUE", `${MAX_REQUESTS} requests wait for replies`, { peerId });
    }
    if (!this.#outlet.hasRoom(peerId)) throw new NetworkError("ERR_LIMIT_QUEUE", undefined, { peerId });
    const lane = options.lane === "bulk" ? LANE_BULK : LANE_INTERACTIVE;
    this.#outlet.send(peerId, envelope, lane);
    return new Promise<Message>((resolve, reject) => {
      const giveUp = (reason: unknown): void => {
        if (!this.#take(peerId, id)) return;
        over();
        // In the lane of the request: in another one it could arrive first, and cancel nothing.
        this.#outlet.send(peerId, encodeCancel(id, this.#clock.date()), lane);
        reject(reason);
      };
      const abort = (): void => giveUp(signal?.reason);
      const late = (): void => giveUp(new NetworkError("ERR_REQUEST_TIMEOUT", `${timeoutMs} ms`, { peerId }));
      const timer = this.#clock.after(timeoutMs, late);
      const over = (): void => {
        timer.cancel();
        signal?.removeEventListener("abort", abort);
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#add(peerId, id, {
        resolve: (reply) => {
          over();
          resolve(reply);
        },
        reject: (error) => {
          over();
          reject(error);
        },
      });
    });
  }

  /** A reply from a proven peer. One that nobody waits for, or no longer, is dropped. */
  replied(reply: Message): void {
    this.#take(reply.senderId, reply.id)?.resolve(reply);
  }

  /** A refusal from a proven peer; likewise. */
  refused(peerId: PeerId, id: string, remoteCode: string): void {
    const code = remoteCode === "UNHANDLED" ? "ERR_REQUEST_UNHANDLED" : "ERR_REQUEST_FAILED";
    this.#take(peerId, id)?.reject(new NetworkError(code, remoteCode, { peerId, remoteCode }));
  }

  /** The conversation with this peer is over, and no reply will come. */
  end(peerId: PeerId, error: NetworkError): void {
    const waiting = this.#peers.get(peerId);
    this.#peers.delete(peerId);
    for (const one of waiting?.values() ?? []) one.reject(error);
  }

  #add(peerId: PeerId, id: string, waiting: Waiting): void {
    const others = this.#peers.get(peerId);
    if (others) others.set(id, waiting);
    else this.#peers.set(peerId, new Map([[id, waiting]]));
  }

  #take(peerId: PeerId, id: string): Waiting | undefined {
    const waiting = this.#peers.get(peerId);
    const one = waiting?.get(id);
    if (!waiting || !one) return undefined;
    waiting.delete(id);
    if (waiting.size === 0) this.#peers.delete(peerId);
    return one;
  }
}
