// Delays of reconnections: bounds, spread, and attempts without end.

import { randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backoffDelay } from "../../src/core/backoff.js";
import type { Random } from "../../src/core/runtime.js";

const lowest: Random = { bytes: (length) => new Uint8Array(length) };
const highest: Random = { bytes: (length) => new Uint8Array(length).fill(255) };

describe("backoffDelay", () => {
  test.each([
    [0, 250],
    [1, 500],
    [5, 8_000],
    [6, 15_000],
    [7, 15_000],
    [31, 15_000],
    [32, 15_000],
    [1_023, 15_000],
    [1_024, 15_000],
    [Number.MAX_SAFE_INTEGER, 15_000],
    [Number.POSITIVE_INFINITY, 15_000],
  ])("of attempt %i lies below %i ms", (attempt, ceilingMs) => {
    expect(backoffDelay(attempt, 250, 15_000, lowest)).toBe(0);
    const most = backoffDelay(attempt, 250, 15_000, highest);
    expect(most).toBeLessThan(ceilingMs);
    expect(most).toBeGreaterThan(ceilingMs * 0.999_999);
  });

  test("stays in its bounds for any randomness", () => {
    const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(bytes, fc.nat(), (given, attempt) => {
        const delay = backoffDelay(attempt, 250, 15_000, { bytes: (length) => given.slice(0, length) });
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThan(15_000);
      }),
    );
  });

  test("spreads a crowd evenly over the whole span", () => {
    const tenths = new Array<number>(10).fill(0);
    const random: Random = { bytes: (length) => randomBytes(length) };
    for (let i = 0; i < 10_000; i++) {
      const tenth = Math.floor(backoffDelay(10, 250, 1_000, random) / 100);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    // 1,000 each are expected, with a deviation of 30: ten deviations to either side.
    for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(300);
  });
});
