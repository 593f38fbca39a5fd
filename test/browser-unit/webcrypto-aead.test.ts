// WebCrypto beside noble: used when it is there and right, and otherwise nobody notices.

import { createCipheriv, createDecipheriv } from "node:crypto";
import { describe, expect, test } from "vitest";
import { LATER_FROM_BYTES, withWebCrypto } from "../../src/browser/webcrypto-aead.js";
import type { CryptoProvider } from "../../src/core/runtime.js";
import { nobleProvider } from "../crypto/providers.js";
import { settled } from "../sim/flush.js";

const NAME = "chacha20-poly1305";
const AD = Uint8Array.of(1, 2, 3);
const TEXT = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
const KEY = new Uint8Array(32).fill(9);

type Faults = Partial<Record<"refusesKeys" | "sealsWrong" | "opensWrong" | "opensAnything", boolean>>;

/** What Chromium has, with Node's cipher in it: Node 20 does not have this one in its own WebCrypto. */
class FakeSubtle {
  readonly imports: { readonly format: string; readonly extractable: boolean }[] = [];
  calls = 0;
  readonly #faults: Faults;

  constructor(faults: Faults = {}) {
    this.#faults = faults;
  }

  async importKey(format: string, raw: Uint8Array, name: string, extractable: boolean, usages: string[]): Promise<unknown> {
    if (this.#faults.refusesKeys) throw new DOMException("no such algorithm", "NotSupportedError");
    expect([name, ...usages]).toEqual(["ChaCha20-Poly1305", "encrypt", "decrypt"]);
    this.imports.push({ format, extractable });
    return new Uint8Array(raw);
  }

  async encrypt({ iv, additionalData }: { iv: Uint8Array; additionalData: Uint8Array }, key: Uint8Array, text: Uint8Array) {
    this.calls++;
    const cipher = createCipheriv(NAME, key, iv, { authTagLength: 16 });
    cipher.setAAD(additionalData, { plaintextLength: text.length });
    const sealed = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
    if (this.#faults.sealsWrong) sealed[0] = ~(sealed[0] as number);
    return buffer(sealed);
  }

  async decrypt({ iv, additionalData }: { iv: Uint8Array; additionalData: Uint8Array }, key: Uint8Array, sealed: Uint8Array) {
    this.calls++;
    const text = sealed.subarray(0, -16);
    const decipher = createDecipheriv(NAME, key, iv, { authTagLength: 16 });
    decipher.setAAD(additionalData, { plaintextLength: text.length });
    decipher.setAuthTag(sealed.subarray(-16));
    const opened = decipher.update(text);
    try {
      decipher.final();
    } catch {
      if (!this.#faults.opensAnything) throw new DOMException("", "OperationError");
    }
    if (this.#faults.opensWrong) opened[0] = ~(opened[0] as number);
    return buffer(opened);
  }

  get subtle(): SubtleCrypto {
    return this as unknown as SubtleCrypto;
  }
}

function buffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/** A key, and whether WebCrypto has it after it was asked for. */
async function prepared(fake: FakeSubtle, crypto: CryptoProvider = withWebCrypto(nobleProvider, fake.subtle)) {
  const key = crypto.aead("ChaChaPoly", KEY);
  const first = key.later?.(LATER_FROM_BYTES);
  await settled();
  return { key, first, later: key.later?.(LATER_FROM_BYTES) ?? null };
}

describe("a browser that has the cipher", () => {
  test("gives the same bytes as noble, both ways, and rejects what was altered", async () => {
    const { key, later } = await prepared(new FakeSubtle());
    for (const nonce of [0, 1, 0xffff_fffe]) {
      const sealed = key.seal(nonce, AD, TEXT);
      expect(sealed).toEqual(nobleProvider.aead("ChaChaPoly", KEY).seal(nonce, AD, TEXT));
      expect(key.open(nonce, AD, sealed)).toEqual(TEXT);
      expect(await later?.("seal", nonce, AD, TEXT)).toEqual(sealed);
      expect(await later?.("open", nonce, AD, sealed)).toEqual(TEXT);
      sealed[77] = ~(sealed[77] as number);
      await expect(later?.("open", nonce, AD, sealed)).rejects.toThrow();
    }
  });

  test("may be given all in one turn: each call has a nonce of its own", async () => {
    const { key, later } = await prepared(new FakeSubtle());
    const sealed = await Promise.all([0, 1, 2, 3].map((nonce) => later?.("seal", nonce, AD, TEXT)));
    expect(sealed).toEqual([0, 1, 2, 3].map((nonce) => key.seal(nonce, AD, TEXT)));
  });

  test("leaves the first big record to noble, as it is not ready, and all short ones", async () => {
    const { key, first, later } = await prepared(new FakeSubtle());
    expect(first).toBeNull();
    expect(later).not.toBeNull();
    expect(key.later?.(LATER_FROM_BYTES - 1)).toBeNull();
  });

  test("is given a key when it has something to do, once, and cannot be asked for it", async () => {
    const fake = new FakeSubtle();
    const crypto = withWebCrypto(nobleProvider, fake.subtle);
    const idle = crypto.aead("ChaChaPoly", KEY);
    idle.open(0, AD, idle.seal(0, AD, TEXT));
    expect(idle.later?.(LATER_FROM_BYTES - 1)).toBeNull();
    await settled();
    expect([fake.imports.length, fake.calls]).toEqual([0, 0]);
    // One import for the test, one for each key.
    await prepared(fake, crypto);
    const calls = fake.calls;
    await prepared(fake, crypto);
    expect(fake.imports).toEqual(Array(3).fill({ format: "raw-secret", extractable: false }));
    expect(fake.calls).toBe(calls);
  });

  test("keeps a key of its own", async () => {
    const raw = new Uint8Array(KEY);
    const key = withWebCrypto(nobleProvider, new FakeSubtle().subtle).aead("ChaChaPoly", raw);
    raw.fill(0);
    key.later?.(LATER_FROM_BYTES);
    await settled();
    expect(await key.later?.(LATER_FROM_BYTES)?.("seal", 5, AD, TEXT)).toEqual(
      nobleProvider.aead("ChaChaPoly", KEY).seal(5, AD, TEXT),
    );
  });

  test("is not asked about AES-GCM, which a page does not choose", () => {
    const crypto = withWebCrypto(nobleProvider, new FakeSubtle().subtle);
    expect(crypto.aead("AESGCM", KEY).later).toBeUndefined();
  });
});

describe("noble goes on alone", () => {
  test("where there is no WebCrypto, as on a page from http", () => {
    expect(withWebCrypto(nobleProvider, undefined)).toBe(nobleProvider);
  });

  test.each<readonly [string, Faults]>([
    ["does not have the cipher", { refusesKeys: true }],
    ["seals something else", { sealsWrong: true }],
    ["opens something else", { opensWrong: true }],
    ["opens what was altered", { opensAnything: true }],
  ])("where WebCrypto %s", async (_name, faults) => {
    const fake = new FakeSubtle(faults);
    const crypto = withWebCrypto(nobleProvider, fake.subtle);
    for (let i = 0; i < 2; i++) {
      const { key, later } = await prepared(fake, crypto);
      expect(later).toBeNull();
      expect(key.seal(3, AD, TEXT)).toEqual(nobleProvider.aead("ChaChaPoly", KEY).seal(3, AD, TEXT));
    }
    // It was tried once.
    expect(fake.imports.length).toBeLessThanOrEqual(1);
  });

  test("refuses a key of another length at once", () => {
    const crypto = withWebCrypto(nobleProvider, new FakeSubtle().subtle);
    expect(() => crypto.aead("ChaChaPoly", new Uint8Array(31))).toThrow();
  });
});
