// HandshakeState (Noise §5.3): walks through the tokens of a pattern, one message at a time. Any failure ends it.

import { ByteReader, concatBytes } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { AeadKey, CryptoProvider, DhKeyPair } from "../runtime.js";
import { type CipherState, MAX_NOISE_MESSAGE_BYTES, TAG_BYTES } from "./cipher-state.js";
import { type NoiseProtocol, type Token, xxProtocol } from "./protocol.js";
import { SymmetricState } from "./symmetric-state.js";

/** Bytes of an X25519 public key: DHLEN of Noise §12.1. */
export const DH_BYTES = 32;

const PSK_BYTES = 32;

/** What a handshake starts from. Which keys must be there, and which must not, follows from the pattern. */
export interface HandshakeOptions {
  /** Such as `Noise_XX_25519_ChaChaPoly_SHA256`. */
  readonly protocolName: string;
  /** Reads the name. Default: `xxProtocol`; `parseProtocolName` knows all patterns and pre-shared keys. */
  readonly readName?: (name: string) => NoiseProtocol;
  readonly initiator: boolean;
  /** Must be the same on both sides, or the handshake fails (Noise §6). It is not sent and not secret. */
  readonly prologue: Uint8Array;
  readonly crypto: CryptoProvider;
  /** Own static key pair, when the pattern has us show one. */
  readonly s?: DhKeyPair | undefined;
  /** Own ephemeral key pair, for test vectors alone. Default: a fresh one, as it must be. */
  readonly e?: DhKeyPair | undefined;
  /** The other side's static key, 32 bytes, when the pattern has it known beforehand. */
  readonly rs?: Uint8Array | undefined;
  /** Pre-shared keys of 32 bytes, one for each psk modifier, in order. Default: none. */
  readonly psks?: readonly Uint8Array[] | undefined;
}

/** One side of one handshake. After any throw it is dead, and every further call throws `ERR_HANDSHAKE_FAILED`. */
export class HandshakeState {
  readonly #crypto: CryptoProvider;
  readonly #protocol: NoiseProtocol;
  readonly #symmetric: SymmetricState;
  readonly #initiator: boolean;
  readonly #psks: Uint8Array[];
  readonly #pskMode: boolean;
  readonly #s: DhKeyPair | null;
  #e: DhKeyPair | null;
  #rs: Uint8Array | null;
  #re: Uint8Array | null = null;
  #localEphemeral: Uint8Array | null = null;
  #next = 0;
  #dead = false;
  #split = false;

  /**
   * @throws NetworkError `ERR_OPTION_INVALID` when the name is not known, or a key is missing or too much for the pattern;
   *   `ERR_CRYPTO_KEY` when a key is not 32 bytes
   */
  constructor(options: HandshakeOptions) {
    const protocol = (options.readName ?? xxProtocol)(options.protocolName);
    const { pattern } = protocol;
    checkKeys(options, protocol);
    this.#crypto = options.crypto;
    this.#protocol = protocol;
    this.#initiator = options.initiator;
    this.#s = options.s ?? null;
    this.#e = options.e ?? null;
    this.#rs = options.rs ? new Uint8Array(options.rs) : null;
    this.#psks = (options.psks ?? []).map((psk) => new Uint8Array(psk));
    this.#pskMode = this.#psks.length > 0;
    this.#symmetric = new SymmetricState(options.crypto, protocol.name, protocol.cipher, protocol.hash);
    this.#symmetric.mixHash(options.prologue);
    const local = this.#s?.publicKey ?? null;
    const [initiatorStatic, responderStatic] = this.#initiator ? [local, this.#rs] : [this.#rs, local];
    if (pattern.initiatorKnown) this.#symmetric.mixHash(initiatorStatic as Uint8Array);
    if (pattern.responderKnown) this.#symmetric.mixHash(responderStatic as Uint8Array);
  }

  /** The own ephemeral public key, 32 bytes, once it was sent. */
  get localEphemeral(): Uint8Array | null {
    return this.#localEphemeral;
  }

  /** The other side's ephemeral public key, 32 bytes, once it was read. It is proven when the next message from there opens. */
  get remoteEphemeral(): Uint8Array | null {
    return this.#re;
  }

  /** The other side's static public key, 32 bytes, once it was read or when it was known beforehand. */
  get remoteStatic(): Uint8Array | null {
    return this.#rs;
  }

  /** Whether all messages went through, so that `split` may be called. */
  get finished(): boolean {
    return !this.#dead && this.#next === this.#protocol.pattern.messages.length;
  }

  /** Whether the next message is ours to write. */
  get isMyTurn(): boolean {
    return !this.#dead && !this.finished && (this.#next % 2 === 0) === this.#initiator;
  }

  /**
   * Writes our next message.
   * @param payload - encrypted as soon as the pattern has a key; in the clear before
   * @throws NetworkError `ERR_FRAME_TOO_LARGE` when the message would be over 65 535 bytes, before any key is computed;
   *   `ERR_CRYPTO_KEY` when the other side's key is of low order; `ERR_HANDSHAKE_FAILED` when it is not our turn
   */
  writeMessage(payload: Uint8Array): Uint8Array {
    return this.#guarded(() => {
      const tokens = this.#takeTokens(this.isMyTurn);
      checkSize(this.#overhead(tokens) + payload.length);
      const parts: Uint8Array[] = [];
      for (const token of tokens) this.#writeToken(token, parts);
      parts.push(this.#symmetric.encryptAndHash(payload));
      return concatBytes(...parts);
    });
  }

  /**
   * Reads the other side's next message.
   * @returns the payload, in memory of its own
   * @throws NetworkError `ERR_FRAME_TOO_LARGE` over 65 535 bytes and `ERR_FRAME_MALFORMED` when cut short, both before any key is
   *   computed; `ERR_CRYPTO_TAG` when it was altered; `ERR_CRYPTO_KEY` when a key in it is of low order;
   *   `ERR_HANDSHAKE_FAILED` when it is our turn
   */
  readMessage(message: Uint8Array): Uint8Array {
    return this.#guarded(() => {
      const tokens = this.#takeTokens(!this.finished && !this.isMyTurn);
      checkSize(message.length);
      if (message.length < this.#overhead(tokens))
        throw new NetworkError("ERR_FRAME_MALFORMED", "a handshake message is cut short");
      const reader = new ByteReader(message);
      for (const token of tokens) this.#readToken(token, reader);
      return this.#symmetric.decryptAndHash(reader.rest());
    });
  }

  /**
   * A name of this session that is the same on both sides and on no other session, 32 bytes (Noise §11.2).
   * @throws NetworkError `ERR_HANDSHAKE_FAILED` before the handshake is finished
   */
  handshakeHash(): Uint8Array {
    return this.#guarded(() => {
      if (!this.finished) throw new NetworkError("ERR_HANDSHAKE_FAILED", "it is not finished");
      return new Uint8Array(this.#symmetric.handshakeHash);
    });
  }

  /**
   * The two directions of the transport. In a one-way pattern (N, K, X) the direction to the initiator refuses everything.
   * @throws NetworkError `ERR_HANDSHAKE_FAILED` before the handshake is finished, and at a second call: that would use each
   *   counter twice
   */
  split(): { send: CipherState; receive: CipherState } {
    return this.#guarded(() => {
      this.#checkDone();
      this.#split = true;
      const [fromInitiator, fromResponder] = this.#symmetric.split(this.#protocol.pattern.oneWay);
      this.#forgetSecrets();
      return this.#initiator ? { send: fromInitiator, receive: fromResponder } : { send: fromResponder, receive: fromInitiator };
    });
  }

  /**
   * Keys for what does not travel in the order of the transport: the one to send with, then the one to receive with. They depend on
   * the whole handshake and on the label, and `split` gives nothing of them. Whoever takes them sees to it that no nonce comes twice.
   * @param label - what they are for
   * @throws NetworkError `ERR_HANDSHAKE_FAILED` before the handshake is finished, and after `split`
   */
  additionalKeys(label: Uint8Array): readonly AeadKey[] {
    this.#checkDone();
    const keys = this.#symmetric.additionalKeys(label).map((key) => this.#crypto.aead(this.#protocol.cipher, key));
    return this.#initiator ? keys : keys.reverse();
  }

  #checkDone(): void {
    if (!this.finished || this.#split) throw new NetworkError("ERR_HANDSHAKE_FAILED", "its keys cannot be taken now");
  }

  #guarded<Result>(step: () => Result): Result {
    if (this.#dead) throw new NetworkError("ERR_HANDSHAKE_FAILED", "it has failed before");
    try {
      return step();
    } catch (error) {
      this.#dead = true;
      this.#forgetSecrets();
      throw error;
    }
  }

  #forgetSecrets(): void {
    this.#e = null;
    for (const psk of this.#psks) psk.fill(0);
  }

  #takeTokens(allowed: boolean): readonly Token[] {
    const tokens = this.#protocol.pattern.messages[this.#next];
    if (!allowed || !tokens) throw new NetworkError("ERR_HANDSHAKE_FAILED", "a message is out of turn");
    this.#next++;
    return tokens;
  }

  /** Bytes that a message of these tokens has beside its payload. */
  #overhead(tokens: readonly Token[]): number {
    let hasKey = this.#symmetric.hasKey;
    let bytes = 0;
    for (const token of tokens) {
      if (token === "e" || token === "s") bytes += DH_BYTES;
      if (token === "s" && hasKey) bytes += TAG_BYTES;
      if (token !== "s" && (token !== "e" || this.#pskMode)) hasKey = true;
    }
    return hasKey ? bytes + TAG_BYTES : bytes;
  }

  #writeToken(token: Token, parts: Uint8Array[]): void {
    if (token === "e") {
      this.#e ??= this.#crypto.generateDhKeyPair();
      this.#localEphemeral = this.#e.publicKey;
      parts.push(this.#e.publicKey);
      this.#mixEphemeral(this.#e.publicKey);
    } else if (token === "s") {
      parts.push(this.#symmetric.encryptAndHash((this.#s as DhKeyPair).publicKey));
    } else {
      this.#mixSecret(token);
    }
  }

  #readToken(token: Token, reader: ByteReader): void {
    if (token === "e") {
      this.#re = new Uint8Array(reader.bytes(DH_BYTES));
      this.#mixEphemeral(this.#re);
    } else if (token === "s") {
      this.#rs = this.#symmetric.decryptAndHash(reader.bytes(this.#symmetric.hasKey ? DH_BYTES + TAG_BYTES : DH_BYTES));
    } else {
      this.#mixSecret(token);
    }
  }

  #mixEphemeral(publicKey: Uint8Array): void {
    this.#symmetric.mixHash(publicKey);
    // Noise §9.2: so that a pre-shared key never encrypts under the same key twice.
    if (this.#pskMode) this.#symmetric.mixKey(publicKey);
  }

  #mixSecret(token: Exclude<Token, "e" | "s">): void {
    if (token === "psk") {
      const psk = this.#psks.shift() as Uint8Array;
      this.#symmetric.mixKeyAndHash(psk);
      psk.fill(0);
      return;
    }
    // The first letter is the initiator's key, the second the responder's.
    const [local, remote] = this.#initiator ? [token[0], token[1]] : [token[1], token[0]];
    const keyPair = (local === "e" ? this.#e : this.#s) as DhKeyPair;
    const publicKey = (remote === "e" ? this.#re : this.#rs) as Uint8Array;
    const shared = this.#crypto.dh(keyPair, publicKey);
    this.#symmetric.mixKey(shared);
    shared.fill(0);
  }
}

function checkSize(bytes: number): void {
  if (bytes > MAX_NOISE_MESSAGE_BYTES) {
    throw new NetworkError("ERR_FRAME_TOO_LARGE", `a handshake message of ${bytes} bytes, ${MAX_NOISE_MESSAGE_BYTES} at most`);
  }
}

/** Everything that a pattern needs is checked here, so that no token later meets a key that is not there. */
function checkKeys(options: HandshakeOptions, protocol: NoiseProtocol): void {
  const { pattern, name } = protocol;
  const invalid = (detail: string): NetworkError => new NetworkError("ERR_OPTION_INVALID", `${name} ${detail}`);
  const localKnown = options.initiator ? pattern.initiatorKnown : pattern.responderKnown;
  const remoteKnown = options.initiator ? pattern.responderKnown : pattern.initiatorKnown;
  const ownMessages = pattern.messages.filter((_, index) => (index % 2 === 0) === options.initiator);
  const sendsStatic = ownMessages.some((tokens) => tokens.includes("s"));
  if ((localKnown || sendsStatic) && !options.s) throw invalid("needs s");
  if (remoteKnown && !options.rs) throw invalid("needs rs");
  if (!remoteKnown && options.rs) throw invalid("has no rs beforehand");
  if (options.rs && options.rs.length !== DH_BYTES) throw new NetworkError("ERR_CRYPTO_KEY", `rs is not ${DH_BYTES} bytes`);
  const psks = options.psks ?? [];
  const pskTokens = pattern.messages.flat().filter((token) => token === "psk").length;
  if (psks.length !== pskTokens) throw invalid(`needs ${pskTokens} of psks`);
  if (psks.some((psk) => psk.length !== PSK_BYTES)) throw new NetworkError("ERR_CRYPTO_KEY", `a psk is not ${PSK_BYTES} bytes`);
}
