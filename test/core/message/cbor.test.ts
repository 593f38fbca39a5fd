// Payloads out and in: what is sent arrives as it was, and what cannot be sent is refused before it leaves.

import { execFileSync } from "node:child_process";
import { isDeepStrictEqual } from "node:util";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../../src/core/bytes.js";
import { decodeCbor, encodeCbor } from "../../../src/core/message/cbor.js";
import { checkCbor } from "../../../src/core/message/cbor-gate.js";
import { refusal } from "../refusal.js";
import { payloads, texts } from "./values.js";

const roundTrip = (value: unknown): unknown => decodeCbor(encodeCbor(value));
const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 ? { a: value } : [value];
  return value;
};

test("what was read stays as it is when the next payload is read in the same place", () => {
  const one = decodeCbor(encodeCbor({ bytes: new Uint8Array([1, 2, 3]), words: ["ä".repeat(40), "plain"] }));
  decodeCbor(encodeCbor({ bytes: new Uint8Array(300).fill(9), words: ["z".repeat(300)] }));
  expect(one).toEqual({ bytes: new Uint8Array([1, 2, 3]), words: ["ä".repeat(40), "plain"] });
});

describe("what is sent", () => {
  test("passes the gate and arrives as it was", () => {
    fc.assert(
      fc.property(payloads, (value) => {
        const bytes = encodeCbor(value);
        checkCbor(bytes);
        // Not toStrictEqual: it takes a member called "constructor" for the class of the object.
        expect(isDeepStrictEqual(decodeCbor(bytes), value)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("keeps a byte order mark, in values and in keys of any length", () => {
    const bom = "\ufeff";
    for (const length of [0, 1, 14, 60, 61, 62, 63, 64, 65, 252, 253, 254, 300, 65_532, 65_533, 70_000]) {
      const long = bom + "a".repeat(length);
      const value = { [long]: [long, bom + long, "plain", long], [`${long}2`]: new Uint8Array([0xef, 0xbb, 0xbf]), end: "x" };
      expect(roundTrip(value)).toStrictEqual(value);
    }
  });

  test("keeps any text", () => {
    fc.assert(
      fc.property(texts, fc.nat(40), (text, times) => {
        const long = text.repeat(times);
        expect(roundTrip(long)).toBe(long);
      }),
    );
  });

  test.each([0, 1, -1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 31), -(2 ** 32), -(2 ** 32) - 1])(
    "keeps the number %d",
    (value) => expect(roundTrip(value)).toBe(value),
  );

  test.each([2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 53, 2 ** 64, 1e300, 5e-324, 0.1, Number.NaN, 1 / 0, -1 / 0])(
    "keeps the number %d",
    (value) => expect(roundTrip(value)).toBe(value),
  );

  test("loses the sign of -0, as with JSON", () => {
    expect(roundTrip(-0)).toBe(0);
  });

  test("leaves out members that are undefined, and keeps the place of an undefined element", () => {
    const value = { a: undefined, b: [undefined, 1] };
    expect(roundTrip(value)).toStrictEqual({ b: [undefined, 1] });
    expect(roundTrip(new Array(3))).toStrictEqual([undefined, undefined, undefined]);
    expect(roundTrip(undefined)).toBe(undefined);
  });

  test("may have any number of references to one object", () => {
    const shared = { a: 1 };
    expect(roundTrip([shared, shared, { shared }])).toStrictEqual([{ a: 1 }, { a: 1 }, { shared: { a: 1 } }]);
  });

  test("may be 16 levels deep", () => {
    expect(roundTrip(nested(16))).toStrictEqual(nested(16));
  });

  test("may have 4,096 items", () => {
    const value = new Array(4095).fill(0);
    expect(roundTrip(value)).toStrictEqual(value);
    const map = Object.fromEntries(Array.from({ length: 2047 }, (_, i) => [`key ${i}`, i]));
    expect(roundTrip(map)).toStrictEqual(map);
  });

  test("may be objects without a prototype, of another realm, or with keys that objects have anyway", () => {
    expect(roundTrip(Object.assign(Object.create(null), { a: 1 }))).toStrictEqual({ a: 1 });
    expect(roundTrip(runInNewContext("({ a: [1, { b: 2 }] })"))).toStrictEqual({ a: [1, { b: 2 }] });
    const awkward = JSON.parse(
      `{"constructor":"c","toString":1,"hasOwnProperty":null,"valueOf":[],"then":"t","toJSON":1,"length":-1}`,
    );
    expect(roundTrip(awkward)).toStrictEqual(awkward);
    expect(roundTrip({ constructor: null, size: 3 })).toStrictEqual({ constructor: null, size: 3 });
  });

  test("goes as its bytes when it is another view or a buffer", () => {
    const numbers = new Uint16Array([1, 2, 3]).subarray(1);
    const bytes = new Uint8Array(numbers.buffer, 2, 4);
    for (const view of [numbers, new DataView(numbers.buffer, 2, 4), Buffer.from(bytes), bytes.slice().buffer]) {
      expect(roundTrip([view])).toStrictEqual([bytes.slice()]);
    }
  });

  test("has byte strings on the wire as plain byte strings, without a tag", () => {
    expect(toHex(encodeCbor({ a: new Uint8Array([1, 2]) }))).toBe("a16161420102");
    expect(toHex(encodeCbor([Buffer.from([7])]))).toBe("814107");
  });

  test("does not share memory with the next encoding", () => {
    const first = encodeCbor("first text, rather long so that it is not copied by chance ......................");
    const copy = first.slice();
    for (let i = 0; i < 2_000; i++) encodeCbor(`another ${i}`);
    expect(first).toEqual(copy);
    expect(first.buffer.byteLength).toBe(first.length);
  });

  test("may be large, and small again afterwards", () => {
    const large = "ä€\u{1f600}x".repeat(400_000);
    for (let i = 0; i < 3; i++) {
      expect(roundTrip({ large }) as object).toEqual({ large });
      expect(roundTrip({ small: "s".repeat(100), i })).toEqual({ small: "s".repeat(100), i });
    }
  });
});

describe("what arrives", () => {
  test("has byte strings of their own memory, that begin at its start", () => {
    const encoded = Buffer.from(encodeCbor({ a: new Uint8Array([1, 2, 3]) }));
    const { a } = decodeCbor(encoded) as { a: Uint8Array };
    encoded.fill(0xff);
    expect(a).toStrictEqual(new Uint8Array([1, 2, 3]));
    expect(a.constructor).toBe(Uint8Array);
    expect([a.byteOffset, a.buffer.byteLength]).toEqual([0, 3]);
  });

  test("leaves nothing on the array it was read from", () => {
    const encoded = encodeCbor([1]);
    decodeCbor(encoded);
    expect(Object.keys(encoded)).toEqual(["0", "1"]);
  });
});

describe("what cannot be sent is refused", () => {
  class Point {
    x = 1;
  }
  const cyclic: unknown[] = [];
  cyclic.push({ cyclic });
  const wide: unknown[] = [];
  for (let i = 0; i < 100; i++) wide.push(wide);

  test.each<[string, unknown, RegExp]>([
    ["a function", () => 1, /function/],
    ["a symbol", Symbol("s"), /symbol/],
    ["a bigint", 5n, /bigint.*text/],
    ["a Date", new Date(0), /Date.*toISOString/],
    ["a Map", new Map(), /Map.*fromEntries/],
    ["a Set", new Set(), /Set/],
    ["a Blob", new Blob([]), /Blob.*arrayBuffer/],
    ["a promise", Promise.resolve(1), /await/],
    ["an instance of a class", new Point(), /instance of a class/],
    ["an object that inherits", Object.create({ a: 1 }), /instance of a class/],
    ["an error", new Error("x"), /instance of a class/],
    ["a regular expression", /x/, /instance of a class/],
    ["a boxed number", Object(1), /instance of a class/],
    ["an array that contains itself", cyclic, /contains itself/],
    ["an array that contains itself often", wide, /contains itself/],
    ["17 levels", nested(17), /16 levels/],
    ["4,097 items in an array", new Array(4096).fill(0), /4096 values/],
    ["an array with a billion holes", new Array(1_000_000_000), /4096 values/],
    ["4,097 items in all", [new Array(4000).fill(0), new Array(95).fill(0)], /4096 values/],
    ["too many members", Object.fromEntries(Array.from({ length: 2048 }, (_, i) => [i, i])), /4096 values/],
    ["half of a surrogate pair", "cut \ud83d", /surrogate/],
    ["half of a surrogate pair in a key", { "\ude00": 1 }, /surrogate/],
    ["the key __proto__", JSON.parse('{"__proto__": {"polluted": true}}'), /__proto__/],
  ])("%s, at the top and inside", (_name, value, sentence) => {
    for (const given of _name === "17 levels" ? [value] : [value, _name.startsWith("4,097") ? value : { inside: [value] }]) {
      const error = refusal(() => encodeCbor(given));
      expect(error.code).toBe("ERR_MESSAGE_INVALID");
      expect(error.message).toMatch(sentence);
    }
  });

  test("what throws when it is read", () => {
    const thrower = {
      get a(): number {
        throw new Error("the getter's own");
      },
    };
    const error = refusal(() => encodeCbor(thrower));
    expect(error.code).toBe("ERR_MESSAGE_INVALID");
    expect((error.cause as Error).message).toBe("the getter's own");
  });

  test("what is too large, before it is encoded where that can be told", () => {
    expect(refusal(() => encodeCbor("x".repeat(101), 100)).code).toBe("ERR_MESSAGE_TOO_LARGE");
    expect(refusal(() => encodeCbor("€".repeat(50), 100)).code).toBe("ERR_MESSAGE_TOO_LARGE");
    expect(refusal(() => encodeCbor([new Uint8Array(200)], 100)).code).toBe("ERR_MESSAGE_TOO_LARGE");
    expect(encodeCbor("x".repeat(98), 100).length).toBe(100);
    expect(refusal(() => encodeCbor("x".repeat(99), 100)).code).toBe("ERR_MESSAGE_TOO_LARGE");
  });

  test("and the next message is not disturbed", () => {
    expect(() => encodeCbor([1, () => 1])).toThrow();
    expect(roundTrip({ a: 1 })).toEqual({ a: 1 });
  });
});

test("the codec loads no native addon and makes no function from text", () => {
  // In a process of its own, as the test runner may have loaded anything.
  const program = `
    const { Encoder, isNativeAccelerationEnabled } = require("cbor-x/index-no-eval");
    const codec = new Encoder({ useRecords: false, mapsAsObjects: true });
    for (let i = 0; i < 100; i++) codec.decode(codec.encode({ a: i, text: "long enough for an addon ".repeat(20) }));
    const addons = Object.keys(require.cache).filter((name) => name.endsWith(".node") || name.includes("cbor-extract"));
    process.stdout.write(JSON.stringify({ isNativeAccelerationEnabled, addons }));
  `;
  const output = execFileSync(process.execPath, ["--disallow-code-generation-from-strings", "-e", program], { encoding: "utf8" });
  expect(JSON.parse(output)).toEqual({ isNativeAccelerationEnabled: false, addons: [] });
});
