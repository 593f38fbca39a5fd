// What a hostile peer sends as CBOR: refused in one pass, in linear time, before the decoder sees it.

import { inspect } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, encodeUtf8, fromHex } from "../../../src/core/bytes.js";
import { NetworkError } from "../../../src/core/errors.js";
import { decodeCbor, encodeCbor } from "../../../src/core/message/cbor.js";
import { checkCbor } from "../../../src/core/message/cbor-gate.js";
import { refusal } from "../refusal.js";
import { payloads } from "./values.js";

/** An array that counts how often an element of it is read. */
function counting(bytes: Uint8Array): { bytes: Uint8Array; reads: () => number } {
  let reads = 0;
  const proxy = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === "string" && /^\d+$/.test(key)) reads++;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { bytes: proxy, reads: () => reads };
}

function expectRefused(bytes: Uint8Array, sentence: RegExp, mostReads = 64): void {
  const counted = counting(bytes);
  const error = refusal(() => checkCbor(counted.bytes));
  expect(error.code).toBe("ERR_MESSAGE_MALFORMED");
  expect(error.message).toMatch(sentence);
  expect(counted.reads()).toBeLessThanOrEqual(mostReads);
  expect(refusal(() => decodeCbor(bytes)).code).toBe("ERR_MESSAGE_MALFORMED");
}

const head32 = (major: number, count: number): Uint8Array => {
  const bytes = new Uint8Array(5);
  bytes[0] = (major << 5) | 26;
  new DataView(bytes.buffer).setUint32(1, count);
  return bytes;
};

describe("tags are refused at their first byte", () => {
  test.each([
    ["a bignum of 64 KiB", concatBytes(fromHex("c2"), head32(2, 65_536), new Uint8Array(65_536).fill(255))],
    ["a negative bignum of 64 KiB", concatBytes(fromHex("c3"), head32(2, 65_536), new Uint8Array(65_536).fill(255))],
    ["a regular expression", concatBytes(fromHex("d81b82"), fromHex("66526567457870"), fromHex("6a"), encodeUtf8("(a+)+(b+)+"))],
    ["a value to be shared", fromHex("d81c8101")],
    ["a shared reference", fromHex("d81d00")],
    ["a packed table", fromHex("d83384818161618080e0")],
    ["a packed reference", fromHex("c600")],
    ["a record", fromHex("d9dfff8319e00081616101")],
    ["record definitions", fromHex("d9dffe82008101")],
    ["bundled strings", fromHex("d9dff9821a0000000000")],
    ["an inline record", fromHex("d8698300816161")],
    ["a typed array", concatBytes(fromHex("d84558"), fromHex("08"), new Uint8Array(8))],
    ["bytes marked as Uint8Array", fromHex("d8404101")],
    ["a date", fromHex("c11a514b67b0")],
    ["a Set", fromHex("d9010281 01".replace(" ", ""))],
    ["a Map", fromHex("d90103a0")],
    ["an Error", fromHex("d81b8265 4572726f7260".replace(" ", ""))],
    ["embedded CBOR", fromHex("d8184101")],
    ["a self-description", fromHex("d9d9f700")],
    ["a tag of 64 bits", fromHex("dbffffffffffffffff00")],
  ])("%s", (_name, bytes) => {
    expectRefused(bytes, /a tag/, 1);
    expectRefused(concatBytes(fromHex("81"), bytes), /a tag/, 2);
    expectRefused(concatBytes(fromHex("a16161"), bytes), /a tag/, 8);
  });
});

describe("depth is refused at the seventeenth level", () => {
  const deep = (depth: number): Uint8Array => concatBytes(new Uint8Array(depth).fill(0x81), fromHex("00"));

  test("16 levels pass", () => {
    expect(() => checkCbor(deep(16))).not.toThrow();
  });

  test.each([17, 5_000, 1_000_000])("%i levels of arrays", (depth) => expectRefused(deep(depth), /16 levels/, 17));

  test.each([17, 5_000])("%i levels of maps", (depth) => {
    const maps = concatBytes(...Array.from({ length: depth }, () => fromHex("a160")), fromHex("00"));
    expectRefused(maps, /16 levels/, 64);
  });
});

describe("claimed lengths are refused before anything is allocated or walked", () => {
  test.each([
    ["an array of a million", concatBytes(head32(4, 1_000_000), new Uint8Array(1_000_000)), /4096 items/],
    ["a map of a million", concatBytes(head32(5, 1_000_000), new Uint8Array(2_000_000)), /4096 items/],
    ["an array of 2^32 - 1", head32(4, 2 ** 32 - 1), /beyond the end/],
    ["an array of 2^32", fromHex("9b0000000100000000"), /beyond the end/],
    ["an array of 2^53 - 1", fromHex("9b001fffffffffffff"), /beyond the end/],
    ["an array of 2^53", fromHex("9b0020000000000000"), /2\^53/],
    ["an array of 2^64 - 1", fromHex("9bffffffffffffffff"), /2\^53/],
    ["a map of 2^32", fromHex("bb0000000100000000"), /beyond the end/],
    ["a map of 2^53", fromHex("bb0020000000000000"), /2\^53/],
    ["text of 2^32", fromHex("7b0000000100000000"), /beyond the end/],
    ["text of 2^53", fromHex("7b0020000000000000"), /2\^53/],
    ["bytes of 4 GiB", head32(2, 2 ** 32 - 1), /beyond the end/],
    ["bytes of 2^64 - 1", fromHex("5bffffffffffffffff"), /2\^53/],
    ["a map with one byte for two items", fromHex("a160"), /beyond the end/],
  ])("%s", (_name, bytes, sentence) => expectRefused(bytes, sentence));

  test("the budget counts over all levels", () => {
    const inner = concatBytes(fromHex("990400"), new Uint8Array(1024));
    const bytes = concatBytes(fromHex("84"), inner, inner, inner, inner);
    // 1 + 4 + 4 × 1,024 is five too many; the last array is refused at its head.
    expectRefused(bytes, /4096 items/, 3 * 1030 + 16);
  });

  test("4,096 items pass", () => {
    expect(() => checkCbor(concatBytes(fromHex("990fff"), new Uint8Array(4095)))).not.toThrow();
    expectRefused(concatBytes(fromHex("991000"), new Uint8Array(4096)), /4096 items/);
  });
});

describe("keys", () => {
  test.each([
    ["an integer", "a10000"],
    ["bytes", "a1406100"],
    ["an array", "a18000"],
    ["null", "a1f600"],
    ["a float", "a1f93c0000"],
  ])("that are %s are refused", (_name, hex) => expectRefused(fromHex(hex), /not text/));

  test.each([
    ["in a small map", "a2616100616101"],
    ["with a longer head", "a261610078016101"],
    ["that are empty", "a260006000"],
    ["beyond ASCII", "a262c3a40062c3a401"],
    ["in an inner map", "81a2616100616101"],
  ])("that come twice %s are refused", (_name, hex) => expectRefused(fromHex(hex), /twice/));

  test("that come twice in a large map are refused", () => {
    const keys = Array.from({ length: 2000 }, (_, i) => concatBytes(fromHex("64"), encodeUtf8(String(1000 + i)), fromHex("00")));
    const pairs = concatBytes(...keys);
    expect(() => checkCbor(concatBytes(fromHex("b907d0"), pairs))).not.toThrow();
    expectRefused(concatBytes(fromHex("b907d1"), pairs, fromHex("643130303000")), /twice/, 30_000);
  });

  test("may be the same in two maps", () => {
    expect(decodeCbor(fromHex("82a1616100a1616101"))).toEqual([{ a: 0 }, { a: 1 }]);
  });

  test("__proto__ is refused, also where it is spelled with a longer head", () => {
    const proto = encodeUtf8("__proto__");
    expectRefused(concatBytes(fromHex("a169"), proto, fromHex("a168"), encodeUtf8("polluted"), fromHex("f5")), /__proto__/);
    expectRefused(concatBytes(fromHex("a17809"), proto, fromHex("00")), /__proto__/);
    expect(({} as Record<string, unknown>).polluted).toBe(undefined);
  });

  test("that every object has become its own members and nothing more", async () => {
    const before = Object.getOwnPropertyNames(Object.prototype).join();
    const names = ["constructor", "toString", "then", "hasOwnProperty", "valueOf", "toJSON", "prototype", "__defineGetter__"];
    const bytes = concatBytes(
      fromHex("a8"),
      ...names.map((name) => concatBytes(Uint8Array.of(0x60 + name.length), encodeUtf8(name), fromHex("01"))),
    );
    const value = decodeCbor(bytes) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(names);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(before);
    // Not a thenable, and no throw where it is logged.
    expect(await Promise.resolve(value)).toBe(value);
    expect(inspect(value)).toContain("then");
    expect(JSON.stringify(value)).toContain("then");
  });
});

describe("text", () => {
  test.each([
    ["a lone continuation byte", "6180"],
    ["a lead byte cut short", "61c3"],
    ["a lead byte whose continuation lies behind the text", "8261c361a4"],
    ["an overlong slash", "62c0af"],
    ["an overlong form of three bytes", "63e09f80"],
    ["an overlong form of four bytes", "64f08f8080"],
    ["a surrogate", "63eda080"],
    ["the surrogates of a pair", "66eda0bdedb880"],
    ["more than U+10FFFF", "64f4908080"],
    ["a lead byte of five", "65f888808080"],
    ["the byte ff", "61ff"],
    ["an invalid key", "a161ff00"],
  ])("that has %s is refused", (_name, hex) => expectRefused(fromHex(hex), /UTF-8/));

  test("is accepted just where the platform's own decoder accepts it", () => {
    const strict = new TextDecoder("utf-8", { fatal: true });
    const awkward = fc.constantFrom(
      0x00,
      0x7f,
      0x80,
      0x8f,
      0x90,
      0x9f,
      0xa0,
      0xbf,
      0xc0,
      0xc1,
      0xc2,
      0xdf,
      0xe0,
      0xe1,
      0xed,
      0xef,
      0xf0,
      0xf1,
      0xf4,
      0xf5,
    );
    const bytes = fc.array(awkward, { minLength: 1, maxLength: 6 }).map((list) => Uint8Array.from(list));
    fc.assert(
      fc.property(bytes, (text) => {
        let valid = true;
        try {
          strict.decode(text);
        } catch {
          valid = false;
        }
        let passed = true;
        try {
          checkCbor(concatBytes(Uint8Array.of(0x60 + text.length), text));
        } catch {
          passed = false;
        }
        expect(passed).toBe(valid);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("numbers", () => {
  test.each([
    ["1b001fffffffffffff", 2 ** 53 - 1],
    ["3b001ffffffffffffe", -(2 ** 53) + 1],
    ["1b0000000100000000", 2 ** 32],
    ["3affffffff", -(2 ** 32)],
    ["1b0000000000000001", 1],
    ["1817", 23],
  ])("%s is %d", (hex, value) => expect(decodeCbor(fromHex(hex))).toBe(value));

  test.each(["1b0020000000000000", "3b001fffffffffffff", "3b0020000000000000", "1bffffffffffffffff", "3bffffffffffffffff"])(
    "%s is beyond what a number holds and is refused",
    (hex) => expectRefused(fromHex(hex), /2\^53/),
  );
});

describe("everything else", () => {
  test.each([
    ["nothing at all", "", /cut short/],
    ["a byte behind the item", "0000", /behind/],
    ["a second item", "8080", /behind/],
    ["a break", "ff", /indefinite/],
    ["an array without end", "9fff", /indefinite/],
    ["a map without end", "bfff", /indefinite/],
    ["text in chunks", "7f6161ff", /indefinite/],
    ["a reserved head", "1c", /reserved/],
    ["a simple value of one byte", "f8f5", /simple/],
    ["an unassigned simple value", "e0", /simple/],
    ["a float cut short", "fb3ff199", /cut short/],
    ["a head cut short", "1901", /cut short/],
  ])("%s is refused", (_name, hex, sentence) => expectRefused(fromHex(hex), sentence));

  test("any bytes are refused with the same code, or decoded", () => {
    const small = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(small, (bytes) => {
        try {
          decodeCbor(bytes);
        } catch (error) {
          expect((error as NetworkError).code).toBe("ERR_MESSAGE_MALFORMED");
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test("a changed byte of an honest payload is refused, or is another payload that can be sent on", () => {
    fc.assert(
      fc.property(payloads, fc.nat(), fc.nat(255), (value, position, byte) => {
        const bytes = encodeCbor(value);
        bytes[position % bytes.length] = byte;
        try {
          encodeCbor(decodeCbor(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(NetworkError);
          expect((error as NetworkError).code).toBe("ERR_MESSAGE_MALFORMED");
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("the gate reads each byte a bounded number of times", () => {
  test.each([
    ["text of 256 KiB", concatBytes(head32(3, 262_144), new Uint8Array(262_144).fill(0x61))],
    [
      "2,047 keys of 60 bytes",
      concatBytes(
        fromHex("b907ff"),
        ...Array.from({ length: 2047 }, (_, i) =>
          concatBytes(fromHex("783c"), encodeUtf8(String(i).padStart(60, "k")), fromHex("00")),
        ),
      ),
    ],
    ["4,095 short texts", concatBytes(fromHex("990fff"), ...Array.from({ length: 4095 }, () => fromHex("6161")))],
  ])("%s", (_name, bytes) => {
    const counted = counting(bytes);
    checkCbor(counted.bytes);
    expect(counted.reads()).toBeLessThan(3 * bytes.length);
  });

  test("the bytes of a byte string are not read at all", () => {
    const counted = counting(concatBytes(head32(2, 100_000), new Uint8Array(100_000)));
    checkCbor(counted.bytes);
    expect(counted.reads()).toBeLessThan(10);
  });
});
