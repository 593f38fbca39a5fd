// Both cryptography providers under one roof, so that each test runs with each.

import { createSecretKey, randomBytes } from "node:crypto";
import { blake2s } from "@noble/hashes/blake2.js";
import * as noble from "../../src/browser/noble-crypto.js";
import type { CipherName, CryptoProvider } from "../../src/core/runtime.js";
import * as node from "../../src/node/node-crypto.js";

export const nodeProvider = node.nodeCrypto();

const nobleBuild = noble.nobleCrypto({ bytes: (length) => new Uint8Array(randomBytes(length)) });
const nobleBlake2s = noble.noiseHash("BLAKE2s", blake2s as never);
/** The provider of browsers, and BLAKE2s, which published vectors use and our suites do not. */
export const nobleProvider: CryptoProvider = {
  ...nobleBuild,
  hash: (name) => (name === "BLAKE2s" ? nobleBlake2s : nobleBuild.hash(name)),
};

type NonceCall = (
  cipher: CipherName,
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  text: Uint8Array,
) => Uint8Array;

export interface ProviderUnderTest {
  readonly name: string;
  readonly crypto: CryptoProvider;
  /** Under a nonce of 12 given bytes. */
  readonly seal: NonceCall;
  readonly open: NonceCall;
}

export const PROVIDERS: readonly ProviderUnderTest[] = [
  {
    name: "node:crypto",
    crypto: nodeProvider,
    seal: (cipher, key, ...rest) => node.sealWithNonce(cipher, createSecretKey(key), ...rest),
    open: (cipher, key, ...rest) => node.openWithNonce(cipher, createSecretKey(key), ...rest),
  },
  { name: "noble", crypto: nobleProvider, seal: noble.sealWithNonce, open: noble.openWithNonce },
];

/** The code of what `call` throws; `null` when it does not throw, and the error's text when it has no code. */
export function thrownCode(call: () => unknown): string | null {
  try {
    call();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return null;
}
