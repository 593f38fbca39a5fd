// Request and response: what a NetworkManager holds of it, and where envelopes that are no plain messages go.

import type { Peer } from "../connect/peer-table.js";
import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { decodeCancel, decodeEnvelope, decodeRefusal, envelopeKindOf } from "../message/envelope.js";
import type { Message, OutgoingMessage } from "../message/message.js";
import { withOwnPayload } from "../message/own-payload.js";
import type { Notifier } from "../notifier.js";
import type { NetworkLimits } from "../options.js";
import type { Clock } from "../runtime.js";
import { Handlers, type RequestHandler } from "./handlers.js";
import { Outlet } from "./outlet.js";
import { ReplyQueue } from "./reply-queue.js";
import { type RequestOptions, Requests } from "./requests.js";

export class RequestExchange {
  readonly #requests: Requests;
  readonly #handlers: Handlers;

  /** @param peerOf - the peer with this id, `undefined` where there is no session */
  constructor(
    limits: Pick<NetworkLimits, "maxMessageBytes" | "sendQueueBytes">,
    clock: Clock,
    notifier: Notifier,
    peerOf: (peerId: PeerId) => Peer | undefined,
  ) {
    const { maxMessageBytes, sendQueueBytes } = limits;
    const outlet = new Outlet(sendQueueBytes, peerOf);
    const replies = new ReplyQueue(outlet);
    this.#requests = new Requests(clock, maxMessageBytes, outlet);
    const callbackThrew = (error: unknown): void => notifier.callbackThrew(error);
    this.#handlers = new Handlers({ clock, maxMessageBytes, callbackThrew }, replies);
    notifier.on("connection", ({ peerId, status, error }) => {
      if (status === "disconnected") this.ended(peerId, error ?? new NetworkError("ERR_CLOSED", undefined, { peerId }));
    });
    // Later, so that the application, which is told in this moment, finds room as well.
    notifier.on("drain", ({ peerId }) => {
      if (replies.waitingFor(peerId) > 0) clock.defer(() => replies.drain(peerId));
    });
  }

  request(peerId: PeerId, message: OutgoingMessage, options: RequestOptions): Promise<Message> {
    return this.#requests.send(peerId, message, options);
  }

  handle(type: string, handler: RequestHandler): () => void {
    return this.#handlers.set(type, handler);
  }

  /**
   * Takes an envelope that is no plain message.
   * @throws NetworkError `ERR_MESSAGE_MALFORMED`
   */
  receive(peerId: PeerId, bytes: Uint8Array): void {
    const kind = envelopeKindOf(bytes);
    if (kind === "request") {
      this.#handlers.receive(withOwnPayload(decodeEnvelope(bytes, peerId)), bytes.length);
    } else if (kind === "reply") {
      this.#requests.replied(withOwnPayload(decodeEnvelope(bytes, peerId)));
    } else if (kind === "refusal") {
      const { id, code } = decodeRefusal(bytes);
      this.#requests.refused(peerId, id, code);
    } else if (kind === "cancel") {
      this.#handlers.cancel(peerId, decodeCancel(bytes));
    } else {
      throw new NetworkError("ERR_MESSAGE_MALFORMED", "a plain message among requests");
    }
  }

  /** The conversation with this peer is over, for good or because the other side has lost it. */
  ended(peerId: PeerId, error: NetworkError): void {
    this.#requests.end(peerId, error);
    this.#handlers.end(peerId, error);
  }
}
