// CipherState (Noise §5.1): one key and its counter. It seals or opens, one record after the other.

import { EMPTY_BYTES } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { AeadKey, CipherName, CryptoProvider } from "../runtime.js";
import { LaterRecord } from "./later-record.js";
import { REKEY_NONCE } from "./nonce.js";

/** Largest Noise message, handshake or transport, in bytes (Noise §3). */
export const MAX_NOISE_MESSAGE_BYTES = 65_535;

/** Bytes that sealing adds: the tag of both ciphers. */
export const TAG_BYTES = 16;

/** Bytes of a cipher key, for both ciphers. */
export const CIPHER_KEY_BYTES = 32;

/**
 * The counter at which a key is used up. Noise §5.1 goes on to 2^64-2; stopping here keeps every counter exact in a JavaScript
 * number, and no link that lasts comes near, as nobody sends four thousand million records between two handshakes.
 */
export const MAX_NONCE = 0xffff_ffff;

/**
 * One direction of an encrypted stream.
 *
 * The counter moves on only after a record was sealed, or its tag verified. A forged record therefore costs nothing, and the
 * next good one still opens.
 */
export class CipherState {
  readonly #crypto: CryptoProvider;
  readonly #cipher: CipherName;
  #key: AeadKey;
  #nonce: number;

  /**
   * @param key - 32 bytes; they are copied, so the caller may overwrite them
   * @param nonce - first counter; anything but 0 is for tests, and `MAX_NONCE` makes a state that refuses everything
   * @throws NetworkError `ERR_CRYPTO_KEY` when the key is not 32 bytes; `ERR_CRYPTO_NONCE` when the counter is not a whole number
   */
  constructor(crypto: CryptoProvider, cipher: CipherName, key: Uint8Array, nonce = 0) {
    if (!Number.isSafeInteger(nonce) || nonce < 0) throw new NetworkError("ERR_CRYPTO_NONCE", "the nonce is out of range");
    this.#crypto = crypto;
    this.#cipher = cipher;
    this.#key = crypto.aead(cipher, key);
    this.#nonce = nonce;
  }

  /** The counter that the next record will have. */
  get nonce(): number {
    return this.#nonce;
  }

  /**
   * EncryptWithAd.
   * @param plaintext - at most 65 519 bytes
   * @returns ciphertext and tag, in a fresh array
   * @throws NetworkError `ERR_FRAME_TOO_LARGE`, and nothing was used up; `ERR_CRYPTO_NONCE` when the key is used up.
   *   Whatever the cipher itself throws ends this state: every later call throws `ERR_CRYPTO_NONCE`.
   */
  seal(plaintext: Uint8Array, associatedData: Uint8Array = EMPTY_BYTES): Uint8Array {
    const nonce = this.#useNonce(plaintext);
    const ciphertext = this.#key.seal(nonce, associatedData, plaintext);
    this.#nonce = nonce + 1;
    return ciphertext;
  }

  /** Like `seal`, without associated data, to `target` from `at` on. @throws as `seal` */
  sealInto(plaintext: Uint8Array, target: Uint8Array, at: number): void {
    const nonce = this.#useNonce(plaintext);
    if (this.#key.sealInto) this.#key.sealInto(nonce, EMPTY_BYTES, plaintext, target, at);
    else target.set(this.#key.seal(nonce, EMPTY_BYTES, plaintext), at);
    this.#nonce = nonce + 1;
  }

  #useNonce(plaintext: Uint8Array): number {
    if (plaintext.length > MAX_NOISE_MESSAGE_BYTES - TAG_BYTES) throw tooLarge(plaintext.length + TAG_BYTES);
    const nonce = this.#nonce;
    if (nonce >= MAX_NONCE) throw usedUp();
    // Used up until it went well. Nobody can tell how far a cipher came before it threw, so this counter is never tried again.
    this.#nonce = MAX_NONCE;
    return nonce;
  }

  /**
   * DecryptWithAd.
   * @param ciphertext - ciphertext and tag, at most 65 535 bytes
   * @returns the plaintext, in memory of its own
   * @throws NetworkError `ERR_CRYPTO_TAG` when it was altered, is out of order or shorter than a tag, `ERR_FRAME_TOO_LARGE`,
   *   `ERR_CRYPTO_NONCE` when the key is used up; the counter stays as it is in each case
   */
  open(ciphertext: Uint8Array, associatedData: Uint8Array = EMPTY_BYTES): Uint8Array {
    if (ciphertext.length > MAX_NOISE_MESSAGE_BYTES) throw tooLarge(ciphertext.length);
    const nonce = this.#nonce;
    if (nonce >= MAX_NONCE) throw usedUp();
    const plaintext = this.#key.open(nonce, associatedData, ciphertext);
    this.#nonce = nonce + 1;
    return plaintext;
  }

  /**
   * Begins what `seal` or `open` does, in the faster place that the key may have. The counter moves on at once, as the next record does not
   * wait; so one that turns out to be forged ends the stream.
   * @returns `null` when it is for `seal` and `open`: there is no such place for it, or they refuse it
   * @throws whatever that place throws, which ends this state as it does in `seal`
   */
  later(work: "seal" | "open", text: Uint8Array): LaterRecord | null {
    const later = this.#key.later?.(text.length);
    const nonce = this.#nonce;
    const bytes = text.length + (work === "seal" ? TAG_BYTES : 0);
    if (!later || nonce >= MAX_NONCE || bytes > MAX_NOISE_MESSAGE_BYTES) return null;
    this.#nonce = MAX_NONCE;
    const record = new LaterRecord(work, this.#key, later, nonce, text);
    this.#nonce = nonce + 1;
    return record;
  }

  /**
   * Replaces the key by REKEY(key) (Noise §4.2): the first 32 bytes of 32 zero bytes sealed under the counter 2^64-1. The
   * counter stays (Noise §11.3), so this does not put off `MAX_NONCE`.
   */
  rekey(): void {
    const sealed = this.#key.seal(REKEY_NONCE, EMPTY_BYTES, new Uint8Array(CIPHER_KEY_BYTES));
    this.#key = this.#crypto.aead(this.#cipher, sealed.subarray(0, CIPHER_KEY_BYTES));
    sealed.fill(0);
  }
}

function tooLarge(bytes: number): NetworkError {
  return new NetworkError("ERR_FRAME_TOO_LARGE", `${bytes} of at most ${MAX_NOISE_MESSAGE_BYTES} bytes`);
}

function usedUp(): NetworkError {
  return new NetworkError("ERR_CRYPTO_NONCE", `at counter ${MAX_NONCE}`);
}
