// Frames that leave by one write per turn, from buffers that are used again.

import { describe, expect, test } from "vitest";
import { FrameOutput } from "../../../src/node/frame-output.js";
import { FrameParser } from "../../../src/node/frame-parser.js";

type Written = { readonly bytes: Uint8Array; readonly copy: Uint8Array; readonly done: (error?: Error | null) => void };

/** @param taken - whether the stream takes all bytes at once */
function output(taken = false): { readonly output: FrameOutput; readonly written: Written[] } {
  const written: Written[] = [];
  const write = (bytes: Uint8Array, done: Written["done"]): boolean => {
    written.push({ bytes, copy: bytes.slice(), done });
    return taken;
  };
  return { output: new FrameOutput(write), written };
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

  test("uses the same buffer for the next frames when the stream has taken all bytes at once, whatever it says later", () => {
    const { output: target, written } = output(true);
    for (let i = 1; i <= 6; i++) put(target, 65_535, i);
    target.flush();
    expect(new Set(written.map(({ bytes }) => bytes.buffer)).size).toBe(1);
    for (const { done } of written) done();
    // Given back once: two who write at the same time have two buffers.
    const others = [output(), output()];
    for (const { output: other } of others) put(other, 10, 1);
    for (const { output: other } of others) other.flush();
    const [one, two] = others.map(({ written: [first] }) => (first as Written).bytes.buffer);
    expect(one).not.toBe(two);
  });
});
