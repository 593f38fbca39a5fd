// From a link to a proven peer: runs the handshake and hands the channel to the table of sessions.

import { type ChannelContext, type ChannelHandlers, SecureChannel } from "../channel/secure-channel.js";
import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import type { Link } from "../path/link.js";
import type { ChannelOwner } from "../session/session-context.js";
import type { InboundGate } from "./inbound-gate.js";

/** Takes a proven channel over; `null` when there is no place for this peer: the channel is closed then. */
export type Adopt = (peerId: PeerId, channel: SecureChannel, rank: number) => ChannelOwner | null;

/** Who wants to know of a link's end. */
export interface EndWatch {
  /** `null` when nobody does any longer. */
  ended: ((error: NetworkError | null) => void) | null;
}

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
   * @param watch - told when the link is over, once its session knows
   * @throws NetworkError `ERR_HANDSHAKE_…`, `ERR_DIAL_SELF`, or why the link ended; or the signal's reason
   */
  connect(
    link: Link,
    rank: number,
    initiator: boolean,
    expected: PeerId | null,
    signal: AbortSignal,
    watch?: EndWatch,
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
      this.#run(link, initiator, rank, expected, done, watch);
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
    watch?: EndWatch,
  ): void {
    this.#pending.add(link);
    const settle = (outcome: PeerId | NetworkError): void => {
      this.#pending.delete(link);
      done(outcome);
    };
    new SecureChannel(link, initiator, expected, this.#context, new OpenLink(rank, this.#adopt, settle, watch));
  }
}

/** What a channel tells, from its handshake to its end. Once the other side is proven, it holds nothing of how that came about. */
class OpenLink implements ChannelHandlers {
  readonly #rank: number;
  readonly #adopt: Adopt;
  readonly #watch: EndWatch | undefined;
  #settle: ((outcome: PeerId | NetworkError) => void) | null;
  #owner: ChannelOwner | null = null;

  constructor(rank: number, adopt: Adopt, settle: (outcome: PeerId | NetworkError) => void, watch: EndWatch | undefined) {
    this.#rank = rank;
    this.#adopt = adopt;
    this.#settle = settle;
    this.#watch = watch;
  }

  open(peerId: PeerId, channel: SecureChannel): void {
    this.#owner = this.#adopt(peerId, channel, this.#rank);
    if (this.#owner) {
      this.#settled(peerId);
    } else {
      this.#settled(new NetworkError("ERR_LIMIT_CONNECTIONS", "on this side", { peerId }));
      channel.close();
    }
  }

  record(bytes: Uint8Array): void {
    this.#owner?.record(bytes);
  }

  datagram(bytes: Uint8Array): void {
    this.#owner?.datagram(bytes);
  }

  drain(): void {
    this.#owner?.drain();
  }

  closed(error: NetworkError | null): void {
    this.#settled(error ?? new NetworkError("ERR_CLOSED"));
    this.#owner?.closed(error);
    this.#watch?.ended?.(error);
  }

  #settled(outcome: PeerId | NetworkError): void {
    const settle = this.#settle;
    this.#settle = null;
    settle?.(outcome);
  }
}
