// Who we are and who the others are: the PeerId as text, and the identity key of this process.

import { decodeBase32, encodeBase32 } from "./base32.js";
import { NetworkError } from "./errors.js";
import type { PeerId } from "./events.js";
import type { CryptoProvider, Random, SigningKey } from "./runtime.js";

/** Length of an Ed25519 public key in bytes (RFC 8032 §5.1.5), and so of a PeerId in binary. */
export const PUBLIC_KEY_BYTES = 32;
/** Length of an Ed25519 seed in bytes (RFC 8032 §5.1.5). */
export const SEED_BYTES = 32;
/** Length of a PeerId as text, in characters: 256 bits at 5 bits each, rounded up. */
export const PEER_ID_CHARS = 52;

// 52 characters carry 260 bits; the last 4 of them are padding and must be zero, which leaves two characters for the end.
const PEER_ID_FORM = /^[a-z2-7]{51}[aq]$/;

/**
 * The text form of a public key: 52 characters of lower-case base32 without padding (RFC 4648 §6).
 * @param publicKey - Ed25519, 32 bytes
 * @throws NetworkError `ERR_PEER_ID_INVALID` when it is not 32 bytes
 */
export function encodePeerId(publicKey: Uint8Array): PeerId {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new NetworkError("ERR_PEER_ID_INVALID", `the public key has ${publicKey.length} bytes, not ${PUBLIC_KEY_BYTES}`);
  }
  return encodeBase32(publicKey);
}

/**
 * The public key that a PeerId stands for. Each key has exactly one text: a last character with stray bits is refused, as
 * two texts for one peer would let it appear twice in tables that are keyed by PeerId.
 * @returns 32 bytes, in a fresh array
 * @throws NetworkError `ERR_PEER_ID_INVALID` when the text is not a canonical PeerId
 */
export function decodePeerId(text: string): Uint8Array {
  if (!isPeerId(text)) throw new NetworkError("ERR_PEER_ID_INVALID");
  return decodeBase32(text);
}

/** Whether this has the form of a PeerId. Whether somebody holds the key is what the handshake proves. */
export function isPeerId(text: unknown): text is PeerId {
  // The length comes first: a regular expression over a text of any size is work that somebody else decides on.
  return typeof text === "string" && text.length === PEER_ID_CHARS && PEER_ID_FORM.test(text);
}

/** The identity of this process: its name to others, and the key that proves it. */
export interface Identity {
  readonly peerId: PeerId;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** An Ed25519 signature, 64 bytes. A promise where the key is one that cannot be taken out of WebCrypto. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

class KeyIdentity implements Identity {
  readonly peerId: PeerId;
  readonly publicKey: Uint8Array;
  // Private to the engine, not only to the type checker: no log, inspector or JSON shows what holds the secret.
  readonly #key: SigningKey;

  constructor(key: SigningKey) {
    this.peerId = encodePeerId(key.publicKey);
    this.publicKey = key.publicKey.slice();
    this.#key = key;
  }

  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array> {
    return this.#key.sign(message);
  }

  toString(): string {
    return this.peerId;
  }

  toJSON(): { peerId: PeerId } {
    return { peerId: this.peerId };
  }
}

/** The part of a `Runtime` that makes identities. */
export interface IdentityRuntime {
  readonly random: Random;
  readonly crypto: Pick<CryptoProvider, "signingKeyFrom">;
}

function isSigningKey(value: unknown): value is SigningKey {
  if (typeof value !== "object" || value === null) return false;
  const key = value as Partial<SigningKey>;
  return typeof key.sign === "function" && key.publicKey instanceof Uint8Array && key.publicKey.length === PUBLIC_KEY_BYTES;
}

/**
 * Makes the identity that `options.identity` asks for.
 * @param option - a seed of 32 bytes, a key that signs, or `undefined` for a fresh key
 * @throws NetworkError `ERR_OPTION_INVALID` when it is none of these
 */
export function createIdentity(option: Uint8Array | SigningKey | undefined, runtime: IdentityRuntime): Identity {
  if (option === undefined) return identityFromSeed(runtime.random.bytes(SEED_BYTES), runtime);
  if (option instanceof Uint8Array) {
    if (option.length !== SEED_BYTES)
      throw new NetworkError("ERR_OPTION_INVALID", `identity must be a seed of ${SEED_BYTES} bytes`);
    // A copy: the caller may overwrite its own after this call, as careful programs do with seeds.
    return identityFromSeed(option.slice(), runtime);
  }
  if (!isSigningKey(option)) {
    throw new NetworkError(
      "ERR_OPTION_INVALID",
      "identity must be a seed of 32 bytes or a key with a publicKey of 32 bytes and sign()",
    );
  }
  return new KeyIdentity(option);
}

function identityFromSeed(seed: Uint8Array, runtime: IdentityRuntime): Identity {
  return new KeyIdentity(runtime.crypto.signingKeyFrom(seed));
}
