// What an application sees: peers, events, and the emitter that tells them.

import type { NetworkError } from "./errors.js";
import type { Message } from "./message/message.js";
import type { LinkKind } from "./path/link.js";
import type { ByteStream } from "./stream/byte-stream.js";

/** A peer's name: its Ed25519 public key as 52 characters of lower-case base32. */
export type PeerId = string;

/** Where a session stands. `reconnecting`: its last link died, and it waits for another for `limits.resumeWindowMs`; nothing is lost yet. */
export type ConnectionStatus = "connecting" | "connected" | "reconnecting" | "disconnected";

/** What is known of one peer, as of now. A snapshot: it does not change afterwards. */
export interface PeerInfo {
  readonly id: PeerId;
  /** The name that the peer gave itself; a claim, not a proof. Empty where it gave none. */
  readonly name: string;
  /** Where the path in use leads, for people to read; `null` over the relay or before there is a path. */
  readonly address: string | null;
  /** The kind of the link in use; `null` while there is none. */
  readonly path: LinkKind | null;
  readonly status: ConnectionStatus;
  /** Smoothed round-trip time in ms; `null` until it was measured. */
  readonly rttMs: number | null;
  /** Application messages and their encoded bytes, since the session began. */
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes queued or unacknowledged, towards this peer. */
  readonly queuedBytes: number;
}

/** The events of a `NetworkManager`, by name. */
export interface NetworkEvents {
  /** A message from a proven peer, once and in order. */
  message: Message;
  /** A peer changed its status; each change is told once. `error` says why, where there is a reason. */
  connection: { readonly peerId: PeerId; readonly status: ConnectionStatus; readonly error: NetworkError | null };
  /** Something failed that no call is there to reject for. */
  error: NetworkError;
  /** The link that carries a session's data changed. */
  path: { readonly peerId: PeerId; readonly path: LinkKind; readonly previous: LinkKind | null };
  /** A peer opened a stream. Where nobody listens to this event, streams are refused. */
  stream: { readonly peerId: PeerId; readonly name: string; readonly stream: ByteStream };
  /** The other side has this message. */
  delivered: { readonly peerId: PeerId; readonly messageId: string };
  /** This message may not have arrived, and nobody tries any longer. */
  failed: { readonly peerId: PeerId; readonly messageId: string; readonly error: NetworkError };
  /** `sendMessage` takes messages for this peer again, after it had returned `false`. */
  drain: { readonly peerId: PeerId };
  /** A relay was joined or left. */
  relay: { readonly url: string; readonly status: "connected" | "disconnected"; readonly error: NetworkError | null };
}

/** What `on` takes. One that throws or rejects is told as `ERR_CALLBACK_THREW`, and the others are called all the same. */
export type EventHandler<T> = (event: T) => void;

/** A typed emitter whose handlers cannot break one another. */
export class Emitter<Events extends object> {
  readonly #handlers = new Map<keyof Events, Set<EventHandler<never>>>();
  readonly #onThrow: (error: unknown, name: keyof Events) => void;

  /** @param onThrow - called with what a handler threw, and for which event; it must not throw itself */
  constructor(onThrow: (error: unknown, name: keyof Events) => void) {
    this.#onThrow = onThrow;
  }

  /** @returns how to stop listening; calling that twice is harmless */
  on<Name extends keyof Events>(name: Name, handler: EventHandler<Events[Name]>): () => void {
    let handlers = this.#handlers.get(name);
    if (!handlers) {
      handlers = new Set();
      this.#handlers.set(name, handlers);
    }
    const registered = handlers;
    registered.add(handler as EventHandler<never>);
    return () => {
      registered.delete(handler as EventHandler<never>);
    };
  }

  has(name: keyof Events): boolean {
    return (this.#handlers.get(name)?.size ?? 0) > 0;
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    const handlers = this.#handlers.get(name);
    if (!handlers || handlers.size === 0) return;
    for (const handler of [...handlers]) {
      try {
        const result = (handler as (event: Events[Name]) => unknown)(event);
        // An async handler that rejects is the same fault as one that throws.
        if (result instanceof Promise) result.catch((error: unknown) => this.#onThrow(error, name));
      } catch (error) {
        this.#onThrow(error, name);
      }
    }
  }
}
