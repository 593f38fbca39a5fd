// Published CBOR vectors: what is malformed is refused by the gate; what is well-formed is decoded exactly or refused whole.

import { describe, expect, test } from "vitest";
import { fromHex } from "../../src/core/bytes.js";
import { decodeCbor } from "../../src/core/message/cbor.js";
import { checkCbor } from "../../src/core/message/cbor-gate.js";
import { refusal } from "../core/refusal.js";
import { readVectors, vectorsFolder } from "./vectors-folder.js";

interface MalformedFile {
  readonly vectors: readonly { readonly hex: string }[];
}

interface AppendixItem {
  readonly hex: string;
  readonly decoded?: unknown;
  readonly diagnostic?: string;
}

// Why an item of Appendix A is outside our subset, by a pattern over its bytes.
const OUTSIDE: readonly (readonly [why: string, pattern: RegExp])[] = [
  ["an integer beyond ±(2^53 - 1)", /^(1b|3b)ffffffffffffffff$/],
  ["a tag: bignum, time, URI, or a hint on bytes", /^(c[0-9a-f]|d7|d8)/],
  ["a simple value other than false, true, null, undefined", /^(f0|f818|f8ff)$/],
  ["an indefinite length", /^(5f|7f|9f|bf|83018202039f0405ff|83019f0203ff820405|826161bf)/],
  ["integers as keys of a map", /^a201020304$/],
];

describe.skipIf(vectorsFolder() === null)("CBOR vectors", () => {
  test.each([
    ["cbor/rfc8949-appendix-f-malformed.json", 94],
    ["cbor/fxamacker-malformed.json", 95],
    ["cbor/hildjj-decode-bad.json", 29],
  ])("%s: every item is refused by the gate", (name, count) => {
    const { vectors } = readVectors<MalformedFile>(name);
    expect(vectors.length).toBe(count);
    for (const { hex } of vectors) expect(refusal(() => checkCbor(fromHex(hex))).code, hex).toBe("ERR_MESSAGE_MALFORMED");
  });

  test("appendix_a: an item is decoded exactly, or refused for a known reason", () => {
    const items = readVectors<readonly AppendixItem[]>("cbor/appendix_a.json");
    const refused: Record<string, number> = {};
    let decoded = 0;
    for (const item of items) {
      const why = OUTSIDE.find(([, pattern]) => pattern.test(item.hex))?.[0];
      if (why === undefined) {
        expect(decodeCbor(fromHex(item.hex)), item.hex).toEqual(expectedValue(item));
        decoded++;
      } else {
        expect(refusal(() => decodeCbor(fromHex(item.hex))).code, item.hex).toBe("ERR_MESSAGE_MALFORMED");
        refused[why] = (refused[why] ?? 0) + 1;
      }
    }
    expect(items.length).toBe(82);
    expect(decoded).toBe(57);
    expect(OUTSIDE.map(([why]) => refused[why])).toEqual([2, 8, 3, 11, 1]);
  });
});

const SPECIAL: Readonly<Record<string, unknown>> = {
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
  NaN: Number.NaN,
  undefined,
};

function expectedValue(item: AppendixItem): unknown {
  if ("decoded" in item) return item.hex === "f98000" ? -0 : item.decoded;
  const diagnostic = item.diagnostic ?? "";
  const bytes = /^h'([0-9a-f]*)'$/.exec(diagnostic)?.[1];
  if (bytes !== undefined) return fromHex(bytes);
  expect(Object.keys(SPECIAL)).toContain(diagnostic);
  return SPECIAL[diagnostic];
}
