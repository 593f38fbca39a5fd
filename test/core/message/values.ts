// Values that a message can carry, for property tests.

import * as fc from "fast-check";
import { isWellFormedText } from "../../../src/core/message/payload.js";

/** Any text that has a UTF-8 form, also such that begins with a byte order mark or is longer than the short paths take. */
export const texts: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }).filter((text) => isWellFormedText(text)),
  fc.string({ unit: "grapheme", minLength: 60, maxLength: 300 }).map((text) => `\ufeff${text}`),
  fc.constantFrom("", "\0", "constructor", "toString", "then", "hasOwnProperty", "valueOf", "length", "0", "-1"),
);

/** -0 is left out: it arrives as 0. */
const numbers = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double()).filter((value) => !Object.is(value, -0));

/** Any payload, at most five levels deep. */
export const payloads: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: "small", withCrossShrink: true },
    numbers,
    texts,
    fc.constantFrom(null, true, false, undefined),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 30 }),
    fc.dictionary(
      texts.filter((key) => key !== "__proto__"),
      tie("value").filter((value) => value !== undefined),
      { maxKeys: 30, noNullPrototype: true },
    ),
  ),
})).value;
