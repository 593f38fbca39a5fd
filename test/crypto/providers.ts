// Both cryptography providers under one roof, so that each test runs with each; noble also as the browser build cuts it.

import { createSecretKey, randomBytes } from "node:crypto";
import { blake2s } from "@noble/hashes/blake2.js";
import * as noble from "../../src/browser/noble-crypto.js";
import type { CipherName, CryptoProvider } from "../../src/core/runtime.js";
import * as node from "../../src/node/node-crypto.js";
import { importSlim } from "../browser-unit/slim.js";

export const nodeProvider = node.nodeCrypto();

const slim = await importSlim<typeof noble>("src/browser/noble-crypto.ts");

const nobleBlake2s = noble.noiseHash("BLAKE2s", blake2s as never);
/** The provider of browsers, and BLAKE2s, which published vectors use and our suites do not. */
function withBlake2s({ nobleCrypto }: typeof noble): CryptoProvider {
  const crypto = nobleCrypto({ bytes: (length) => new Uint8Array(randomBytes(length)) });
  return { ...crypto, hash: (name) => (name === "BLAKE2s" ? nobleBlake2s : crypto.hash(name)) };
}

export const nobleProvider = withBlake2s(noble);

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
  { name: "noble in pages", crypto: withBlake2s(slim), seal: slim.sealWithNonce, open: slim.openWithNonce },
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
