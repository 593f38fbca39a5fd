// The cryptography of browsers: everything of CryptoProvider in JavaScript, so that it also runs where crypto.subtle is missing.

import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { NetworkError } from "../core/errors.js";
import { NonceBuffer } from "../core/noise/nonce.js";
import type { AeadKey, CipherName, CryptoProvider, DhKeyPair, HashName, NoiseHash, Random, SigningKey } from "../core/runtime.js";

const KEY_BYTES = 32;

function checkKey(key: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new NetworkError("ERR_CRYPTO_KEY", `${key.length} bytes instead of ${KEY_BYTES}`);
}

/** A key pair as noble computes with it: 32 raw bytes. */
class NobleDhKeyPair implements DhKeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;

  constructor(privateKey: Uint8Array) {
    checkKey(privateKey);
    this.privateKey = new Uint8Array(privateKey);
    this.publicKey = x25519.getPublicKey(this.privateKey);
  }
}

function dh(keyPair: DhKeyPair, publicKey: Uint8Array): Uint8Array {
  checkKey(publicKey);
  if (!(keyPair instanceof NobleDhKeyPair)) throw new NetworkError("ERR_CRYPTO_KEY", "a key pair of another provider");
  try {
    // noble refuses an all-zero result by itself (RFC 7748 §6.1).
    return x25519.getSharedSecret(keyPair.privateKey, publicKey);
  } catch (cause) {
    throw new NetworkError("ERR_CRYPTO_KEY", "no shared secret comes from this public key", { cause });
  }
}

const AEADS = { ChaChaPoly: chacha20poly1305, AESGCM: gcm } as const;

/**
 * Seals under a nonce of 12 bytes as it is; the keys of `aead` count instead. Exported for published test vectors.
 * @returns ciphertext and tag, in a fresh array
 */
export function sealWithNonce(
  cipher: CipherName,
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  return AEADS[cipher](key, nonce, associatedData).encrypt(plaintext);
}

/**
 * Opens what `sealWithNonce` made.
 * @throws NetworkError `ERR_CRYPTO_TAG`
 */
export function openWithNonce(
  cipher: CipherName,
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  try {
    return AEADS[cipher](key, nonce, associatedData).decrypt(ciphertext);
  } catch {
    throw new NetworkError("ERR_CRYPTO_TAG");
  }
}

class NobleAeadKey implements AeadKey {
  readonly #cipher: CipherName;
  readonly #key: Uint8Array;
  readonly #nonce: NonceBuffer;

  constructor(cipher: CipherName, key: Uint8Array) {
    checkKey(key);
    this.#cipher = cipher;
    this.#key = new Uint8Array(key);
    this.#nonce = new NonceBuffer(cipher);
  }

  seal(nonce: number | bigint, associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array {
    return sealWithNonce(this.#cipher, this.#key, this.#nonce.set(nonce), associatedData, plaintext);
  }

  open(nonce: number | bigint, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    return openWithNonce(this.#cipher, this.#key, this.#nonce.set(nonce), associatedData, ciphertext);
  }
}

/** One of noble's hashes, as Noise wants it. */
export function noiseHash(name: HashName, algorithm: typeof sha256): NoiseHash {
  return {
    name,
    hashLength: algorithm.outputLen,
    hash(...parts) {
      const hash = algorithm.create();
      for (const part of parts) hash.update(part);
      return hash.digest();
    },
    hmac: (key, data) => hmac(algorithm, key, data),
  };
}

const SHA256 = noiseHash("SHA256", sha256);

// Our suites need no other hash, and each would cost every page two kilobytes.
function hash(name: HashName): NoiseHash {
  if (name !== SHA256.name) throw new NetworkError("ERR_OPTION_INVALID", `no ${name} in this build`);
  return SHA256;
}

function signingKeyFrom(seed: Uint8Array): SigningKey {
  checkKey(seed);
  const kept = new Uint8Array(seed);
  return { publicKey: ed25519.getPublicKey(kept), sign: (message) => ed25519.sign(message, kept) };
}

function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    // noble's default takes what ZIP 215 takes and RFC 8032 refuses; node:crypto refuses it too.
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false; // wrong lengths
  }
}

/**
 * The cryptography of browsers.
 * @param random - where X25519 private keys come from
 */
export function nobleCrypto(random: Random): CryptoProvider {
  return {
    name: "noble",
    generateDhKeyPair: () => new NobleDhKeyPair(random.bytes(KEY_BYTES)),
    dhKeyPairFrom: (privateKey) => new NobleDhKeyPair(privateKey),
    dh,
    hash,
    aead: (name, key) => new NobleAeadKey(name, key),
    // A page cannot know, and AES without the instructions is slow.
    hasFastAes: false,
    signingKeyFrom,
    verify,
  };
}
