// The number that two people compare.

import { describe, expect, test } from "vitest";
import { nobleCrypto } from "../../src/browser/noble-crypto.js";
import { fingerprint } from "../../src/core/fingerprint.js";
import { encodePeerId } from "../../src/core/identity.js";
import { nodeCrypto } from "../../src/node/node-crypto.js";
import { refusal } from "./refusal.js";

const crypto = nodeCrypto();
const alice = encodePeerId(new Uint8Array(32).fill(1));
const bob = encodePeerId(new Uint8Array(32).fill(2));
const mallory = encodePeerId(new Uint8Array(32).fill(3));

describe("fingerprint", () => {
  test("is six groups of five digits", () => {
    expect(fingerprint(alice, bob, crypto)).toMatch(/^\d{5}( \d{5}){5}$/);
  });

  test("is the same on both sides", () => {
    expect(fingerprint(alice, bob, crypto)).toBe(fingerprint(bob, alice, crypto));
  });

  test("is the same in Node and in a browser", () => {
    const noble = nobleCrypto({ bytes: (length) => new Uint8Array(length) });
    expect(fingerprint(alice, bob, noble)).toBe(fingerprint(alice, bob, crypto));
  });

  test("differs in every group when somebody sits in between", () => {
    const honest = fingerprint(alice, bob, crypto).split(" ");
    for (const other of [fingerprint(alice, mallory, crypto), fingerprint(mallory, bob, crypto)]) {
      for (const [i, group] of other.split(" ").entries()) expect(group).not.toBe(honest[i]);
    }
  });

  test("stays the same from version to version", () => {
    expect(fingerprint(alice, bob, crypto)).toMatchInlineSnapshot(`"45411 52876 69012 60713 60375 79739"`);
  });

  test("is refused for what is no PeerId", () => {
    expect(refusal(() => fingerprint(alice, "bob", crypto)).code).toBe("ERR_PEER_ID_INVALID");
  });
});
