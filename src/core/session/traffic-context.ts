// What the traffic of a session is given, and what it tells.

import type { BufferPool } from "../buffer-pool.js";
import type { NetworkError } from "../errors.js";
import type { Clock } from "../runtime.js";
import type { StreamTableHandlers } from "../stream/stream-table.js";
import type { PartialBudget } from "./partial-budget.js";

/** Of one peer: what its messages take that the application has not taken. They outlive a session, and so does their count. */
export interface HeldBytes {
  bytes: number;
}

export interface TrafficLimits {
  readonly clock: Clock;
  /** The id of the message whose envelope begins there; `null` for one that the application does not know by an id. */
  readonly idAt: (bytes: Uint8Array, at: number) => string | null;
  /** Bytes that the other side may send, per lane, ahead of what was handed on. */
  readonly receiveBufferBytes: number;
  /** Largest application message, encoded. */
  readonly maxMessageBytes: number;
  /** Shared by all sessions of a manager. */
  readonly partials: PartialBudget;
  /** What is queued lies in these; shared by all sessions of a manager. */
  readonly buffers: BufferPool;
}

export interface TrafficHandlers {
  /** One application message, encoded. A promise holds its bytes in the receive window until it settles, either way. */
  message(bytes: Uint8Array): void | PromiseLike<void>;
  /** One message between the two sessions that is not about a stream. */
  control(bytes: Uint8Array): void;
  /** The other side opened a stream. @returns whether somebody takes it */
  stream: StreamTableHandlers["opened"];
  /** Whether anybody wants to know what was delivered. */
  hearsDelivered(): boolean;
  delivered(messageId: string): void;
  /** This message was dropped before it was sent. */
  failed(messageId: string, error: NetworkError): void;
  /** Application bytes were acknowledged: there may be room in the queue again. */
  acknowledged(): void;
  /** The window has grown without anything having arrived: tell the other side soon. */
  windowGrew(): void;
  /** There is something to send. */
  wake(): void;
}
