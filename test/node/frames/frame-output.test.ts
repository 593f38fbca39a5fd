// Frames that leave by one write per turn, from buffers that are used again.

import { describe, expect, test } from "vitest";
import { FrameOutput } from "../../../src/node/frame-output.js";
import { FrameParser } from "../../../src/node/frame-parser.js";

type Written = { readonly bytes: Uint8Array; readonly copy: Uint8Array; readonly done: (error?: Error | null) => void };

function output(): { readonly output: FrameOutput; readonly written: Written[] } {
  const written: Written[] = [];
  return { output: new FrameOutput((bytes, done) => written.push({ bytes, copy: bytes.slice(), done })), written };
}

function put(target: FrameOutput, length: number, fill: number): boolean {
  const { bytes, at } = target.room(length);
  bytes.fill(fill, at, at + length);
  return target.commit();
}

/** Length and content of each frame in what was written. */
function framesOf(written: readonly Written[]): [number, number][] {
  const frames: [number, number][] = [];
  const parser = new FrameParser((frame) => {
    expect(new Set(frame).size).toBe(1);
    frames.push([frame.length, frame[0] as number]);
  });
  for (const { copy } of written) parser.push(copy);
  return frames;
}

describe("an output of frames", () => {
  test("writes those of one turn at once, and says which is the first to wait", () => {
    const { output: target, written } = output();
    expect([put(target, 5, 1), put(target, 300, 2), put(target, 1, 3)]).toEqual([true, false, false]);
    expect(written).toEqual([]);
    expect(target.waitingBytes).toBe(306 + 6);
    target.flush();
    expect(written.length).toBe(1);
    expect(framesOf(written)).toEqual([
      [5, 1],
      [300, 2],
      [1, 3],
    ]);
    expect(put(target, 5, 4)).toBe(true);
  });

  test("writes what it has before a frame that does not fit any more", () => {
    const { output: target, written } = output();
    for (let i = 1; i <= 5; i++) put(target, 65_535, i);
    target.flush();
    expect(framesOf(written)).toEqual([1, 2, 3, 4, 5].map((fill) => [65_535, fill]));
    expect(written.length).toBe(3);
  });

  test("does not send a room that nothing was committed to, such as one whose sealing threw", () => {
    const { output: target, written } = output();
    put(target, 4, 1);
    const { bytes, at } = target.room(1000);
    bytes.fill(9, at, at + 1000);
    target.flush();
    target.room(1000);
    target.flush();
    expect(framesOf(written)).toEqual([[4, 1]]);
  });

  test("uses a buffer again once it is written, and none that a write failed with", () => {
    const { output: target, written } = output();
    const next = (): ArrayBufferLike => {
      put(target, 4, 1);
      target.flush();
      return (written.at(-1) as Written).bytes.buffer;
    };
    const first = next();
    expect(next()).not.toBe(first);
    const [one, two] = written as [Written, Written];
    one.done();
    expect(next()).toBe(first);
    two.done(new Error("reset"));
    expect([next(), next(), next()]).not.toContain(two.bytes.buffer);
  });
});
