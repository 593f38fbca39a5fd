// ChaCha20-Poly1305 by WebCrypto: several times as fast as noble. Chromium has it, on pages from https and localhost.

import { equalBytes } from "../core/bytes.js";
import { NonceBuffer } from "../core/noise/nonce.js";
import type { AeadKey, CryptoProvider, LaterAead } from "../core/runtime.js";

/** Shorter texts are noble's: a promise and a place in the row cost more than they save. */
export const LATER_FROM_BYTES = 1024;

/**
 * Seals or opens under a nonce of 12 bytes as it is; a key of the provider counts instead. All that it is given is copied before it
 * returns (W3C WebCrypto §14.3.1, §14.3.2, §18.4.4), and it rejects when the tag does not fit.
 */
export type NonceCall = (
  work: "seal" | "open",
  nonce: Uint8Array,
  associatedData: Uint8Array,
  text: Uint8Array,
) => Promise<Uint8Array>;

/**
 * Gives a key to WebCrypto. Exported for published test vectors.
 * @param raw - 32 bytes
 * @returns a promise that rejects where WebCrypto does not have this cipher
 * @see https://wicg.github.io/webcrypto-modern-algos/#chacha20-poly1305
 */
export async function webCryptoKey(subtle: SubtleCrypto, raw: Uint8Array): Promise<NonceCall> {
  const name = "ChaCha20-Poly1305";
  const key = await subtle.importKey("raw-secret" as "raw", raw as BufferSource, name, false, ["encrypt", "decrypt"]);
  return async (work, iv, additionalData, text) => {
    const algorithm = { name, iv, additionalData } as AesGcmParams;
    return new Uint8Array(await subtle[work === "seal" ? "encrypt" : "decrypt"](algorithm, key, text as BufferSource));
  };
}

async function laterAead(subtle: SubtleCrypto, raw: Uint8Array): Promise<LaterAead> {
  const call = await webCryptoKey(subtle, raw);
  const nonces = new NonceBuffer("ChaChaPoly");
  return (work, nonce, associatedData, text) => call(work, nonces.set(nonce), associatedData, text);
}

/** Any counter of which each byte differs. */
const TEST_NONCE = 0x1234_5678_9abc;

/** Whether WebCrypto gives the bytes that are known to be right, and refuses what was altered. */
async function isRight(subtle: SubtleCrypto, own: CryptoProvider): Promise<boolean> {
  const text = new Uint8Array(100);
  const raw = text.subarray(0, 32);
  const later = await laterAead(subtle, raw);
  const sealed = own.aead("ChaChaPoly", raw).seal(TEST_NONCE, raw, text);
  const isSame =
    equalBytes(await later("seal", TEST_NONCE, raw, text), sealed) &&
    equalBytes(await later("open", TEST_NONCE, raw, sealed), text);
  sealed[0] = ~(sealed[0] as number);
  return later("open", TEST_NONCE, raw, sealed).then(
    () => false,
    () => isSame,
  );
}

/**
 * Adds WebCrypto to a provider, for big records under ChaCha20-Poly1305. noble begins, and WebCrypto joins it as soon as it has the key;
 * where the browser does not have that cipher, or does not pass a test, noble goes on.
 * @param subtle - `undefined` on a page that is not from https or localhost
 */
export function withWebCrypto(own: CryptoProvider, subtle: SubtleCrypto | undefined): CryptoProvider {
  if (!subtle) return own;
  let tested: Promise<boolean> | undefined;

  const laterOf = (raw: Uint8Array): AeadKey["later"] => {
    let isAsked = false;
    let ready: LaterAead | null = null;
    const prepare = async (): Promise<void> => {
      tested ??= isRight(subtle, own);
      if (await tested) ready = await laterAead(subtle, raw);
    };
    return (length) => {
      if (length < LATER_FROM_BYTES) return null;
      // Not before: a handshake makes several keys for a few bytes each, and many a connection never has a big record.
      if (!isAsked) prepare().catch(() => undefined);
      isAsked = true;
      return ready;
    };
  };

  const aead: CryptoProvider["aead"] = (name, raw) => {
    const key = own.aead(name, raw);
    if (name === "ChaChaPoly") key.later = laterOf(new Uint8Array(raw));
    return key;
  };
  return { ...own, aead };
}
