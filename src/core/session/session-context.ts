// What a session is given by its owner, and what it tells it.

import type { BufferPool } from "../buffer-pool.js";
import { ByteWriter } from "../bytes.js";
import { RECORD_OVERHEAD_BYTES } from "../channel/secure-channel.js";
import type { NetworkError } from "../errors.js";
import type { ConnectionStatus, PeerId } from "../events.js";
import { plainMessageIdAt } from "../message/envelope.js";
import type { NetworkLimits } from "../options.js";
import type { LinkKind } from "../path/link.js";
import type { Millis, Random, Runtime } from "../runtime.js";
import type { ByteStream } from "../stream/byte-stream.js";
import { EndedInstances } from "./ended-instances.js";
import { PartialBudget } from "./partial-budget.js";
import type { TrafficLimits } from "./traffic-context.js";

/** What a session is told once and for all. */
export interface SessionContext extends TrafficLimits {
  readonly random: Random;
  readonly ownId: PeerId;
  readonly ownName: string;
  readonly resumeWindowMs: Millis;
  /** One for all sessions of a manager: a record is filled, sealed and gone within one call. */
  readonly recordWriter: ByteWriter;
  /** Our instances that were ended on purpose, of all sessions of a manager. */
  readonly ended: EndedInstances;
}

/** What a session tells its owner. */
export interface SessionHandlers {
  status(status: ConnectionStatus, error: NetworkError | null): void;
  path(path: LinkKind, previous: LinkKind | null): void;
  /** One application message, encoded. A promise holds its bytes in the receive window until it settles. */
  message(bytes: Uint8Array): void | PromiseLike<void>;
  /** One message between the two sessions. */
  control(bytes: Uint8Array): void;
  /** The other side opened a stream. @returns whether somebody takes it */
  stream(stream: ByteStream): boolean;
  /** Whether anybody wants to know what was delivered. */
  hearsDelivered(): boolean;
  delivered(messageId: string): void;
  /** This message may not have arrived, and nobody tries any longer. */
  failed(messageId: string, error: NetworkError): void;
  /** Bytes were acknowledged: there may be room in the queue again. */
  acknowledged(): void;
  /** The other side has lost the conversation and begins anew. */
  restarted(): void;
}

/** What the opener of a channel passes on to the session that owns it. */
export interface ChannelOwner {
  record(bytes: Uint8Array): void;
  datagram(bytes: Uint8Array): void;
  drain(): void;
  closed(error: NetworkError | null): void;
}

/** What messages that have arrived in part may hold, of all peers together: sixteen of the largest. */
const PARTIAL_BYTES = 256 * 1024 * 1024;

/** The largest record: what a Noise message holds beside its tag. */
const RECORD_BUFFER_BYTES = 65_535 - RECORD_OVERHEAD_BYTES;

/** What the sessions of one manager share. */
export function sessionContext(
  { clock, random }: Runtime,
  ownId: PeerId,
  ownName: string,
  limits: NetworkLimits,
  buffers: BufferPool,
): SessionContext {
  return {
    clock,
    random,
    ownId,
    ownName,
    resumeWindowMs: limits.resumeWindowMs,
    receiveBufferBytes: limits.receiveBufferBytes,
    maxMessageBytes: limits.maxMessageBytes,
    recordWriter: new ByteWriter(RECORD_BUFFER_BYTES),
    ended: new EndedInstances(clock),
    partials: new PartialBudget(PARTIAL_BYTES),
    buffers,
    idAt: plainMessageIdAt,
  };
}
