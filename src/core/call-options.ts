// What the calls of a NetworkManager take beside their subject.

import type { PeerId } from "./events.js";

export interface ConnectOptions {
  /** Gives up when it aborts; the call rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
  /** For the whole call, in ms. Default: `limits.connectTimeoutMs`. */
  readonly timeoutMs?: number;
  /** The only peer that will do; anybody else is refused with `ERR_HANDSHAKE_AUTH` before they learn who we are. */
  readonly peerId?: PeerId;
}

export interface SendOptions {
  /**
   * Messages of one lane arrive in the order sent; lanes do not wait for each other. `"bulk"` is for what must not delay
   * others, such as parts of a file. Default `"interactive"`.
   */
  readonly lane?: "interactive" | "bulk";
}

export interface DeliverOptions extends SendOptions {
  /** Stops waiting when it aborts; the message may arrive all the same. */
  readonly signal?: AbortSignal;
}
