// What the calls of a NetworkManager take beside their subject.

import type { PeerId } from "./events.js";

/** What `connectToPeer` takes beside whom to reach. */
export interface ConnectOptions {
  /** Gives up when it aborts; the call rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
  /** For the whole call, in ms. Default: `limits.connectTimeoutMs`. */
  readonly timeoutMs?: number;
  /** The only peer that will do; anybody else is refused with `ERR_HANDSHAKE_AUTH` before they learn who we are. */
  readonly peerId?: PeerId;
}

/** How a message travels: what `sendMessage` and `broadcastMessage` take beside it. */
export interface SendOptions {
  /**
   * Messages of one lane arrive in the order sent; lanes do not wait for each other. `"bulk"` is for what must not delay
   * others, such as parts of a file. Default `"interactive"`.
   */
  readonly lane?: "interactive" | "bulk";
  /**
   * Drop the message when it could not be sent within this many ms, and tell `failed` with `ERR_MESSAGE_EXPIRED`. Once it is on
   * its way it is delivered like any other, unless a datagram has lost it (on WebRTC) and it is too old by then. Such a message may
   * overtake others of its lane, and be overtaken by them. Default: never dropped.
   */
  readonly ttlMs?: number;
  /**
   * A newer message with the same key replaces this one while it waits, or when a datagram has lost it (on WebRTC); the replaced one
   * fails with `ERR_MESSAGE_REPLACED`. None is handed on behind a newer one of its key. For cursors, positions and whatever only the
   * newest matters of. Default: nothing is replaced.
   */
  readonly latest?: string;
}

/** What `setMessageCallback` takes. */
export interface MessageCallbackOptions {
  /**
   * Waits for the promise that the callback gives back before it is called with the next message of the same peer. What waits
   * counts against `limits.receiveBufferBytes`, so a slow callback slows its senders. Default `false`.
   */
  readonly awaited?: boolean;
}

/** What `deliver` takes beside the message. */
export interface DeliverOptions extends SendOptions {
  /** Stops waiting when it aborts; the message may arrive all the same. */
  readonly signal?: AbortSignal;
}

/** What `explain` takes about this side. */
export interface ExplainOptions {
  /** How long STUN servers have to tell about our NAT, in ms; after that it is told as unknown. Default 5 000. */
  readonly timeoutMs?: number;
  /** Gives up when it aborts; the call rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}
