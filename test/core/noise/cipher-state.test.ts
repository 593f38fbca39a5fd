import { describe, expect, test } from "vitest";
import { CipherState, MAX_NONCE } from "../../../src/core/noise/cipher-state.js";
import { NonceBuffer, REKEY_NONCE } from "../../../src/core/noise/nonce.js";
import type { CipherName, CryptoProvider } from "../../../src/core/runtime.js";
import { nodeProvider, PROVIDERS, thrownCode } from "../../crypto/providers.js";
import { LaterCrypto } from "../channel/later-crypto.js";

const KEY = new Uint8Array(32).fill(9);
const TEXT = Uint8Array.of(1, 2, 3, 4, 5);
const CIPHERS: readonly CipherName[] = ["ChaChaPoly", "AESGCM"];

const cases = PROVIDERS.flatMap(({ name, crypto }) => CIPHERS.map((cipher) => ({ name, crypto, cipher })));

describe.each(cases)("$cipher with $name", ({ crypto, cipher }) => {
  const state = (nonce = 0) => new CipherState(crypto, cipher, KEY, nonce);

  test("opens what was sealed, in order, of each size", () => {
    const [sender, receiver] = [state(), state()];
    for (const size of [0, 1, 15, 16, 17, 100, 1024, 65_519]) {
      const text = new Uint8Array(size).fill(size);
      const sealed = sender.seal(text);
      expect(sealed.length).toBe(size + 16);
      expect(receiver.open(sealed)).toEqual(text);
    }
    expect([sender.nonce, receiver.nonce]).toEqual([8, 8]);
  });

  test("keeps its counter after a failed open, and the next good record still opens", () => {
    const [sender, receiver] = [state(), state()];
    const [first, second] = [sender.seal(TEXT), sender.seal(TEXT)];
    for (let at = 0; at < first.length; at++) {
      const bad = new Uint8Array(first);
      bad[at] = (bad[at] as number) ^ 1;
      expect(
        thrownCode(() => receiver.open(bad)),
        `byte ${at}`,
      ).toBe("ERR_CRYPTO_TAG");
    }
    for (let length = 0; length < first.length; length++) {
      expect(
        thrownCode(() => receiver.open(first.subarray(0, length))),
        `${length} bytes`,
      ).toBe("ERR_CRYPTO_TAG");
    }
    expect(
      thrownCode(() => receiver.open(second)),
      "out of order",
    ).toBe("ERR_CRYPTO_TAG");
    expect(receiver.nonce).toBe(0);
    expect(receiver.open(first)).toEqual(TEXT);
    expect(
      thrownCode(() => receiver.open(first)),
      "repeated",
    ).toBe("ERR_CRYPTO_TAG");
    expect(receiver.open(second)).toEqual(TEXT);
  });

  test("binds the associated data", () => {
    const sealed = state().seal(TEXT, Uint8Array.of(7));
    expect(thrownCode(() => state().open(sealed))).toBe("ERR_CRYPTO_TAG");
    expect(thrownCode(() => state().open(sealed, Uint8Array.of(8)))).toBe("ERR_CRYPTO_TAG");
    expect(state().open(sealed, Uint8Array.of(7))).toEqual(TEXT);
  });

  test("refuses at the end of its counter and never wraps", () => {
    const [sender, receiver] = [state(MAX_NONCE - 1), state(MAX_NONCE - 1)];
    const last = sender.seal(TEXT);
    expect(receiver.open(last)).toEqual(TEXT);
    for (let i = 0; i < 3; i++) {
      expect(thrownCode(() => sender.seal(TEXT))).toBe("ERR_CRYPTO_NONCE");
      expect(thrownCode(() => receiver.open(last))).toBe("ERR_CRYPTO_NONCE");
    }
    expect([sender.nonce, receiver.nonce]).toEqual([0xffff_ffff, 0xffff_ffff]);
    // A new key does not give a new counter.
    sender.rekey();
    expect(thrownCode(() => sender.seal(TEXT))).toBe("ERR_CRYPTO_NONCE");
  });

  test("goes on after a rekey on both sides, and fails cleanly after one on one side or twice on one", () => {
    const [sender, receiver] = [state(), state()];
    receiver.open(sender.seal(TEXT));
    sender.rekey();
    const sealed = sender.seal(TEXT);
    expect(
      thrownCode(() => receiver.open(sealed)),
      "one side",
    ).toBe("ERR_CRYPTO_TAG");
    receiver.rekey();
    expect(receiver.open(sealed)).toEqual(TEXT);
    expect([sender.nonce, receiver.nonce]).toEqual([2, 2]);
    sender.rekey();
    receiver.rekey();
    receiver.rekey();
    expect(
      thrownCode(() => receiver.open(sender.seal(TEXT))),
      "twice",
    ).toBe("ERR_CRYPTO_TAG");
  });

  test("refuses records over 65535 bytes without using up a counter", () => {
    const sender = state();
    expect(thrownCode(() => sender.seal(new Uint8Array(65_520)))).toBe("ERR_FRAME_TOO_LARGE");
    expect(thrownCode(() => sender.open(new Uint8Array(65_536)))).toBe("ERR_FRAME_TOO_LARGE");
    expect(sender.nonce).toBe(0);
    expect(state().open(sender.seal(TEXT))).toEqual(TEXT);
  });

  test("keeps a key of its own and refuses one of another length", () => {
    const key = new Uint8Array(KEY);
    const sender = new CipherState(crypto, cipher, key);
    key.fill(0);
    expect(state().open(sender.seal(TEXT))).toEqual(TEXT);
    for (const length of [0, 16, 31, 33]) {
      expect(thrownCode(() => new CipherState(crypto, cipher, new Uint8Array(length)))).toBe("ERR_CRYPTO_KEY");
    }
  });
});

test("a throw in the middle of sealing ends the state, so that no counter is used twice", () => {
  const used: (number | bigint)[] = [];
  let fails = true;
  const crypto: CryptoProvider = {
    ...nodeProvider,
    aead: () => ({
      seal(nonce, _associatedData, plaintext) {
        used.push(nonce);
        if (fails) throw new RangeError("out of memory");
        return plaintext;
      },
      open: (_nonce, _associatedData, ciphertext) => ciphertext,
    }),
  };
  const state = new CipherState(crypto, "ChaChaPoly", KEY, 5);
  expect(thrownCode(() => state.seal(TEXT))).toBe("RangeError: out of memory");
  fails = false;
  expect(thrownCode(() => state.seal(TEXT))).toBe("ERR_CRYPTO_NONCE");
  expect(used).toEqual([5]);
});

describe("a key that has a second place", () => {
  const big = new Uint8Array(2000).fill(3);
  const place = () => new LaterCrypto(1000);
  const state = (at: LaterCrypto, nonce = 0) => new CipherState(at.crypto, "ChaChaPoly", KEY, nonce);

  test("seals and opens there what is long enough, under counters that follow each other", async () => {
    const at = place();
    const [sender, receiver] = [state(at), state(at)];
    const sealed = [sender.later("seal", big), sender.seal(TEXT), sender.later("seal", big)] as const;
    expect(sender.later("seal", TEXT)).toBeNull();
    expect(at.open.map((work) => work.nonce)).toEqual([0, 2]);
    for (const work of [...at.open].reverse()) work.settle();
    const frames = [(await sealed[0]?.done) as Uint8Array, sealed[1], (await sealed[2]?.done) as Uint8Array];
    const twin = new CipherState(nodeProvider, "ChaChaPoly", KEY);
    expect(frames).toEqual([twin.seal(big), twin.seal(TEXT), twin.seal(big)]);
    const opened = receiver.later("open", frames[0] as Uint8Array);
    expect(receiver.open(frames[1] as Uint8Array)).toEqual(TEXT);
    // The same by hand, whether or not the other place has answered.
    at.open[0]?.settle();
    expect(await opened?.done).toEqual(big);
    expect(opened?.take(null)).toEqual(big);
    expect([sender.nonce, receiver.nonce]).toEqual([3, 2]);
  });

  test("goes on with its old key for what was begun before a rekey", async () => {
    const at = place();
    const [sender, receiver] = [state(at), state(at)];
    const before = sender.later("seal", big);
    sender.rekey();
    const after = sender.later("seal", big);
    expect(receiver.open(before?.take(null) as Uint8Array)).toEqual(big);
    receiver.rekey();
    at.open[1]?.settle();
    expect(receiver.open((await after?.done) as Uint8Array)).toEqual(big);
  });

  test("leaves to seal and open what they refuse", () => {
    const at = place();
    const last = state(at, MAX_NONCE - 1);
    expect(last.later("seal", new Uint8Array(65_520))).toBeNull();
    expect(last.later("open", new Uint8Array(65_536))).toBeNull();
    expect(last.later("seal", new Uint8Array(65_519))).not.toBeNull();
    expect(last.later("seal", big)).toBeNull();
    expect(last.later("open", big)).toBeNull();
    expect(thrownCode(() => last.seal(big))).toBe("ERR_CRYPTO_NONCE");
    expect(at.begun).toBe(1);
  });

  test("never uses a counter again when it throws there", () => {
    const at = place();
    const sender = state(at);
    at.throws = true;
    expect(thrownCode(() => sender.later("seal", big))).toBe("RangeError: out of memory");
    at.throws = false;
    expect(sender.later("seal", big)).toBeNull();
    expect(thrownCode(() => sender.seal(TEXT))).toBe("ERR_CRYPTO_NONCE");
  });
});

test("a counter that is no whole number from 0 to 2^64-1 is refused", () => {
  const buffer = new NonceBuffer("ChaChaPoly");
  for (const counter of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -1n, REKEY_NONCE + 1n]) {
    expect(
      thrownCode(() => buffer.set(counter)),
      String(counter),
    ).toBe("ERR_CRYPTO_NONCE");
  }
  expect(buffer.set(REKEY_NONCE).subarray(4)).toEqual(new Uint8Array(8).fill(0xff));
  expect(buffer.set(0), "nothing is left of the one before").toEqual(new Uint8Array(12));
  for (const nonce of [-1, 1.5, Number.NaN]) {
    expect(thrownCode(() => new CipherState(nodeProvider, "ChaChaPoly", KEY, nonce))).toBe("ERR_CRYPTO_NONCE");
  }
});
