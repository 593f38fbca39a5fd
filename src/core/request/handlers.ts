// Requests that other peers have sent: finds the handler, watches it run, and gives its reply.

import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { encodeEnvelope, encodeRefusal } from "../message/envelope.js";
import type { Message, OutgoingMessage } from "../message/message.js";
import { encodeMessageType } from "../message/message-type.js";
import type { Clock } from "../runtime.js";
import type { ReplyQueue } from "./reply-queue.js";
import { RequestError } from "./request-error.js";
import { MAX_REQUESTS } from "./requests.js";

/** What a request handler is given beside the request. */
export interface RequestContext {
  /** Aborts when nobody waits for the reply any longer: the requester gave up, or the session ended. Its reason is a `NetworkError`. */
  readonly signal: AbortSignal;
  /** Who asks: the proven PeerId. */
  readonly peerId: PeerId;
}

/**
 * Answers requests of one type. What it returns, or the promise resolves to, is the payload of the reply; an object with a string
 * `type` and a `payload` is taken for a whole message. A payload must not change after it was returned: it is sent when there is room.
 * A `RequestError` that it throws tells the requester a code; anything else goes to our own error callback as `ERR_CALLBACK_THREW`.
 */
export type RequestHandler<Payload = unknown> = (message: Message<Payload>, context: RequestContext) => unknown;

export interface HandlersContext {
  readonly clock: Clock;
  /** Largest envelope, and the most that the requests of one peer may take together while their handlers run, in bytes. */
  readonly maxMessageBytes: number;
  callbackThrew(error: unknown): void;
}

interface Running {
  readonly controller: AbortController;
  readonly bytes: number;
}

/** The handlers that run for one peer. They outlive its session: a peer that comes back does not get more of them. */
interface Inbound {
  readonly running: Map<string, Running>;
  bytes: number;
}

export class Handlers {
  readonly #context: HandlersContext;
  readonly #replies: ReplyQueue;
  readonly #handlers = new Map<string, RequestHandler>();
  readonly #peers = new Map<PeerId, Inbound>();

  constructor(context: HandlersContext, replies: ReplyQueue) {
    this.#context = context;
    this.#replies = replies;
  }

  /** Sets the handler of a type, in place of the one before. @returns how to remove it, and nothing but it */
  set(type: string, handler: RequestHandler): () => void {
    encodeMessageType(type);
    if (typeof handler !== "function") throw new NetworkError("ERR_OPTION_INVALID", "a handler is a function");
    // Of its own, so that the same function set twice is two registrations.
    const own: RequestHandler = (message, context) => handler(message, context);
    this.#handlers.set(type, own);
    return () => {
      if (this.#handlers.get(type) === own) this.#handlers.delete(type);
    };
  }

  /**
   * Takes a request from a proven peer.
   * @param bytes - size of its envelope
   * @throws NetworkError `ERR_MESSAGE_MALFORMED` when its id is in use
   */
  receive(request: Message, bytes: number): void {
    const { senderId: peerId, id } = request;
    const inbound = this.#peers.get(peerId) ?? { running: new Map<string, Running>(), bytes: 0 };
    if (inbound.running.has(id) || this.#replies.has(peerId, id)) {
      throw new NetworkError("ERR_MESSAGE_MALFORMED", "a request with an id that is in use");
    }
    const handler = this.#handlers.get(request.type);
    if (!handler) {
      this.#refuse(peerId, id, "UNHANDLED");
      return;
    }
    if (this.#isBusy(peerId, inbound, bytes)) {
      this.#refuse(peerId, id, "BUSY");
      return;
    }
    const running: Running = { controller: new AbortController(), bytes };
    inbound.running.set(id, running);
    inbound.bytes += bytes;
    this.#peers.set(peerId, inbound);
    this.#run(handler, request, running.controller.signal, () => this.#settled(peerId, inbound, id));
  }

  /** The requester does not wait any longer. An id that is not in use is no fault: cancellation and reply may cross. */
  cancel(peerId: PeerId, id: string): void {
    this.#replies.cancel(peerId, id);
    this.#peers
      .get(peerId)
      ?.running.get(id)
      ?.controller.abort(new NetworkError("ERR_REQUEST_CANCELLED", undefined, { peerId }));
  }

  /** The conversation with this peer is over: no reply will find it. */
  end(peerId: PeerId, error: NetworkError): void {
    this.#replies.end(peerId);
    for (const { controller } of [...(this.#peers.get(peerId)?.running.values() ?? [])]) controller.abort(error);
  }

  // A request that was cancelled counts until its handler has ended: else who asks and cancels in turn could have any number run.
  #isBusy(peerId: PeerId, inbound: Inbound, bytes: number): boolean {
    if (inbound.running.size + this.#replies.waitingFor(peerId) >= MAX_REQUESTS) return true;
    return inbound.bytes + bytes > this.#context.maxMessageBytes;
  }

  #settled(peerId: PeerId, inbound: Inbound, id: string): void {
    inbound.bytes -= inbound.running.get(id)?.bytes ?? 0;
    inbound.running.delete(id);
    if (inbound.running.size === 0) this.#peers.delete(peerId);
  }

  #run(handler: RequestHandler, request: Message, signal: AbortSignal, settled: () => void): void {
    const succeeded = (result: unknown): void => {
      settled();
      if (!signal.aborted) this.#reply(request, result);
    };
    const failed = (error: unknown): void => {
      settled();
      // Whatever a handler throws because it was told to stop is no fault of it.
      if (!signal.aborted) this.#fail(request, error);
    };
    let result: unknown;
    let isPending: boolean;
    try {
      result = handler(request, { signal, peerId: request.senderId });
      isPending = isThenable(result);
    } catch (error) {
      failed(error);
      return;
    }
    if (isPending) Promise.resolve(result).then(succeeded, failed);
    else succeeded(result);
  }

  #reply(request: Message, result: unknown): void {
    const { clock, maxMessageBytes } = this.#context;
    this.#replies.send(request.senderId, request.id, () => {
      // What the handler gave may have getters that throw, or be nothing that can be sent.
      try {
        const message = isMessage(result) ? result : { type: request.type, payload: result };
        return encodeEnvelope(message, request.id, clock.date(), maxMessageBytes, "reply");
      } catch (error) {
        this.#context.callbackThrew(error);
        return encodeRefusal(request.id, clock.date(), "INTERNAL");
      }
    });
  }

  #fail(request: Message, error: unknown): void {
    if (error instanceof RequestError) {
      this.#refuse(request.senderId, request.id, error.code);
    } else {
      this.#refuse(request.senderId, request.id, "INTERNAL");
      this.#context.callbackThrew(error);
    }
  }

  #refuse(peerId: PeerId, id: string, code: string): void {
    this.#replies.send(peerId, id, () => encodeRefusal(id, this.#context.clock.date(), code));
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { readonly then?: unknown }).then === "function";
}

function isMessage(value: unknown): value is OutgoingMessage {
  if (typeof value !== "object" || value === null) return false;
  return typeof (value as { readonly type?: unknown }).type === "string" && Object.hasOwn(value, "payload");
}
