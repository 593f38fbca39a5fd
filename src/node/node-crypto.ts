// The cryptography of Node: everything of CryptoProvider on node:crypto.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { NetworkError } from "../core/errors.js";
import { NonceBuffer } from "../core/noise/nonce.js";
import type { AeadKey, CipherName, CryptoProvider, DhKeyPair, HashName, NoiseHash, SigningKey } from "../core/runtime.js";

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TAG_BYTES = 16;
const AEAD_OPTIONS = { authTagLength: TAG_BYTES } as const;

// What comes before the 32 raw bytes of a private key in PKCS #8 (RFC 8410 §7).
const PKCS8_PREFIX = { X25519: "302e020100300506032b656e04220420", Ed25519: "302e020100300506032b657004220420" } as const;

type Curve = keyof typeof PKCS8_PREFIX;

/** Buffers stay inside: their `slice` shares memory where that of a plain array copies. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

function checkKey(key: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new NetworkError("ERR_CRYPTO_KEY", `${key.length} bytes instead of ${KEY_BYTES}`);
}

// As JWK (RFC 8037 §2): on Node 20 that takes 5 µs to import and 1 µs to export, where SPKI takes 75 µs and 70 µs.
function importPublicKey(crv: Curve, publicKey: Uint8Array): KeyObject {
  const x = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv, x }, format: "jwk" });
}

function exportPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(key.export({ format: "jwk" }).x as string, "base64url"));
}

function importPrivateKey(curve: Curve, privateKey: Uint8Array): KeyObject {
  checkKey(privateKey);
  const der = Buffer.concat([Buffer.from(PKCS8_PREFIX[curve], "hex"), privateKey]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return key;
}

/** A key pair as node:crypto computes with it: the private half stays in OpenSSL. */
class NodeDhKeyPair implements DhKeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;

  constructor(privateKey: KeyObject, publicKey: Uint8Array) {
    this.privateKey = privateKey;
    this.publicKey = publicKey;
  }
}

// The public half comes encoded with the pair. To export it from a generated key as JWK can freeze the process for ever: Node 20 holds the
// key's lock while it makes the texts, and a garbage collection at that moment wants the same lock to drop the generator.
function makeDhKeyPair(): DhKeyPair {
  // The declarations want both halves encoded or none.
  const encoding = { publicKeyEncoding: { type: "spki", format: "der" } } as object;
  const pair: unknown = generateKeyPairSync("x25519", encoding);
  const { privateKey, publicKey } = pair as { readonly privateKey: KeyObject; readonly publicKey: Buffer };
  // Behind its head, an SPKI of RFC 8410 §4 is the raw key.
  return new NodeDhKeyPair(privateKey, new Uint8Array(publicKey.subarray(-KEY_BYTES)));
}

let spare: DhKeyPair | null = null;

/** A handshake takes the pair that is ready, and the next is made while the other side computes: 0.2 ms that nobody waits for. */
function generateDhKeyPair(): DhKeyPair {
  const pair = spare ?? makeDhKeyPair();
  spare = null;
  setImmediate(() => {
    spare ??= makeDhKeyPair();
  });
  return pair;
}

function dh(keyPair: DhKeyPair, publicKey: Uint8Array): Uint8Array {
  checkKey(publicKey);
  if (!(keyPair instanceof NodeDhKeyPair)) throw new NetworkError("ERR_CRYPTO_KEY", "a key pair of another provider");
  try {
    // OpenSSL refuses an all-zero result by itself (RFC 7748 §6.1).
    return plain(diffieHellman({ privateKey: keyPair.privateKey, publicKey: importPublicKey("X25519", publicKey) }));
  } catch (cause) {
    throw new NetworkError("ERR_CRYPTO_KEY", "no shared secret comes from this public key", { cause });
  }
}

/**
 * Seals under a nonce of 12 bytes as it is; the keys of `aead` count instead. Exported for published test vectors.
 * @returns ciphertext and tag, in a fresh array
 */
export function sealWithNonce(
  cipher: CipherName,
  key: KeyObject,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
  sealInto(cipher, key, nonce, associatedData, plaintext, sealed, 0);
  return sealed;
}

function sealInto(
  cipher: CipherName,
  key: KeyObject,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  plaintext: Uint8Array,
  target: Uint8Array,
  at: number,
): void {
  const aead =
    cipher === "AESGCM"
      ? createCipheriv("aes-256-gcm", key, nonce, AEAD_OPTIONS)
      : createCipheriv("chacha20-poly1305", key, nonce, AEAD_OPTIONS);
  if (associatedData.length > 0) aead.setAAD(associatedData, { plaintextLength: plaintext.length });
  target.set(aead.update(plaintext), at);
  aead.final();
  target.set(aead.getAuthTag(), at + plaintext.length);
}

/**
 * Opens what `sealWithNonce` made.
 * @throws NetworkError `ERR_CRYPTO_TAG`
 */
export function openWithNonce(
  cipher: CipherName,
  key: KeyObject,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  const length = ciphertext.length - TAG_BYTES;
  if (length < 0) throw new NetworkError("ERR_CRYPTO_TAG", "shorter than a tag");
  const aead =
    cipher === "AESGCM"
      ? createDecipheriv("aes-256-gcm", key, nonce, AEAD_OPTIONS)
      : createDecipheriv("chacha20-poly1305", key, nonce, AEAD_OPTIONS);
  aead.setAuthTag(ciphertext.subarray(length));
  if (associatedData.length > 0) aead.setAAD(associatedData, { plaintextLength: length });
  const plaintext = aead.update(ciphertext.subarray(0, length));
  try {
    // Only here is the tag compared; before, the plaintext must not leave this function.
    aead.final();
  } catch {
    throw new NetworkError("ERR_CRYPTO_TAG");
  }
  return plain(plaintext);
}

/** One for all keys of a cipher: it is written and read within one call, and node:crypto takes a copy. */
const NONCES: Readonly<Record<CipherName, NonceBuffer>> = {
  AESGCM: new NonceBuffer("AESGCM"),
  ChaChaPoly: new NonceBuffer("ChaChaPoly"),
};

class NodeAeadKey implements AeadKey {
  readonly #cipher: CipherName;
  readonly #key: KeyObject;

  constructor(cipher: CipherName, key: Uint8Array) {
    checkKey(key);
    this.#cipher = cipher;
    this.#key = createSecretKey(key);
  }

  seal(nonce: number | bigint, associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array {
    return sealWithNonce(this.#cipher, this.#key, NONCES[this.#cipher].set(nonce), associatedData, plaintext);
  }

  sealInto(nonce: number, associatedData: Uint8Array, plaintext: Uint8Array, target: Uint8Array, at: number): void {
    sealInto(this.#cipher, this.#key, NONCES[this.#cipher].set(nonce), associatedData, plaintext, target, at);
  }

  open(nonce: number | bigint, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    return openWithNonce(this.#cipher, this.#key, NONCES[this.#cipher].set(nonce), associatedData, ciphertext);
  }
}

function noiseHash(name: HashName, algorithm: string): NoiseHash {
  return {
    name,
    hashLength: 32,
    hash(...parts) {
      const hash = createHash(algorithm);
      for (const part of parts) hash.update(part);
      return plain(hash.digest());
    },
    hmac: (key, data) => plain(createHmac(algorithm, key).update(data).digest()),
  };
}

const HASHES: Record<HashName, NoiseHash> = {
  SHA256: noiseHash("SHA256", "sha256"),
  BLAKE2s: noiseHash("BLAKE2s", "blake2s256"),
};

// The y coordinates of the eight points of small order, as 32 little-endian bytes: 0, 1, -1 and the two of order 8. The prime
// 2^255-19 bounds them.
const FIELD_PRIME = 2n ** 255n - 19n;
const ORDER_8_Y = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([0n, 1n, FIELD_PRIME - 1n, ORDER_8_Y, FIELD_PRIME - ORDER_8_Y]);

/**
 * Whether a key binds its signatures to somebody. OpenSSL takes points of small order, for which anyone can make signatures,
 * and coordinates that are not reduced, which RFC 8032 §5.1.3 refuses. Without this check Node and browsers would disagree.
 */
function isSoundPublicKey(publicKey: Uint8Array): boolean {
  let y = 0n;
  for (let i = KEY_BYTES - 1; i >= 0; i--) y = (y << 8n) | BigInt(publicKey[i] as number);
  y &= (1n << 255n) - 1n; // without the sign of x
  return y < FIELD_PRIME && !SMALL_ORDER_Y.has(y);
}

function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES || !isSoundPublicKey(publicKey)) return false;
  try {
    return verify(null, message, importPublicKey("Ed25519", publicKey), signature);
  } catch {
    return false;
  }
}

function signingKeyFrom(seed: Uint8Array): SigningKey {
  const key = importPrivateKey("Ed25519", seed);
  return { publicKey: exportPublicKey(createPublicKey(key)), sign: (message) => plain(sign(null, message, key)) };
}

/** How far into /proc/cpuinfo to look: the first processor is described in about 1.5 kB. */
const CPU_INFO_BYTES = 8192;

let fastAes: boolean | undefined;

/** AES-GCM is fast with two instruction sets: one for AES, one for the carry-less multiplication of GHASH. */
function detectFastAes(): boolean {
  if (process.platform === "linux") {
    try {
      const file = openSync("/proc/cpuinfo", "r");
      try {
        const head = Buffer.alloc(CPU_INFO_BYTES);
        const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(
          head.toString("latin1", 0, readSync(file, head, 0, head.length, 0)),
        )?.[1];
        if (flags !== undefined) return /\baes\b/.test(flags) && /\b(?:pclmulqdq|pmull)\b/.test(flags);
      } finally {
        closeSync(file);
      }
    } catch {
      // Some sandboxes hide /proc: then the architecture has to do.
    }
    return process.arch === "x64";
  }
  // Elsewhere these are Macs and PCs, which all have it by now.
  return process.arch === "x64" || process.arch === "arm64";
}

/** The cryptography of Node. It has no state, so one is as good as many. */
export function nodeCrypto(): CryptoProvider {
  return {
    name: "node:crypto",
    generateDhKeyPair,
    dhKeyPairFrom(privateKey) {
      const key = importPrivateKey("X25519", privateKey);
      return new NodeDhKeyPair(key, exportPublicKey(createPublicKey(key)));
    },
    dh,
    hash: (name) => HASHES[name],
    aead: (name, key) => new NodeAeadKey(name, key),
    get hasFastAes() {
      fastAes ??= detectFastAes();
      return fastAes;
    },
    signingKeyFrom,
    verify: verifySignature,
  };
}
