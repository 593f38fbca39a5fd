// Wycheproof: what must be accepted is, and what must be refused is, by both providers.

import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/core/bytes.js";
import type { CipherName } from "../../src/core/runtime.js";
import { PROVIDERS, thrownCode } from "../crypto/providers.js";
import { readVectors, vectorsFolder } from "./vectors-folder.js";

interface Case {
  readonly tcId: number;
  readonly comment: string;
  readonly result: "valid" | "acceptable" | "invalid";
}

interface Group<Test> {
  readonly tests: readonly (Case & Test)[];
}

function groupsOf<GroupShape>(name: string): readonly GroupShape[] {
  return readVectors<{ testGroups: GroupShape[] }>(`wycheproof/${name}_test.json`).testGroups;
}

type AeadGroup = Group<Record<"key" | "iv" | "aad" | "msg" | "ct" | "tag", string>> &
  Record<"ivSize" | "keySize" | "tagSize", number>;

const AEAD_FILES: readonly [CipherName, string, number][] = [
  ["ChaChaPoly", "chacha20_poly1305", 316],
  ["AESGCM", "aes_gcm", 66],
];

describe.skipIf(vectorsFolder() === null).each(PROVIDERS)("Wycheproof with $name", ({ name, crypto, seal, open }) => {
  test("x25519: equal secrets, and all-zero ones throw", { timeout: 30_000 }, () => {
    const groups = groupsOf<Group<Record<"public" | "private" | "shared", string>>>("x25519");
    let refused = 0;
    let equal = 0;
    for (const vector of groups.flatMap((group) => group.tests)) {
      const label = `${name} x25519 ${vector.tcId} ${vector.comment}`;
      const dh = () => crypto.dh(crypto.dhKeyPairFrom(fromHex(vector.private)), fromHex(vector.public));
      if (/^0*$/.test(vector.shared)) {
        expect(thrownCode(dh), label).toBe("ERR_CRYPTO_KEY");
        refused++;
      } else {
        expect(toHex(dh()), label).toBe(vector.shared);
        equal++;
      }
    }
    expect([equal, refused]).toEqual([487, 31]);
  });

  test("ed25519: signatures are judged as marked", { timeout: 30_000 }, () => {
    const groups = groupsOf<Group<Record<"msg" | "sig", string>> & { publicKey: { pk: string } }>("ed25519");
    let count = 0;
    for (const group of groups) {
      for (const vector of group.tests) {
        const verdict = crypto.verify(fromHex(group.publicKey.pk), fromHex(vector.msg), fromHex(vector.sig));
        expect(verdict, `${name} ed25519 ${vector.tcId} ${vector.comment}`).toBe(vector.result === "valid");
        count++;
      }
    }
    expect(count).toBe(151);
  });

  test.each(AEAD_FILES)("%s: seals as given, opens what is marked valid", (cipher, file, expected) => {
    let count = 0;
    for (const group of groupsOf<AeadGroup>(file)) {
      if (group.keySize !== 256 || group.ivSize !== 96 || group.tagSize !== 128) continue;
      for (const vector of group.tests) {
        const label = `${name} ${file} ${vector.tcId} ${vector.comment}`;
        const [key, iv, aad, message] = [fromHex(vector.key), fromHex(vector.iv), fromHex(vector.aad), fromHex(vector.msg)];
        const sealed = vector.ct + vector.tag;
        if (vector.result === "valid") {
          expect(toHex(seal(cipher, key, iv, aad, message)), label).toBe(sealed);
          expect(toHex(open(cipher, key, iv, aad, fromHex(sealed))), label).toBe(vector.msg);
        } else {
          expect(
            thrownCode(() => open(cipher, key, iv, aad, fromHex(sealed))),
            label,
          ).toBe("ERR_CRYPTO_TAG");
        }
        count++;
      }
    }
    expect(count).toBe(expected);
  });

  test("hmac-sha256: tags are equal where marked valid", () => {
    const groups = groupsOf<Group<Record<"key" | "msg" | "tag", string>> & { tagSize: number }>("hmac_sha256");
    let count = 0;
    for (const group of groups) {
      for (const vector of group.tests) {
        const tag = toHex(crypto.hash("SHA256").hmac(fromHex(vector.key), fromHex(vector.msg))).slice(0, group.tagSize / 4);
        expect(tag === vector.tag, `${name} hmac_sha256 ${vector.tcId} ${vector.comment}`).toBe(vector.result === "valid");
        count++;
      }
    }
    expect(count).toBe(174);
  });
});
