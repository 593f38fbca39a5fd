// How a counter becomes the 12-byte nonce of an AEAD: the one place that knows, for every runtime.

import { NetworkError } from "../errors.js";
import type { CipherName } from "../runtime.js";

/** Bytes of an AEAD nonce, for both ciphers. */
export const NONCE_BYTES = 12;

/** The largest counter, 2^64-1: Noise §5.1 reserves it for rekeying. */
export const REKEY_NONCE = 0xffff_ffff_ffff_ffffn;

const TWO_TO_32 = 0x1_0000_0000;

/**
 * One nonce buffer, rewritten for each record: four zero bytes, then the counter in 64 bits, little-endian for ChaChaPoly
 * (Noise §12.3) and big-endian for AESGCM (Noise §12.4).
 */
export class NonceBuffer {
  /** 12 bytes; the next `set` overwrites them. */
  readonly bytes: Uint8Array = new Uint8Array(NONCE_BYTES);
  readonly #view = new DataView(this.bytes.buffer);
  readonly #littleEndian: boolean;

  constructor(cipher: CipherName) {
    this.#littleEndian = cipher === "ChaChaPoly";
  }

  /**
   * Writes the counter.
   * @param counter - 0 to 2^53-1 as a number, 0 to 2^64-1 as a bigint
   * @returns `bytes`
   * @throws NetworkError `ERR_CRYPTO_NONCE` when the counter is out of that range
   */
  set(counter: number | bigint): Uint8Array {
    if (typeof counter === "bigint") {
      if (counter < 0n || counter > REKEY_NONCE) throw new NetworkError("ERR_CRYPTO_NONCE", "the nonce is out of range");
      this.#view.setBigUint64(4, counter, this.#littleEndian);
      return this.bytes;
    }
    // Beyond 2^53-1 neighbouring counters are the same number: a nonce would come twice.
    if (!Number.isSafeInteger(counter) || counter < 0) throw new NetworkError("ERR_CRYPTO_NONCE", "the nonce is out of range");
    const low = counter >>> 0;
    const high = (counter - low) / TWO_TO_32;
    this.#view.setUint32(this.#littleEndian ? 4 : 8, low, this.#littleEndian);
    this.#view.setUint32(this.#littleEndian ? 8 : 4, high, this.#littleEndian);
    return this.bytes;
  }
}
