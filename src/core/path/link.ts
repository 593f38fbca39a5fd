// A link: an untrusted pipe that carries whole frames in order, or dies. It knows nothing of peers and keys.

import { EMPTY_BYTES } from "../bytes.js";
import { NetworkError } from "../errors.js";

/** The kinds that the SDK brings; a custom transport names its own. */
export type LinkKind = "tcp" | "udp" | "websocket" | "webrtc" | "relay" | (string & {});

/** What the owner of a link is told. Nothing is called after `closed`. */
export interface LinkHandlers {
  /** One whole frame. The bytes belong to the receiver until it returns; who keeps them longer copies them. */
  frame(frame: Uint8Array): void;
  /** One whole datagram of {@link Link.datagrams}. The bytes are the receiver's as those of a frame are. */
  datagram?(bytes: Uint8Array): void;
  /** The link takes frames again, after `send` returned `false`. */
  drain(): void;
  /** The link ended; called exactly once. `null`: closed in good order, by either side. */
  closed(error: NetworkError | null): void;
}

/** What a link carries beside its frames, where it can: each by itself, so that one that is lost delays nothing. */
export interface Datagrams {
  /** Largest datagram that `send` takes, in bytes: what the path carries in one packet. */
  readonly maxBytes: number;
  /**
   * Sends one datagram now or never. It may be lost, come late, twice, or before others. The bytes belong to the link from here on.
   * @returns `false` when it was dropped here, as too many are waiting to leave
   */
  send(datagram: Uint8Array): boolean;
}

/** A pipe of frames. Frames arrive whole, once and in the order sent, or the link is closed. */
export interface Link {
  readonly kind: LinkKind;
  /** Largest frame that `send` takes, in bytes; at least 16 KiB. */
  readonly maxFrameBytes: number;
  /** Where the other end is, as a URL or `host:port`, for people to read; `null` where nobody knows. */
  readonly remoteAddress: string | null;
  /**
   * Bytes that both ends of this very link know alike and that an attacker between them cannot make alike, such as both
   * DTLS fingerprints. The handshake binds them. Empty where the link has nothing of the kind.
   */
  readonly binding: Uint8Array;
  /** How many unacknowledged bytes a session may keep on this link. Smaller where somebody else's memory is in between. */
  readonly inFlightBytes: number;
  /** Missing where the link carries frames only. Whether there are any does not change once the link is attached. */
  readonly datagrams?: Datagrams | undefined;
  /** Starts delivery. Called once, by the owner; frames that came before are handed over now. */
  attach(handlers: LinkHandlers): void;
  /**
   * Sends one frame, at most `maxFrameBytes` long. The bytes belong to the link from here on: the caller neither changes nor
   * reuses them.
   * @returns `false` when the link's buffer is past its high-water mark: the frame was taken, but wait for `drain`
   */
  send(frame: Uint8Array): boolean;
  /** Another way to send, for a link that collects frames in memory of its own: what is written there need not be copied. */
  readonly output?: LinkOutput | undefined;
  /** Ends the link, after what was sent where that is possible. Calling it twice is harmless. */
  close(): void;
}

/** The memory that a link collects frames in. */
export interface LinkOutput {
  /**
   * Where a frame of `length` bytes is to be written, until the next call; at most `maxFrameBytes`. `null` where `send` has to do.
   */
  room(length: number): { readonly bytes: Uint8Array; readonly at: number } | null;
  /** Sends the frame in the room that was given last. @returns as `send` */
  send(): boolean;
}

/** Most frames and bytes that wait for `attach`; the handshake needs one. */
const MAX_EARLY_FRAMES = 16;
const MAX_EARLY_BYTES = 128 * 1024;

/** Default of {@link Link.inFlightBytes}: the whole send queue. */
export const DEFAULT_IN_FLIGHT_BYTES = 4 * 1024 * 1024;

/** What all our links share: frames that arrive before `attach` wait, `closed` is told once, nothing comes after it. */
export abstract class LinkBase implements Link {
  abstract readonly kind: LinkKind;
  abstract readonly maxFrameBytes: number;
  readonly remoteAddress: string | null;
  readonly binding: Uint8Array = EMPTY_BYTES;
  readonly inFlightBytes: number = DEFAULT_IN_FLIGHT_BYTES;
  #handlers: LinkHandlers | null = null;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #end: { readonly error: NetworkError | null } | null = null;

  constructor(remoteAddress: string | null) {
    this.remoteAddress = remoteAddress;
  }

  abstract send(frame: Uint8Array): boolean;
  abstract close(): void;

  get ended(): boolean {
    return this.#end !== null;
  }

  attach(handlers: LinkHandlers): void {
    this.#handlers = handlers;
    const early = this.#early;
    this.#early = [];
    for (const frame of early) {
      if (this.#end?.error) break;
      handlers.frame(frame);
    }
    if (this.#end) handlers.closed(this.#end.error);
  }

  /** For the transport: a frame arrived. */
  protected deliver(frame: Uint8Array): void {
    if (this.#end) return;
    if (this.#handlers) {
      this.#handlers.frame(frame);
      return;
    }
    this.#earlyBytes += frame.length;
    if (this.#early.length >= MAX_EARLY_FRAMES || this.#earlyBytes > MAX_EARLY_BYTES) {
      this.finish(new NetworkError("ERR_FRAME_MALFORMED", "frames before anybody listened"));
      this.close();
      return;
    }
    this.#early.push(frame);
  }

  /** For the transport: a datagram arrived. One that nobody listens for yet is lost, as any of them may be. */
  protected deliverDatagram(datagram: Uint8Array): void {
    if (!this.#end) this.#handlers?.datagram?.(datagram);
  }

  /** For the transport: there is room again. */
  protected drained(): void {
    if (!this.#end) this.#handlers?.drain();
  }

  /** For the transport: the link is over. Only the first call counts. */
  protected finish(error: NetworkError | null): void {
    if (this.#end) return;
    this.#end = { error };
    this.#handlers?.closed(error);
  }
}
