// A link over one WebRTC data channel. The only file that knows simple-peer.

import SimplePeer from "simple-peer/simplepeer.min.js";
import { NetworkError } from "../core/errors.js";
import type { IceServer } from "../core/options.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import { type Datagrams, type Link, LinkBase } from "../core/path/link.js";
import type { Clock, Timer } from "../core/runtime.js";
import { createDatagramChannel, datagramsOf } from "./datagram-channel.js";
import { dtlsBinding } from "./fingerprint.js";
import type { RtcSignal } from "./signal.js";

/** Bytes in the channel's buffer before `send` returns `false`, and those left when `drain` comes. */
const HIGH_WATER_BYTES = 256 * 1024;
const LOW_WATER_BYTES = 128 * 1024;

/** Between two looks at a full buffer in Node, in ms: `@roamhq/wrtc` never fires `bufferedamountlow`. Browsers do. */
const DRAIN_POLL_MS = 10;

/** What every implementation takes, in bytes, and the most that we send even where it takes more. */
const LEAST_FRAME_BYTES = 16 * 1024;
const MOST_FRAME_BYTES = 65_535;

/** How long `close` waits for the channel to empty, in ms. */
const CLOSE_DEADLINE_MS = 1_000;

/** Messages that may come between the open channel and our knowing of it. */
const MAX_EARLY_MESSAGES = 16;

/** How a connection is made. */
export interface RtcSettings {
  readonly clock: Clock;
  readonly iceServers: readonly IceServer[];
  /** A WebRTC implementation; `undefined` for the browser's own. */
  readonly wrtc?: object;
}

/** What a connection in the making tells. */
export interface RtcHandlers {
  /** An offer, answer or candidate for the other side. */
  signal(signal: unknown): void;
  /** The link is open. */
  open(link: Link): void;
  /** There will be no link. Not called after `open`. */
  failed(error: NetworkError): void;
}

/** A connection in the making. */
export interface RtcConnection {
  /** Takes a signal that {@link SignalGate} has let through. Never throws; ignored once the connection is over. */
  signal(signal: RtcSignal): void;
  /** Gives up; nothing is called afterwards. Without effect once the link is open. */
  cancel(): void;
}

/** Whether this runtime has WebRTC of its own. */
export function hasOwnWebRtc(): boolean {
  return SimplePeer.WEBRTC_SUPPORT;
}

/**
 * Starts a connection; an initiator makes its offer at once.
 * @throws NetworkError `ERR_WEBRTC_UNAVAILABLE` when there is no WebRTC, `ERR_WEBRTC_FAILED` when it refuses the settings
 */
export function connectWebRtc(initiator: boolean, settings: RtcSettings, handlers: RtcHandlers): RtcConnection {
  const peer = createPeer(initiator, settings);
  const datagrams = createDatagramChannel(peer._pc);
  let early: unknown[] | null = [];
  let link: WebRtcLink | null = null;
  let over = false;

  const fail = (error: unknown): void => {
    if (over || link) return;
    over = true;
    early = null;
    peer.destroy();
    handlers.failed(error instanceof NetworkError ? error : failure(error));
  };
  peer.on("signal", (signal) => {
    if (!over) handlers.signal(signal);
  });
  peer.on("data", (message) => {
    if (link) link.receive(message);
    else if (early && early.push(message) > MAX_EARLY_MESSAGES)
      fail(new NetworkError("ERR_WEBRTC_FAILED", "messages before the link was open"));
  });
  peer.on("error", (error) => (link ? link.broken(error) : fail(error)));
  peer.on("close", () => (link ? link.gone() : fail(new NetworkError("ERR_WEBRTC_FAILED", "closed before it was open"))));
  peer.on("connect", () => {
    if (over || link) return;
    try {
      link = new WebRtcLink(peer, settings, describe(peer, initiator), datagrams);
    } catch (error) {
      fail(error);
      return;
    }
    handlers.open(link);
    for (const message of early ?? []) link.receive(message);
    early = null;
  });

  // Not by simple-peer, which writes to the console about each candidate that WebRTC does not take.
  let candidates: RTCIceCandidateInit[] = [];
  const addCandidates = (): void => {
    if (!peer._pc?.remoteDescription) return;
    for (const candidate of candidates) addCandidate(peer._pc, candidate);
    candidates = [];
  };
  peer.on("signalingStateChange", addCandidates);

  return {
    signal(signal) {
      if (over || peer.destroyed) return;
      if (signal.type === "candidate") {
        candidates.push(signal.candidate);
        addCandidates();
        return;
      }
      try {
        peer.signal(signal);
      } catch (error) {
        fail(error);
      }
    },
    cancel() {
      if (link) return;
      over = true;
      early = null;
      peer.destroy();
    },
  };
}

function createPeer(initiator: boolean, { iceServers, wrtc }: RtcSettings): SimplePeer {
  if (!wrtc && !SimplePeer.WEBRTC_SUPPORT) throw new NetworkError("ERR_WEBRTC_UNAVAILABLE");
  try {
    return new SimplePeer({
      initiator,
      trickle: true,
      objectMode: true,
      // Given even when empty: its own default asks public STUN servers.
      config: {
        iceServers: iceServers.map((server) => ({
          ...server,
          urls: typeof server.urls === "string" ? server.urls : [...server.urls],
        })),
      },
      // With trickling nobody waits for it, but its timer of 5 s would hold up the end of a Node process.
      iceCompleteTimeout: 1,
      ...(wrtc ? { wrtc } : {}),
    });
  } catch (error) {
    throw failure(error);
  }
}

/** One that is not taken is passed over: another may do, and the deadline is there if none does. */
function addCandidate(connection: RTCPeerConnection, candidate: RTCIceCandidateInit): void {
  try {
    connection.addIceCandidate(candidate).catch(() => undefined);
  } catch {
    // Thrown rather than rejected, by some implementations.
  }
}

function failure(error: unknown): NetworkError {
  return new NetworkError("ERR_WEBRTC_FAILED", error instanceof Error ? error.message : String(error), { cause: error });
}

/** What is known of a connection once its channel is open. */
interface Details {
  readonly channel: RTCDataChannel;
  readonly maxFrameBytes: number;
  readonly binding: Uint8Array;
  readonly remoteAddress: string | null;
}

function describe(peer: SimplePeer, initiator: boolean): Details {
  const connection = peer._pc;
  const channel = peer._channel;
  const local = connection?.localDescription?.sdp;
  const remote = connection?.remoteDescription?.sdp;
  if (!connection || !channel || !local || !remote) throw new NetworkError("ERR_WEBRTC_FAILED", "closed while it opened");
  // The offerer chooses how the channel works; one that loses or reorders is no link.
  if (channel.ordered === false || isLimited(channel.maxRetransmits) || isLimited(channel.maxPacketLifeTime)) {
    throw new NetworkError("ERR_WEBRTC_FAILED", "the data channel is not reliable and ordered");
  }
  // simple-peer would take a second channel for the first one.
  connection.ondatachannel = ({ channel: second }) => second.close();
  const { remoteAddress, remotePort } = peer;
  return {
    channel,
    maxFrameBytes: maxFrameBytes(connection),
    binding: initiator ? dtlsBinding(local, remote) : dtlsBinding(remote, local),
    // Firefox gives "(redacted)" and names that end in ".local" where a page may not know the address.
    remoteAddress:
      remoteAddress && remotePort && /^[0-9a-f:.]+$/i.test(remoteAddress) ? formatEndpoint(remoteAddress, remotePort) : null,
  };
}

/** `null` means that a channel never gives up; `@roamhq/wrtc` says 65,535, as an earlier draft did. */
function isLimited(limit: number | null | undefined): boolean {
  return typeof limit === "number" && limit !== 65_535;
}

function maxFrameBytes(connection: RTCPeerConnection): number {
  const most = connection.sctp?.maxMessageSize;
  // 0 and infinity both mean "no limit" (RFC 8841 §6.1; WebRTC §6.1.1).
  if (typeof most !== "number" || Number.isNaN(most)) return LEAST_FRAME_BYTES;
  if (most === 0) return MOST_FRAME_BYTES;
  if (most < LEAST_FRAME_BYTES) throw new NetworkError("ERR_WEBRTC_FAILED", `the other side takes only ${most} bytes at once`);
  return Math.min(most, MOST_FRAME_BYTES);
}

/** `webrtc` link: one message of the data channel is one frame. */
class WebRtcLink extends LinkBase {
  readonly kind = "webrtc";
  readonly maxFrameBytes: number;
  override readonly binding: Uint8Array;
  readonly datagrams: Datagrams | undefined;
  readonly #peer: SimplePeer;
  readonly #channel: RTCDataChannel;
  readonly #clock: Clock;
  /** Whether the implementation is one that may not tell when there is room. */
  readonly #polls: boolean;
  #full = false;
  #drainTimer: Timer | null = null;
  #closeTimer: Timer | null = null;
  #closing = false;
  #fault: NetworkError | null = null;

  constructor(peer: SimplePeer, { clock, wrtc }: RtcSettings, details: Details, datagrams: RTCDataChannel | undefined) {
    super(details.remoteAddress);
    this.#peer = peer;
    this.#clock = clock;
    this.#polls = wrtc !== undefined;
    this.#channel = details.channel;
    this.maxFrameBytes = details.maxFrameBytes;
    this.binding = details.binding;
    details.channel.bufferedAmountLowThreshold = LOW_WATER_BYTES;
    details.channel.addEventListener("bufferedamountlow", () => this.#drain());
    if (!datagrams) return;
    this.datagrams = datagramsOf(datagrams, (datagram) => this.deliverDatagram(datagram));
  }

  send(frame: Uint8Array): boolean {
    if (this.#closing || this.ended || this.#channel.readyState !== "open") return false;
    if (frame.length === 0 || frame.length > this.maxFrameBytes)
      throw new NetworkError("ERR_FRAME_TOO_LARGE", `${frame.length} bytes`);
    try {
      this.#peer.send(frame);
    } catch (error) {
      this.broken(error);
      this.#peer.destroy();
      return false;
    }
    if (this.#channel.bufferedAmount < HIGH_WATER_BYTES) return true;
    this.#full = true;
    if (this.#polls) this.#drainTimer ??= this.#pollDrain();
    return false;
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    // Closing the channel first sends what is in its buffer; its close event then ends the connection.
    this.#channel.close();
    this.#closeTimer = this.#clock.after(CLOSE_DEADLINE_MS, () => this.#peer.destroy());
  }

  receive(message: unknown): void {
    if (this.#closing || this.ended) return;
    if (!(message instanceof Uint8Array) || message.length === 0) {
      this.#refuse(new NetworkError("ERR_FRAME_MALFORMED", "a text or empty message on a data channel"));
    } else if (message.length > MOST_FRAME_BYTES) {
      this.#refuse(new NetworkError("ERR_FRAME_TOO_LARGE", `${message.length} bytes`));
    } else {
      // A plain array over the same memory, as simple-peer brings a Buffer of its own.
      this.deliver(new Uint8Array(message.buffer, message.byteOffset, message.length));
    }
  }

  /** For the connection: an error came; `gone` follows. */
  broken(error: unknown): void {
    if (this.#fault || this.#closing) return;
    // A channel that the other side closed in good order may be reported as an error with this cause (RFC 9260 §3.3.10.12).
    const text = String((error as { message?: unknown } | null)?.message ?? error);
    if (/user.initiated abort/i.test(text)) return;
    this.#fault = new NetworkError("ERR_CLOSED_ABORTED", text, { cause: error });
  }

  /** For the connection: it is over. */
  gone(): void {
    this.#drainTimer?.cancel();
    this.#closeTimer?.cancel();
    this.finish(this.#fault);
  }

  #refuse(error: NetworkError): void {
    this.#fault = error;
    this.close();
  }

  #pollDrain(): Timer {
    return this.#clock.after(DRAIN_POLL_MS, () => {
      this.#drainTimer = this.#pollDrain();
      this.#drain();
    });
  }

  #drain(): void {
    if (!this.#full || this.#channel.bufferedAmount > LOW_WATER_BYTES) return;
    this.#full = false;
    this.#drainTimer?.cancel();
    this.#drainTimer = null;
    this.drained();
  }
}
