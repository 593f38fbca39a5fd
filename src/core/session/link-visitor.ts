// What comes from one link, and what the entries of its records mean for the session.

import { NetworkError } from "../errors.js";
import type { Clock, Millis, Timer } from "../runtime.js";
import type { GoodbyeReason, Hello, Lane, RecordVisitor } from "./record.js";
import type { ChannelOwner } from "./session-context.js";
import type { LinkOwner, SessionLink } from "./session-link.js";
import type { Traffic } from "./traffic.js";

const HELLO_TIMEOUT_MS: Millis = 10_000;

/** What a link may bring about. */
export interface Conversation extends LinkOwner {
  readonly isOver: boolean;
  /** It changes when the other side begins anew. */
  readonly traffic: Traffic;
  /** @param visitor - of a record; `null` for a datagram */
  received(link: SessionLink, bytes: Uint8Array, visitor: RecordVisitor | null): void;
  /** The link takes records again. */
  drained(link: SessionLink): void;
  hello(link: SessionLink, hello: Hello): void;
  retired(link: SessionLink): void;
  goodbye(reason: GoodbyeReason): void;
}

/** A class and no closures: each session has one of these for as long as it lives. */
export class LinkVisitor implements RecordVisitor, ChannelOwner {
  readonly #link: SessionLink;
  readonly #conversation: Conversation;
  /** Runs until the other side's hello has come. */
  #greeting: Timer | null;

  constructor(link: SessionLink, clock: Clock, conversation: Conversation) {
    this.#link = link;
    this.#conversation = conversation;
    this.#greeting = clock.after(HELLO_TIMEOUT_MS, () =>
      conversation.dropped(link, new NetworkError("ERR_HANDSHAKE_TIMEOUT", "no hello")),
    );
  }

  // ---- of the channel --------------------------------------------------------------------------------------------------

  record(bytes: Uint8Array): void {
    this.#conversation.received(this.#link, bytes, this);
  }

  datagram(bytes: Uint8Array): void {
    // One that overtakes the hello is of no conversation that we know of; it is not acknowledged, and comes again.
    if (this.#link.stage !== "greeting") this.#conversation.received(this.#link, bytes, null);
  }

  drain(): void {
    this.#conversation.drained(this.#link);
  }

  closed(error: NetworkError | null): void {
    this.#greeted();
    this.#conversation.dropped(this.#link, error);
  }

  // ---- of a record -----------------------------------------------------------------------------------------------------

  hello(hello: Hello): void {
    this.#greeted();
    if (!this.#conversation.isOver) this.#conversation.hello(this.#link, hello);
  }

  data(lane: Lane, offset: number, bytes: Uint8Array): void {
    this.#checkGreeted();
    if (!this.#conversation.isOver) this.#conversation.traffic.accept(lane, offset, bytes);
  }

  ack(lane: Lane, offset: number, window: number): void {
    this.#checkGreeted();
    this.#conversation.traffic.acknowledge(lane, offset, window);
    // More may be sent now.
    this.#conversation.wake();
  }

  stream(id: number, offset: number, bytes: Uint8Array): void {
    this.#checkGreeted();
    this.#conversation.traffic.acceptStream(id, offset, bytes);
  }

  streamAck(id: number, offset: number, window: number): void {
    this.#checkGreeted();
    this.#conversation.traffic.acknowledgeStream(id, offset, window);
    // More may be sent now.
    this.#conversation.wake();
  }

  ping(token: number): void {
    this.#link.pinged(token);
  }

  pong(token: number): void {
    this.#link.pong(token);
  }

  retire(): void {
    this.#checkGreeted();
    this.#conversation.retired(this.#link);
  }

  goodbye(reason: GoodbyeReason): void {
    this.#conversation.goodbye(reason);
  }

  #greeted(): void {
    this.#greeting?.cancel();
    this.#greeting = null;
  }

  #checkGreeted(): void {
    if (this.#link.stage === "greeting") throw new NetworkError("ERR_FRAME_MALFORMED", "data before hello");
  }
}
