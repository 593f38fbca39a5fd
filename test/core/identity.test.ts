// PeerIds as text, base32, and identities that keep their key to themselves.

import { inspect } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBase32, encodeBase32 } from "../../src/core/base32.js";
import { toHex } from "../../src/core/bytes.js";
import { createIdentity, decodePeerId, encodePeerId, isPeerId } from "../../src/core/identity.js";
import type { SigningKey } from "../../src/core/runtime.js";
import { nodeCrypto } from "../../src/node/node-crypto.js";
import { refusal } from "./refusal.js";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });
const seed = Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i);
const runtime = { random: { bytes: (length: number) => new Uint8Array(length).fill(7) }, crypto: nodeCrypto() };

describe("base32", () => {
  test.each([
    ["", ""],
    ["f", "my"],
    ["fo", "mzxq"],
    ["foo", "mzxw6"],
    ["foob", "mzxw6yq"],
    ["fooba", "mzxw6ytb"],
    ["foobar", "mzxw6ytboi"],
  ])("writes %j as RFC 4648 §10 does, in lower case and without padding", (plain, text) => {
    expect(encodeBase32(new TextEncoder().encode(plain))).toBe(text);
    expect(new TextDecoder().decode(decodeBase32(text))).toBe(plain);
  });

  test("gives back what it was given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeBase32(encodeBase32(bytes))).toEqual(bytes);
      }),
    );
  });

  test.each(["a", "aaa", "aaaaaa", "mz", "MY", "m1", "my======", "mä", "m\u{1f600}"])("refuses %j", (text) => {
    expect(refusal(() => decodeBase32(text)).code).toBe("ERR_FRAME_MALFORMED");
  });
});

describe("PeerId", () => {
  test("is 52 characters that lead back to the key", () => {
    fc.assert(
      fc.property(keys, (key) => {
        const peerId = encodePeerId(key);
        expect(peerId).toMatch(/^[a-z2-7]{52}$/);
        expect(isPeerId(peerId)).toBe(true);
        expect(decodePeerId(peerId)).toEqual(key);
      }),
    );
  });

  test("has one text per key: stray bits in the last character are refused", () => {
    const peerId = encodePeerId(seed);
    const accepted = [...ALPHABET].filter((char) => isPeerId(peerId.slice(0, 51) + char));
    expect(accepted).toEqual(["a", "q"]);
  });

  test("never stands for two keys: any wrong character is refused or is another peer", () => {
    const chars = fc.constantFrom(...`${ALPHABET}01891AZ =-\u00e4\n`);
    fc.assert(
      fc.property(keys, fc.nat(51), chars, (key, at, char) => {
        const peerId = encodePeerId(key);
        fc.pre(peerId[at] !== char);
        const changed = peerId.slice(0, at) + char + peerId.slice(at + 1);
        if (isPeerId(changed)) expect(toHex(decodePeerId(changed))).not.toBe(toHex(key));
        else expect(refusal(() => decodePeerId(changed)).code).toBe("ERR_PEER_ID_INVALID");
      }),
    );
  });

  test.each([undefined, null, 5, {}, "", "a".repeat(51), "a".repeat(53), "A".repeat(52), `${"a".repeat(52)}\n`])(
    "is not %j",
    (value) => {
      expect(isPeerId(value)).toBe(false);
    },
  );

  test.each([0, 31, 33])("is not made of %i bytes", (length) => {
    expect(refusal(() => encodePeerId(new Uint8Array(length))).code).toBe("ERR_PEER_ID_INVALID");
  });
});

describe("an identity", () => {
  test("made from a seed signs as the key that its PeerId names", async () => {
    const identity = createIdentity(seed, runtime);
    const message = new Uint8Array([1, 2, 3]);
    expect(decodePeerId(identity.peerId)).toEqual(identity.publicKey);
    expect(runtime.crypto.verify(identity.publicKey, message, await identity.sign(message))).toBe(true);
  });

  test("is the same for the same seed, also after the caller wiped it", async () => {
    const given = seed.slice();
    const identity = createIdentity(given, runtime);
    given.fill(0);
    const message = new Uint8Array([9]);
    expect(identity.peerId).toBe(createIdentity(seed, runtime).peerId);
    expect(runtime.crypto.verify(identity.publicKey, message, await identity.sign(message))).toBe(true);
  });

  test("is drawn from the runtime's randomness where none is given", () => {
    expect(createIdentity(undefined, runtime).peerId).toBe(createIdentity(new Uint8Array(32).fill(7), runtime).peerId);
  });

  test("takes a key that signs by itself", async () => {
    const signature = new Uint8Array(64).fill(3);
    const key: SigningKey = { publicKey: seed, sign: async () => signature };
    const identity = createIdentity(key, runtime);
    expect(identity.peerId).toBe(encodePeerId(seed));
    expect(await identity.sign(new Uint8Array(0))).toBe(signature);
  });

  test("shows no secret, whichever way it is printed", () => {
    const identity = createIdentity(seed, runtime);
    const shown = [String(identity), JSON.stringify(identity), inspect(identity, { depth: 9, showHidden: true })].join("\n");
    expect(shown).toContain(identity.peerId);
    expect(shown).not.toContain(encodeBase32(seed));
    expect(shown).not.toContain(toHex(seed));
    expect(shown).not.toContain([...seed].slice(0, 6).join(", "));
    expect(shown).not.toMatch(/seed|private/i);
  });

  test.each([
    ["a short seed", new Uint8Array(31)],
    ["a long seed", new Uint8Array(64)],
    ["a key without sign", { publicKey: seed } as unknown as SigningKey],
    ["a key with a short public key", { publicKey: seed.subarray(1), sign: () => seed } as SigningKey],
    ["null", null as unknown as SigningKey],
    ["text", "secret" as unknown as SigningKey],
  ])("is not made from %s", (_name, option) => {
    expect(refusal(() => createIdentity(option, runtime)).code).toBe("ERR_OPTION_INVALID");
  });
});
