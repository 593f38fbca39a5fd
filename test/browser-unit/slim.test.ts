// What the browser build leaves out of its libraries is what nothing reaches. noble's vectors run over the rest in test/crypto and
// test/vectors, simple-peer in test/e2e.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { afterAll, describe, expect, test, vi } from "vitest";
import { NAMES_OF_NOBLE } from "../../scripts/lib/slim/short-names.mjs";
import { Source } from "../../scripts/lib/slim/source.mjs";
import { fromHex, toHex } from "../../src/core/bytes.js";
import * as whole from "../../src/core/message/cbor.js";
import { payloads, texts } from "../core/message/values.js";
import { readVectors, vectorsFolder } from "../vectors/vectors-folder.js";
import { importSlim } from "./slim.js";

const slimCbor = await importSlim<typeof whole>("src/core/message/cbor.ts");
const slimCrypto = await importSlim<typeof import("../../src/browser/noble-crypto.js")>("src/browser/noble-crypto.ts");

/** What a decoder makes of bytes: a value, or the code of its refusal. */
function outcome(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): unknown {
  try {
    return { value: decode(bytes) };
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

function expectAlike(bytes: Uint8Array): void {
  // Not toStrictEqual: it takes a member called "constructor" for the class of the object.
  const alike = isDeepStrictEqual(outcome(slimCbor.decodeCbor, bytes), outcome(whole.decodeCbor, bytes));
  expect(alike, toHex(bytes)).toBe(true);
}

describe("the decoder of a page", () => {
  test("makes of any payload what cbor-x makes of it", () => {
    fc.assert(
      fc.property(payloads, (value) => expectAlike(whole.encodeCbor(value))),
      { numRuns: 500 },
    );
  });

  test("reads any text, with a byte order mark and of any length", () => {
    fc.assert(fc.property(texts, fc.nat(40), (text, times) => expectAlike(whole.encodeCbor(text.repeat(times)))));
    for (const length of [0, 1, 14, 60, 61, 62, 63, 64, 65, 252, 253, 254, 300, 65_533, 70_000])
      for (const text of [`\ufeff${"a".repeat(length)}`, "ä".repeat(length), "x".repeat(length)])
        expectAlike(whole.encodeCbor({ [text]: [text, new Uint8Array(3)], end: text }));
  });

  test("refuses what was altered, or reads it alike", () => {
    fc.assert(
      fc.property(payloads, fc.nat(), fc.nat(255), (value, at, byte) => {
        const bytes = whole.encodeCbor(value);
        bytes[at % bytes.length] = byte;
        expectAlike(bytes);
      }),
      { numRuns: 500 },
    );
  });

  test("goes on after bytes that it could not read", () => {
    const bytes = whole.encodeCbor({ a: [1, "b"] });
    expect(outcome(slimCbor.decodeCbor, bytes.subarray(1))).toBe("ERR_MESSAGE_MALFORMED");
    expect(slimCbor.decodeCbor(bytes)).toEqual({ a: [1, "b"] });
  });

  test.skipIf(vectorsFolder() === null)("reads RFC 8949's examples alike", () => {
    const items = readVectors<readonly { hex: string }[]>("cbor/appendix_a.json");
    expect(items.length).toBe(82);
    for (const { hex } of items) expectAlike(fromHex(hex));
  });
});

test("signing and making keys are blinded in a page too", () => {
  const random = vi.spyOn(globalThis.crypto, "getRandomValues");
  const crypto = slimCrypto.nobleCrypto({ bytes: (length) => new Uint8Array(length).fill(7) });
  const counts: number[] = [];
  const key = crypto.signingKeyFrom(new Uint8Array(32).fill(1));
  for (const call of [() => crypto.generateDhKeyPair(), () => key.sign(new Uint8Array(1))]) {
    random.mockClear();
    call();
    counts.push(random.mock.calls.length);
  }
  random.mockRestore();
  // Of a signature both the key and the nonce.
  expect(counts).toEqual([1, 2]);
});

test("a name of noble that is shortened is none of a browser, of the language or of ours", () => {
  const folder = fileURLToPath(new URL("../..", import.meta.url));
  const read = (below: string, files: RegExp): string[] =>
    readdirSync(join(folder, below), { recursive: true, encoding: "utf8" })
      .filter((file) => files.test(file))
      .map((file) => readFileSync(join(folder, below, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ""));
  const declarations = read("node_modules/typescript/lib", /^lib\.(es|dom|webworker).*\.d\.ts$/);
  expect(declarations.length).toBeGreaterThan(50);
  const words = new Set(
    [...declarations, ...read("src", /(?<!noble-crypto)\.ts$/)].flatMap((code) => code.match(/\b\w+\b/g) ?? []),
  );
  expect(NAMES_OF_NOBLE.filter((name) => words.has(name))).toEqual([]);
  const underscored = new Set(declarations.flatMap((code) => code.match(/(?<=\n\s+(?:readonly )?)_[a-z]\w*(?=\??[:(])/g) ?? []));
  expect([...underscored]).toEqual([]);
});

describe("a source that is cut", () => {
  const folder = mkdtempSync(join(tmpdir(), "linknet-source-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "library.js");
  const source = (code: string): Source => {
    writeFileSync(path, code);
    return new Source(path);
  };

  test("says what is no longer there", () => {
    const library = source("function one() {}\nclass A { two() { return 1 } }\n");
    expect(() => library.without(["two", "three"])).toThrow(/has changed: it has no three/);
    expect(() => library.bodies({ four: "{}" })).toThrow(/no four/);
    expect(() => library.instead({ "1 + 1": "2" })).toThrow(/no 1 \+ 1/);
    expect(() => library.only(["five"])).toThrow(/no five/);
    expect(() => library.values({ six: "6" })).toThrow(/no six/);
    expect(() => library.clauses({ 7: "" })).toThrow(/no 7/);
    expect(() => library.withoutStatements(["eight()"])).toThrow(/no eight/);
    expect(() => library.unwrapping("nine")).toThrow(/no nine/);
  });

  test("is cut where it was told, and nowhere else", () => {
    expect(source("class A { a() { x = b ? 1 : 2; b = 3 } c() {} }").without(["c"]).instead({ b: "true" }).code).toBe(
      "class A { a() { x = true ? 1 : 2; b = 3 }  }",
    );
    expect(source("log('a')\nthis.b = 1\nlog.c()\n").withoutStatements(["log()", "this.b ="]).code).toBe(";\n;\nlog.c()\n");
    expect(source("throw new TypeError('a' + b); throw wrap(new Error(c))").withoutErrorTexts().code).toBe(
      "throw new TypeError(); throw wrap(new Error(c))",
    );
  });
});
