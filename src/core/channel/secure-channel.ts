// SecureChannel: a Noise XX handshake over one link, then sealed records. It proves the other side's PeerId, whoever carries the bytes.

import { concatBytes } from "../bytes.js";
import { NetworkError, toNetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import { encodePeerId, type Identity } from "../identity.js";
import type { CipherState } from "../noise/cipher-state.js";
import { HandshakeState } from "../noise/handshake-state.js";
import { LaterRecord } from "../noise/later-record.js";
import type { Link, LinkOutput } from "../path/link.js";
import type { CipherName, Clock, CryptoProvider, DhKeyPair, Millis, Timer } from "../runtime.js";
import {
  CAPABILITY_DATAGRAMS,
  encodeProof,
  MAX_PROOF_BYTES,
  proofMessage,
  type Role,
  readCapabilities,
  verifyProof,
} from "./identity-proof.js";
import { decodePreamble, encodePreamble, PREAMBLE_BYTES, prologue, protocolName } from "./preamble.js";
import { RecordPipeline } from "./record-pipeline.js";
import { RecordSender } from "./record-sender.js";
import { DATAGRAM_LABEL, SealedDatagrams } from "./sealed-datagrams.js";

/** Bytes that sealing adds to a record: the tag. */
export const RECORD_OVERHEAD_BYTES = 16;

/** Largest Noise message (Noise §3). */
const MAX_NOISE_BYTES = 65_535;

/** Both sides call REKEY (Noise §11.3) after this many records in one direction: silently, as both count alike. */
export const REKEY_AFTER_RECORDS = 65_536;

/** e, or e + encrypted s + encrypted payload, or encrypted s + encrypted payload: none is longer than this. */
const MAX_HANDSHAKE_BYTES = 32 + 48 + MAX_PROOF_BYTES + 16;

/** What a manager gives to each of its channels. */
export interface ChannelContext {
  readonly crypto: CryptoProvider;
  readonly clock: Clock;
  readonly identity: Identity;
  /** The X25519 static key of this process: never stored, proven afresh in each handshake. */
  readonly staticKey: DhKeyPair;
  /** Absolute: not prolonged by bytes that trickle in. */
  readonly handshakeTimeoutMs: Millis;
}

export interface ChannelHandlers {
  /** The other side is proven; records may be sent. Called once, before any `record`. */
  open(peerId: PeerId, channel: SecureChannel): void;
  /** One record, authentic and in order. The bytes belong to the receiver. */
  record(plaintext: Uint8Array): void;
  /** One datagram, authentic, at most once. The bytes belong to the receiver. */
  datagram(plaintext: Uint8Array): void;
  drain(): void;
  /** The channel is over; called exactly once, also when it never opened. */
  closed(error: NetworkError | null): void;
}

//  handshaking ──message 3──▶ open ──close──▶ closed
//       └── deadline, bad tag, wrong peer ──────▲
type ChannelState =
  | { readonly kind: "handshaking"; noise: HandshakeState | null; readonly deadline: Timer }
  | { readonly kind: "open"; readonly send: CipherState; readonly receive: CipherState }
  | { readonly kind: "closed" };

/** AES-GCM where both ends are Node and our processor has AES; ChaCha20-Poly1305 everywhere else. */
function chooseCipher(link: Link, crypto: CryptoProvider): CipherName {
  return crypto.hasFastAes && (link.kind === "tcp" || link.kind === "udp") ? "AESGCM" : "ChaChaPoly";
}

export class SecureChannel {
  readonly link: Link;
  readonly initiator: boolean;
  /** Largest record that `send` takes, in bytes. */
  readonly maxRecordBytes: number;
  /** Datagrams, sealed on the way; missing where the link or the other side has none, and until the channel is open. */
  datagrams: SealedDatagrams | undefined;
  readonly #context: ChannelContext;
  readonly #handlers: ChannelHandlers;
  readonly #expected: PeerId | null;
  #state: ChannelState;
  #peerId: PeerId | null = null;
  #remoteCapabilities = 0;
  #busy = false;
  #sealed = 0;
  #opened = 0;
  /** Both are made when the first record is sealed or opened elsewhere; in Node none is. */
  #outwards: RecordSender | null = null;
  #inwards: RecordPipeline | null = null;

  /**
   * Takes the link over and starts the handshake at once.
   * @param expected - the only PeerId that will do; an initiator compares it before it sends its own identity
   */
  constructor(link: Link, initiator: boolean, expected: PeerId | null, context: ChannelContext, handlers: ChannelHandlers) {
    this.link = link;
    this.initiator = initiator;
    this.maxRecordBytes = Math.min(link.maxFrameBytes, MAX_NOISE_BYTES) - RECORD_OVERHEAD_BYTES;
    this.#expected = expected;
    this.#context = context;
    this.#handlers = handlers;
    const deadline = context.clock.after(context.handshakeTimeoutMs, () => this.#fail(new NetworkError("ERR_HANDSHAKE_TIMEOUT")));
    this.#state = { kind: "handshaking", noise: null, deadline };
    link.attach({
      frame: (frame) => this.#frame(frame),
      datagram: (datagram) => {
        const plaintext = this.isOpen && this.datagrams?.open(datagram);
        if (plaintext) this.#guard(() => this.#handlers.datagram(plaintext));
      },
      drain: () => {
        if (this.#outwards) this.#outwards.linkDrained();
        else this.#drained();
      },
      closed: (error) => this.#linkClosed(error),
    });
    if (initiator && this.#state.kind === "handshaking") this.#sendFirst();
  }

  /** The proven peer; `null` until the channel is open. */
  get peerId(): PeerId | null {
    return this.#peerId;
  }

  get isOpen(): boolean {
    return this.#state.kind === "open";
  }

  /**
   * Seals and sends one record of at most `maxRecordBytes`.
   * @returns `false` when the link wants a pause; the record was taken all the same
   * @throws NetworkError `ERR_CLOSED` when the channel is not open
   */
  send(plaintext: Uint8Array): boolean {
    const state = this.#state;
    if (state.kind !== "open") throw new NetworkError("ERR_CLOSED");
    try {
      const later = state.send.later("seal", plaintext);
      if (later || this.#outwards?.isBusy) return this.#sendInOrder(later ?? state.send.seal(plaintext), state.send);
      const { output } = this.link;
      const room = output?.room(plaintext.length + RECORD_OVERHEAD_BYTES);
      const frame = room ? state.send.sealInto(plaintext, room.bytes, room.at) : state.send.seal(plaintext);
      if (++this.#sealed % REKEY_AFTER_RECORDS === 0) state.send.rekey();
      return frame ? this.link.send(frame) : (output as LinkOutput).send();
    } catch (error) {
      // A used-up key, or a custom link that throws, ends this channel; who sends here has timers and no caller to tell.
      this.#fail(toNetworkError(error, "ERR_CLOSED_ABORTED"));
      return false;
    }
  }

  #sendInOrder(record: Uint8Array | LaterRecord, cipher: CipherState): boolean {
    if (++this.#sealed % REKEY_AFTER_RECORDS === 0) cipher.rekey();
    this.#outwards ??= new RecordSender(
      this.link,
      () => this.#drained(),
      (error) => this.#fail(toNetworkError(error, "ERR_CLOSED_ABORTED")),
    );
    return this.#outwards.send(record);
  }

  /** Ends the channel and its link, after what was sent. */
  close(): void {
    this.#end(null);
  }

  #sendFirst(): void {
    this.#guard(() => {
      const preamble = encodePreamble(chooseCipher(this.link, this.#context.crypto));
      const noise = this.#start(preamble);
      this.link.send(concatBytes(preamble, noise.writeMessage(new Uint8Array(0))));
    });
  }

  #start(preamble: Uint8Array): HandshakeState {
    const noise = new HandshakeState({
      protocolName: protocolName(decodePreamble(preamble)),
      initiator: this.initiator,
      prologue: prologue(preamble, this.link),
      crypto: this.#context.crypto,
      s: this.#context.staticKey,
    });
    if (this.#state.kind === "handshaking") this.#state.noise = noise;
    return noise;
  }

  #frame(frame: Uint8Array): void {
    const state = this.#state;
    if (state.kind === "open") {
      try {
        const record = state.receive.later("open", frame) ?? state.receive.open(frame);
        if (++this.#opened % REKEY_AFTER_RECORDS === 0) state.receive.rekey();
        if (record instanceof LaterRecord || this.#inwards?.bytes) this.#openInOrder(record);
        else this.#handlers.record(record);
      } catch (error) {
        // What came before it was authentic.
        this.#inwards?.handOn(0);
        this.#fail(toNetworkError(error, "ERR_FRAME_MALFORMED"));
      }
    } else if (state.kind === "handshaking") {
      try {
        this.#handshake(state, frame)?.catch((error: unknown) => this.#fail(asHandshakeError(error)));
      } catch (error) {
        this.#fail(asHandshakeError(error));
      }
    }
  }

  #openInOrder(record: Uint8Array | LaterRecord): void {
    this.#inwards ??= new RecordPipeline(
      (plaintext) => this.#handlers.record(plaintext),
      (error) => this.#fail(toNetworkError(error, "ERR_FRAME_MALFORMED")),
    );
    this.#inwards.push(record);
  }

  // One step of XX. Nothing may arrive while a step waits for a signature: neither side has anything to say then. Without a wait a step
  // ends before it returns: what the session says on an open channel leaves together with the last message.
  #handshake(state: ChannelState & { kind: "handshaking" }, frame: Uint8Array): void | Promise<void> {
    if (this.#busy) throw new NetworkError("ERR_HANDSHAKE_FAILED", "a frame out of turn");
    if (frame.length > MAX_HANDSHAKE_BYTES) throw new NetworkError("ERR_FRAME_TOO_LARGE", "handshake");
    if (this.initiator) {
      const noise = state.noise;
      if (!noise) throw new NetworkError("ERR_HANDSHAKE_FAILED");
      this.#readProof(noise, frame, "responder");
      return this.#sendProof(noise, "initiator", () => this.#open(noise));
    }
    if (state.noise) {
      this.#readProof(state.noise, frame, "initiator");
      this.#open(state.noise);
      return;
    }
    const preamble = frame.slice(0, PREAMBLE_BYTES);
    const noise = this.#start(preamble);
    // XX sends no payload with e, so message 1 has one length only: anything more is application data in the clear.
    if (frame.length !== PREAMBLE_BYTES + 32) throw new NetworkError("ERR_FRAME_MALFORMED", "handshake message 1");
    noise.readMessage(frame.subarray(PREAMBLE_BYTES));
    return this.#sendProof(noise, "responder", () => undefined);
  }

  #readProof(noise: HandshakeState, frame: Uint8Array, from: Role): void {
    const payload = noise.readMessage(frame);
    const { remoteStatic, localEphemeral } = noise;
    if (!remoteStatic || !localEphemeral) throw new NetworkError("ERR_HANDSHAKE_FAILED");
    const key = verifyProof(payload, from, remoteStatic, localEphemeral, this.#context.crypto);
    this.#remoteCapabilities = readCapabilities(payload);
    const peerId = encodePeerId(key);
    if (peerId === this.#context.identity.peerId) throw new NetworkError("ERR_DIAL_SELF");
    if (this.#expected !== null && peerId !== this.#expected) {
      throw new NetworkError("ERR_HANDSHAKE_AUTH", "somebody else answered", { peerId: this.#expected });
    }
    this.#peerId = peerId;
  }

  #sendProof(noise: HandshakeState, role: Role, sent: () => void): void | Promise<void> {
    const { identity, staticKey } = this.#context;
    if (!noise.remoteEphemeral) throw new NetworkError("ERR_HANDSHAKE_FAILED");
    const send = (signature: Uint8Array): void => {
      const capabilities = this.link.datagrams ? CAPABILITY_DATAGRAMS : 0;
      this.link.send(noise.writeMessage(encodeProof(identity.publicKey, signature, capabilities)));
      sent();
    };
    const pending = identity.sign(proofMessage(role, staticKey.publicKey, noise.remoteEphemeral));
    if (!(pending instanceof Promise)) return send(pending);
    this.#busy = true;
    return pending.then((signature) => {
      this.#busy = false;
      if (this.#state.kind !== "handshaking") throw new NetworkError("ERR_CLOSED");
      send(signature);
    });
  }

  #open(noise: HandshakeState): void {
    const state = this.#state;
    if (state.kind !== "handshaking" || this.#peerId === null) return;
    state.deadline.cancel();
    const { datagrams } = this.link;
    if (datagrams && this.#remoteCapabilities & CAPABILITY_DATAGRAMS)
      this.datagrams = new SealedDatagrams(datagrams, noise.additionalKeys(DATAGRAM_LABEL));
    const { send, receive } = noise.split();
    this.#state = { kind: "open", send, receive };
    this.#handlers.open(this.#peerId, this);
  }

  #drained(): void {
    if (this.#state.kind === "open") this.#handlers.drain();
  }

  #linkClosed(error: NetworkError | null): void {
    // What has arrived counts; what is not sent has nowhere to go.
    this.#inwards?.handOn(0);
    this.#outwards?.clear();
    if (this.#state.kind === "handshaking" && error === null)
      this.#end(new NetworkError("ERR_HANDSHAKE_FAILED", "the other side closed"));
    else this.#end(error);
  }

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(this.#state.kind === "handshaking" ? asHandshakeError(error) : toNetworkError(error, "ERR_FRAME_MALFORMED"));
    }
  }

  #fail(error: NetworkError): void {
    this.#end(error);
  }

  #end(error: NetworkError | null): void {
    const state = this.#state;
    if (state.kind === "closed") return;
    if (state.kind === "handshaking") state.deadline.cancel();
    this.#state = { kind: "closed" };
    this.#inwards?.clear();
    // Sealed here and at once: nothing may come between, and a page that is being left has no later.
    this.#outwards?.finish();
    this.link.close();
    this.#handlers.closed(error);
  }
}

/** What went wrong inside a handshake is one code for the application: only who answered, and when, is told apart. */
function asHandshakeError(error: unknown): NetworkError {
  if (error instanceof NetworkError) {
    if (error.code.startsWith("ERR_HANDSHAKE") || error.code === "ERR_DIAL_SELF" || error.code === "ERR_CLOSED") return error;
    return new NetworkError("ERR_HANDSHAKE_FAILED", error.message, { cause: error });
  }
  return toNetworkError(error, "ERR_HANDSHAKE_FAILED");
}
