// SymmetricState (Noise §5.2): the chaining key and the handshake hash, into which everything said so far is mixed.

import { concatBytes, EMPTY_BYTES, encodeUtf8 } from "../bytes.js";
import type { CipherName, CryptoProvider, HashName, NoiseHash } from "../runtime.js";
import { CipherState, MAX_NONCE } from "./cipher-state.js";

/** HKDF as Noise §4.3 has it: RFC 5869 with the chaining key as salt and no info. */
function hkdf(hash: NoiseHash, chainingKey: Uint8Array, input: Uint8Array, outputs: 2 | 3): Uint8Array[] {
  const extracted = hash.hmac(chainingKey, input);
  const made: Uint8Array[] = [];
  let previous: Uint8Array = EMPTY_BYTES;
  for (let i = 1; i <= outputs; i++) {
    previous = hash.hmac(extracted, concatBytes(previous, Uint8Array.of(i)));
    made.push(previous);
  }
  extracted.fill(0);
  return made;
}

/** All that both sides of a handshake agree on so far. It is dropped after `split`. */
export class SymmetricState {
  readonly #crypto: CryptoProvider;
  readonly #cipherName: CipherName;
  readonly #hash: NoiseHash;
  #chainingKey: Uint8Array;
  #handshakeHash: Uint8Array;
  #cipher: CipherState | null = null;

  /** InitializeSymmetric. A protocol name that fits into the hash is used as it is, padded with zeros. */
  constructor(crypto: CryptoProvider, protocolName: string, cipher: CipherName, hash: HashName) {
    this.#crypto = crypto;
    this.#cipherName = cipher;
    this.#hash = crypto.hash(hash);
    const name = encodeUtf8(protocolName);
    if (name.length <= this.#hash.hashLength) {
      this.#handshakeHash = new Uint8Array(this.#hash.hashLength);
      this.#handshakeHash.set(name);
    } else {
      this.#handshakeHash = this.#hash.hash(name);
    }
    this.#chainingKey = this.#handshakeHash;
  }

  /** The handshake hash `h`; only after the last message does it name the session (Noise §11.2). */
  get handshakeHash(): Uint8Array {
    return this.#handshakeHash;
  }

  /** HasKey: whether what follows is encrypted. */
  get hasKey(): boolean {
    return this.#cipher !== null;
  }

  mixHash(data: Uint8Array): void {
    this.#handshakeHash = this.#hash.hash(this.#handshakeHash, data);
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = hkdf(this.#hash, this.#chainingKey, input, 2) as [Uint8Array, Uint8Array];
    this.#chainingKey = chainingKey;
    this.#initializeKey(key);
  }

  /** For pre-shared keys (Noise §9.1). */
  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, hash, key] = hkdf(this.#hash, this.#chainingKey, input, 3) as [Uint8Array, Uint8Array, Uint8Array];
    this.#chainingKey = chainingKey;
    this.mixHash(hash);
    this.#initializeKey(key);
  }

  /** Without a key yet, the plaintext comes back as it is. */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#cipher ? this.#cipher.seal(plaintext, this.#handshakeHash) : plaintext;
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /**
   * Without a key yet, a copy of the input comes back.
   * @throws NetworkError `ERR_CRYPTO_TAG`
   */
  decryptAndHash(ciphertext: Uint8Array): Uint8Array {
    // A copy by the constructor: the slice() of a Node Buffer would share memory with a receive buffer that is used again.
    const plaintext = this.#cipher ? this.#cipher.open(ciphertext, this.#handshakeHash) : new Uint8Array(ciphertext);
    this.mixHash(ciphertext);
    return plaintext;
  }

  /**
   * The keys for transport: from initiator to responder, then the other way. To be called once.
   * @param oneWay - the responder may not answer (Noise §7.4): the second state refuses everything
   */
  split(oneWay: boolean): [CipherState, CipherState] {
    const [first, second] = hkdf(this.#hash, this.#chainingKey, EMPTY_BYTES, 2) as [Uint8Array, Uint8Array];
    const states: [CipherState, CipherState] = [
      new CipherState(this.#crypto, this.#cipherName, first),
      new CipherState(this.#crypto, this.#cipherName, second, oneWay ? MAX_NONCE : 0),
    ];
    first.fill(0);
    second.fill(0);
    this.#chainingKey.fill(0);
    this.#cipher = null;
    return states;
  }

  /**
   * Two keys of 32 bytes beside those of `split`, which tell nothing about them: from initiator to responder, then the other way.
   * To be called before `split`, with another label for each purpose.
   */
  additionalKeys(label: Uint8Array): [Uint8Array, Uint8Array] {
    // What Split's HKDF would give as its third output. Its first two are the same, however many are taken.
    const outputs = hkdf(this.#hash, this.#chainingKey, EMPTY_BYTES, 3) as [Uint8Array, Uint8Array, Uint8Array];
    const keys = hkdf(this.#hash, outputs[2], concatBytes(label, this.#handshakeHash), 2) as [Uint8Array, Uint8Array];
    for (const output of outputs) output.fill(0);
    return keys;
  }

  #initializeKey(key: Uint8Array): void {
    this.#cipher = new CipherState(this.#crypto, this.#cipherName, key);
    key.fill(0);
  }
}
