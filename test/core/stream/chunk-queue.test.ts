// What waits to be read costs about what it weighs.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes, equalBytes } from "../../../src/core/bytes.js";
import { ChunkQueue } from "../../../src/core/stream/chunk-queue.js";

test("gives back exactly what was put in, in order, however it was cut", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9_000 }), { maxLength: 40 }), fc.array(fc.boolean()), (sizes, reads) => {
      const queue = new ChunkQueue();
      const put: Uint8Array[] = [];
      const got: Uint8Array[] = [];
      sizes.forEach((size, i) => {
        const piece = new Uint8Array(size).fill(i + 1);
        put.push(piece);
        queue.push(piece);
        if (reads[i]) got.push(queue.shift()?.slice() ?? new Uint8Array(0));
      });
      for (let piece = queue.shift(); piece; piece = queue.shift()) got.push(piece);
      expect(queue.bytes).toBe(0);
      expect(equalBytes(concatBytes(...got), concatBytes(...put))).toBe(true);
    }),
  );
});

test("joins a dribble of single bytes, each a view of a large record, into few buffers", () => {
  const queue = new ChunkQueue();
  const record = new Uint8Array(65_000);
  for (let i = 0; i < 100_000; i++) queue.push(record.subarray(i % 65_000, (i % 65_000) + 1));
  expect(queue.bytes).toBe(100_000);
  let pieces = 0;
  while (queue.shift()) pieces++;
  expect(pieces).toBe(Math.ceil(100_000 / (16 * 1024)));
});
