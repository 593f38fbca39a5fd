import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FrameParser } from "../../../src/node/frame-parser.js";
import { onTheWire, pattern } from "./support.js";

function parse(chunks: readonly Uint8Array[]): { frames: Uint8Array[]; parser: FrameParser } {
  const frames: Uint8Array[] = [];
  const parser = new FrameParser((frame) => frames.push(frame.slice()));
  for (const chunk of chunks) parser.push(chunk);
  return { frames, parser };
}

describe("the frame parser", () => {
  const frames = [pattern(1), pattern(2, 2), pattern(300, 3), pattern(5, 4)];
  const stream = new Uint8Array(Buffer.concat(frames.map(onTheWire)));

  test("gives the same frames wherever the stream is cut in two", () => {
    for (let at = 0; at <= stream.length; at++) {
      expect(parse([stream.subarray(0, at), stream.subarray(at)]).frames).toEqual(frames);
    }
  });

  test("gives the same frames byte by byte", () => {
    expect(parse(Array.from(stream, (byte) => Uint8Array.of(byte))).frames).toEqual(frames);
  });

  test("gives the same frames for any frames and any cuts", () => {
    const anyFrames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 5000 }), { maxLength: 8 });
    fc.assert(
      fc.property(anyFrames, fc.array(fc.nat(40_000), { maxLength: 12 }), (some, cuts) => {
        const bytes = new Uint8Array(Buffer.concat(some.map(onTheWire)));
        const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const { frames: got, parser } = parse(edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge)));
        expect(got).toEqual(some);
        expect(parser.midFrame).toBe(false);
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  test("takes frames of the largest length", () => {
    const big = pattern(65_535);
    const wire = new Uint8Array(onTheWire(big));
    expect(parse([wire]).frames).toEqual([big]);
    expect(parse([wire.subarray(0, 40_000), wire.subarray(40_000)]).frames).toEqual([big]);
  });

  test("hands a frame that is whole in a chunk over without a copy", () => {
    const chunk = new Uint8Array(onTheWire(pattern(10)));
    let seen: Uint8Array | null = null;
    new FrameParser((frame) => {
      seen = frame;
    }).push(chunk);
    expect((seen as Uint8Array | null)?.buffer).toBe(chunk.buffer);
  });

  test("takes no memory for a length alone, and little for a little", () => {
    const { parser } = parse([Uint8Array.of(0xff, 0xff)]);
    expect(parser.heldBytes).toBe(0);
    expect(parser.midFrame).toBe(true);
    parser.push(new Uint8Array(10));
    expect(parser.heldBytes).toBeLessThanOrEqual(1024);
  });

  test("refuses a frame of length 0, also when the length comes in two pieces", () => {
    expect(() => parse([Uint8Array.of(0, 0)])).toThrow(expect.objectContaining({ code: "ERR_FRAME_MALFORMED" }));
    expect(() => parse([Uint8Array.of(0), Uint8Array.of(0)])).toThrow(expect.objectContaining({ code: "ERR_FRAME_MALFORMED" }));
  });

  test("stops in the middle of a chunk when it is told to", () => {
    let count = 0;
    const parser = new FrameParser(() => {
      count++;
      parser.stop();
    });
    parser.push(new Uint8Array(Buffer.concat([onTheWire(pattern(3)), onTheWire(pattern(3))])));
    expect(count).toBe(1);
  });
});
