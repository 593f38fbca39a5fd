// The contract of CryptoProvider, for both providers, and that they agree where attackers would like them not to.

import { ed25519 } from "@noble/curves/ed25519.js";
import { describe, expect, test } from "vitest";
import { encodeUtf8, fromHex, toHex } from "../../src/core/bytes.js";
import { nobleProvider, nodeProvider, PROVIDERS, thrownCode } from "./providers.js";

const MESSAGE = encodeUtf8("a message");
const SEED = new Uint8Array(32).fill(3);

/** All encodings of the eight points of small order, reduced or not, with either sign. */
function smallOrderKeys(): Uint8Array[] {
  const { Point } = ed25519;
  const generator = Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
  const keys: Uint8Array[] = [];
  let point = Point.ZERO;
  for (let i = 0; i < 8; i++) {
    keys.push(point.toBytes());
    point = point.add(generator);
  }
  expect(new Set(keys.map(toHex)).size, "the generator has order 8").toBe(8);
  const unreduced = ["ed", "ee"].map((low) => fromHex(`${low}${"ff".repeat(30)}7f`));
  const all = [...keys, ...unreduced];
  const flipped = all.map((key) => {
    const copy = new Uint8Array(key);
    copy[31] = (copy[31] as number) ^ 0x80;
    return copy;
  });
  return [...all, ...flipped];
}

/** Signatures that need no private key when the public key is of small order: S = 0 and R any such point. */
function forgeries(keys: readonly Uint8Array[]): Uint8Array[] {
  return keys.map((key) => {
    const signature = new Uint8Array(64);
    signature.set(key);
    return signature;
  });
}

describe.each(PROVIDERS)("$name", ({ crypto }) => {
  test("makes fresh X25519 keys that agree on a secret", () => {
    const [a, b] = [crypto.generateDhKeyPair(), crypto.generateDhKeyPair()];
    expect(a.publicKey.length).toBe(32);
    expect(a.publicKey).not.toEqual(b.publicKey);
    expect(crypto.dh(a, b.publicKey)).toEqual(crypto.dh(b, a.publicKey));
  });

  test("refuses keys of another length or of another provider", () => {
    const pair = crypto.generateDhKeyPair();
    for (const length of [0, 31, 33]) {
      const bytes = new Uint8Array(length).fill(9);
      expect(thrownCode(() => crypto.dh(pair, bytes))).toBe("ERR_CRYPTO_KEY");
      expect(thrownCode(() => crypto.dhKeyPairFrom(bytes))).toBe("ERR_CRYPTO_KEY");
      expect(thrownCode(() => crypto.signingKeyFrom(bytes))).toBe("ERR_CRYPTO_KEY");
      expect(thrownCode(() => crypto.aead("AESGCM", bytes))).toBe("ERR_CRYPTO_KEY");
    }
    const other = { publicKey: pair.publicKey, privateKey: "none" };
    expect(thrownCode(() => crypto.dh(other, pair.publicKey))).toBe("ERR_CRYPTO_KEY");
  });

  test("signs as RFC 8032 §7.1 does", async () => {
    const key = crypto.signingKeyFrom(fromHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
    expect(toHex(key.publicKey)).toBe("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    const signature = await key.sign(Uint8Array.of(0x72));
    expect(toHex(signature)).toBe(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    expect(crypto.verify(key.publicKey, Uint8Array.of(0x72), signature)).toBe(true);
    expect(crypto.verify(key.publicKey, Uint8Array.of(0x73), signature)).toBe(false);
  });

  test("never throws on a malformed signature or key", async () => {
    const key = crypto.signingKeyFrom(SEED);
    const signature = await key.sign(MESSAGE);
    expect(crypto.verify(key.publicKey, MESSAGE, signature)).toBe(true);
    expect(crypto.verify(key.publicKey, MESSAGE, signature.subarray(1))).toBe(false);
    expect(crypto.verify(key.publicKey, MESSAGE, new Uint8Array(65))).toBe(false);
    expect(crypto.verify(key.publicKey.subarray(1), MESSAGE, signature)).toBe(false);
    expect(crypto.verify(new Uint8Array(0), MESSAGE, new Uint8Array(0))).toBe(false);
    expect(crypto.verify(new Uint8Array(32).fill(0xff), MESSAGE, signature)).toBe(false);
  });

  test("takes no signature by a key of small order, which anybody could make", () => {
    const keys = smallOrderKeys();
    for (const key of keys) {
      for (const forgery of forgeries(keys)) {
        expect(crypto.verify(key, MESSAGE, forgery), `${toHex(key)} ${toHex(forgery)}`).toBe(false);
      }
    }
  });

  test("hands out plain arrays, whose slices are copies", async () => {
    const pair = crypto.generateDhKeyPair();
    const aead = crypto.aead("ChaChaPoly", SEED);
    const sealed = aead.seal(0, MESSAGE, MESSAGE);
    const key = crypto.signingKeyFrom(SEED);
    const made = [pair.publicKey, crypto.dh(pair, pair.publicKey), sealed, aead.open(0, MESSAGE, sealed), key.publicKey];
    made.push(await key.sign(MESSAGE), crypto.hash("SHA256").hash(MESSAGE), crypto.hash("BLAKE2s").hmac(SEED, MESSAGE));
    for (const bytes of made) expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
  });

  test("hashes parts as if they were one", () => {
    for (const name of ["SHA256", "BLAKE2s"] as const) {
      const hash = crypto.hash(name);
      expect(hash.hashLength).toBe(32);
      expect(hash.hash(MESSAGE.subarray(0, 3), MESSAGE.subarray(3))).toEqual(hash.hash(MESSAGE));
    }
    expect(toHex(crypto.hash("SHA256").hash())).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });
});

describe("both providers", () => {
  test("make the same keys and the same secrets of the same bytes", () => {
    const [one, two] = [nodeProvider, nobleProvider].map((crypto) => crypto.dhKeyPairFrom(SEED));
    expect(one?.publicKey).toEqual(two?.publicKey);
    expect(nodeProvider.signingKeyFrom(SEED).publicKey).toEqual(nobleProvider.signingKeyFrom(SEED).publicKey);
    const peer = nodeProvider.generateDhKeyPair().publicKey;
    const secrets = [nodeProvider, nobleProvider].map((crypto) => crypto.dh(crypto.dhKeyPairFrom(SEED), peer));
    expect(secrets[0]).toEqual(secrets[1]);
  });

  test("judge each altered byte of a signature and of a key alike", async () => {
    const key = nodeProvider.signingKeyFrom(SEED);
    const signature = await key.sign(MESSAGE);
    for (let at = 0; at < 96; at++) {
      const [publicKey, altered] = [new Uint8Array(key.publicKey), new Uint8Array(signature)];
      const target = at < 64 ? altered : publicKey;
      target[at % 64] = (target[at % 64] as number) ^ (1 << (at % 8));
      expect(nodeProvider.verify(publicKey, MESSAGE, altered), `node:crypto, byte ${at}`).toBe(false);
      expect(nobleProvider.verify(publicKey, MESSAGE, altered), `noble, byte ${at}`).toBe(false);
    }
  });

  test("know whether AES is fast: noble never, node:crypto by the processor", () => {
    expect(nobleProvider.hasFastAes).toBe(false);
    expect(typeof nodeProvider.hasFastAes).toBe("boolean");
    expect(nodeProvider.hasFastAes, "asked once").toBe(nodeProvider.hasFastAes);
  });
});
