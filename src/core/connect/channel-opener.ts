// From a link to a proven peer: runs the handshake and hands the channel to the table of sessions.

import { type ChannelContext, SecureChannel } from "../channel/secure-channel.js";
import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import type { Link } from "../path/link.js";
import type { ChannelOwner } from "../session/session-context.js";
import type { InboundGate } from "./inbound-gate.js";

/** Takes a proven channel over; `null` when there is no place for this peer: the channel is closed then. */
export type Adopt = (peerId: PeerId, channel: SecureChannel, rank: number) => ChannelOwner | null;

export class ChannelOpener {
  readonly #context: ChannelContext;
  readonly #gate: InboundGate;
  readonly #adopt: Adopt;
  readonly #pending = new Set<Link>();
  #closed = false;

  constructor(context: ChannelContext, gate: InboundGate, adopt: Adopt) {
    this.#context = context;
    this.#gate = gate;
    this.#adopt = adopt;
  }

  /**
   * Proves the other end of a link that we asked for.
   * @param initiator - whether we speak first in the handshake: whoever dialled, or made the offer
   * @param expected - the only PeerId that will do; `null` when whoever answers will
   * @param ended - called when the link is over after it was proven, once its session knows
   * @throws NetworkError `ERR_HANDSHAKE_…`, `ERR_DIAL_SELF`, or why the link ended; or the signal's reason
   */
  connect(
    link: Link,
    rank: number,
    initiator: boolean,
    expected: PeerId | null,
    signal: AbortSignal,
    ended?: (error: NetworkError | null) => void,
  ): Promise<PeerId> {
    return new Promise<PeerId>((resolve, reject) => {
      if (signal.aborted || this.#closed) {
        link.close();
        reject(signal.aborted ? signal.reason : new NetworkError("ERR_CLOSED"));
        return;
      }
      const stop = (): void => {
        reject(signal.reason);
        link.close();
      };
      signal.addEventListener("abort", stop, { once: true });
      const done = (outcome: PeerId | NetworkError): void => {
        signal.removeEventListener("abort", stop);
        if (typeof outcome === "string") resolve(outcome);
        else reject(outcome);
      };
      this.#run(link, initiator, rank, expected, done, ended);
    });
  }

  /** Lets somebody in, when the gate allows it. @param source - who the limits are counted for */
  accept(link: Link, rank: number, source: string): void {
    let leave: ((proven: boolean) => void) | null = null;
    let outcome: boolean | null = null;
    const start = (): void => {
      this.#run(link, false, rank, null, (result) => {
        outcome = typeof result === "string";
        leave?.(outcome);
      });
    };
    leave = this.#gate.enter(source, start, () => link.close());
    // A link that was dead on arrival is over before `enter` returns.
    if (!leave) link.close();
    else if (outcome !== null) leave(outcome);
  }

  /** Closes everything that has not proven a peer yet, now and from now on: a dial may still be under way. */
  close(): void {
    this.#closed = true;
    this.#gate.close();
    for (const link of [...this.#pending]) link.close();
  }

  #run(
    link: Link,
    initiator: boolean,
    rank: number,
    expected: PeerId | null,
    done: (outcome: PeerId | NetworkError) => void,
    ended?: (error: NetworkError | null) => void,
  ): void {
    let owner: ChannelOwner | null = null;
    let settled = false;
    const settle = (outcome: PeerId | NetworkError): void => {
      if (settled) return;
      settled = true;
      this.#pending.delete(link);
      done(outcome);
    };
    this.#pending.add(link);
    new SecureChannel(link, initiator, expected, this.#context, {
      open: (peerId, channel) => {
        owner = this.#adopt(peerId, channel, rank);
        if (owner) {
          settle(peerId);
        } else {
          settle(new NetworkError("ERR_LIMIT_CONNECTIONS", "on this side", { peerId }));
          channel.close();
        }
      },
      record: (bytes) => owner?.record(bytes),
      datagram: (bytes) => owner?.datagram(bytes),
      drain: () => owner?.drain(),
      closed: (error) => {
        settle(error ?? new NetworkError("ERR_CLOSED"));
        owner?.closed(error);
        ended?.(error);
      },
    });
  }
}
