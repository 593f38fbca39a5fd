// What a runtime brings. Core takes time, randomness, cryptography and sockets from here and knows neither Node nor a browser.

import type { Advice } from "./explain/facts.js";
import type { PortMapping, PortMappingContext } from "./path/port-mapping.js";
import type { Transport } from "./path/transport.js";

/** A moment or a span, in milliseconds. */
export type Millis = number;

/** A timer that can be called off; calling it off twice is harmless. */
export interface Timer {
  cancel(): void;
}

/** Time as core sees it. Tests bring a virtual one. */
export interface Clock {
  /** Monotonic time in ms: for spans and deadlines, unrelated to the calendar. */
  now(): Millis;
  /** Calendar time in ms since 1970-01-01 UTC: for message timestamps only. */
  date(): Millis;
  /** Runs `callback` once, after `delayMs` or a little later. A pending timer does not keep a Node process alive by itself. */
  after(delayMs: Millis, callback: () => void): Timer;
  /** Runs `callback` when what runs now has ended, so that several sends in one turn share one record. */
  defer(callback: () => void): void;
}

/** Cryptographically secure random bytes. Tests bring seeded ones. */
export interface Random {
  bytes(length: number): Uint8Array;
}

/** An X25519 key pair, 32 bytes each. `privateKey` is opaque: what the runtime computes fastest with. */
export interface DhKeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: unknown;
}

/** One AEAD key. The nonce is a counter; how it becomes 12 bytes is the cipher's matter (Noise §12.3, §12.4). */
export interface AeadKey {
  /** Ciphertext followed by the 16-byte tag, in a fresh array. */
  seal(nonce: number | bigint, associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Like `seal`, to `target` from `at` on, which has room for all of it. Missing where it would save nothing. */
  sealInto?(nonce: number, associatedData: Uint8Array, plaintext: Uint8Array, target: Uint8Array, at: number): void;
  /**
   * @returns the plaintext, in a fresh array or a view of one
   * @throws NetworkError `ERR_CRYPTO_TAG` when the tag does not fit or the ciphertext is shorter than a tag
   */
  open(nonce: number | bigint, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array;
  /**
   * A faster place for texts of `length` bytes. Missing where there is none; `null` as long as it is not ready, and for texts that are too
   * short to pay for the way there.
   */
  later?(length: number): LaterAead | null;
}

/**
 * The same key in a place that answers later, as WebCrypto does: `seal` and `open` of {@link AeadKey}, with the same outcome bit by bit. It
 * copies what it is given before it returns, so that the caller may overwrite that. It rejects when a tag does not fit, or when it
 * cannot do it after all.
 */
export type LaterAead = (
  work: "seal" | "open",
  nonce: number,
  associatedData: Uint8Array,
  text: Uint8Array,
) => Promise<Uint8Array>;

export type CipherName = "ChaChaPoly" | "AESGCM";
export type HashName = "SHA256" | "BLAKE2s";

/** A hash as Noise §4.3 wants it. */
export interface NoiseHash {
  readonly name: HashName;
  /** Bytes of output. */
  readonly hashLength: number;
  hash(...parts: readonly Uint8Array[]): Uint8Array;
  /** HMAC (RFC 2104) with this hash. */
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array;
}

/** The cryptography of one runtime: `node:crypto` in Node, noble and WebCrypto in browsers. All give the same bytes. */
export interface CryptoProvider {
  readonly name: string;
  generateDhKeyPair(): DhKeyPair;
  /** A key pair from 32 given bytes, for test vectors. */
  dhKeyPairFrom(privateKey: Uint8Array): DhKeyPair;
  /**
   * X25519 (RFC 7748 §5), 32 bytes.
   * @throws NetworkError `ERR_CRYPTO_KEY` when the result is all zero (RFC 7748 §6.1) or the key is not 32 bytes
   */
  dh(keyPair: DhKeyPair, publicKey: Uint8Array): Uint8Array;
  hash(name: HashName): NoiseHash;
  /** @param key - 32 bytes */
  aead(name: CipherName, key: Uint8Array): AeadKey;
  /** Whether the processor has instructions for AES, so that AES-GCM is the faster suite. */
  readonly hasFastAes: boolean;
  /** The Ed25519 key pair of a 32-byte seed (RFC 8032 §5.1.5). */
  signingKeyFrom(seed: Uint8Array): SigningKey;
  /**
   * Verifies an Ed25519 signature (RFC 8032 §5.1.7, without the ZIP 215 leniency). Never throws: whatever is malformed is `false`.
   */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** An Ed25519 key that signs. It may be asynchronous, as a non-extractable WebCrypto key is. */
export interface SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** A WebSocket to a relay, in the terms of the least common denominator. */
export interface RelaySocket {
  send(frame: Uint8Array): void;
  close(): void;
  /** Bytes handed to `send` that the operating system has not taken yet. */
  readonly bufferedBytes: number;
}

export interface RelaySocketHandlers {
  frame(frame: Uint8Array): void;
  /** Called once, whatever ended the socket; `code` and `reason` are those of the WebSocket close frame (RFC 6455 §7.4). */
  closed(code: number, reason: string): void;
}

/** What a build gives to core. */
export interface Runtime {
  readonly name: "node" | "browser";
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: CryptoProvider;
  /** The transports of this build, before those of the options. */
  readonly transports: readonly Transport[];
  /**
   * Opens a WebSocket to a relay and resolves when it is open.
   * @throws NetworkError `ERR_RELAY_UNAVAILABLE`
   */
  openRelaySocket(url: string, handlers: RelaySocketHandlers, signal: AbortSignal): Promise<RelaySocket>;
  /**
   * Addresses of this machine that others may dial, without ports; empty where there are none to know.
   * Numeric, IPv4 or IPv6, no link-local ones.
   */
  localAddresses(): readonly string[];
  /** Calls back when the network may have changed or the machine woke up. Returns how to stop it. */
  onNetworkChange(callback: () => void): () => void;
  /**
   * Calls back when the program is about to end without a chance to wait, as when a page is closed. Returns how to stop it.
   * Missing where there is no such moment.
   */
  onUnload?(callback: () => void): () => void;
  /** What would improve things here, for `explain()`. */
  readonly advice?: Advice;
  /**
   * Begins to ask the gateway to let others in, in the background. Missing where the options do not ask for it, or it cannot be done.
   */
  mapPorts?(context: PortMappingContext): PortMapping;
  /** Most sessions at the same time, unless the options say otherwise. */
  readonly maxConnections: number;
}
