// Streams of bytes over sessions whose links come and go.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteWriter, equalBytes } from "../../../src/core/bytes.js";
import type { ByteStream } from "../../../src/core/stream/byte-stream.js";
import { MAX_INBOUND_STREAMS } from "../../../src/core/stream/stream-table.js";
import { run, settled } from "../../sim/flush.js";
import { LANE_INTERACTIVE, type LinkPlan, SessionPair } from "../../sim/session-pair.js";

const KIB = 1024;

function pattern(length: number, from = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (from + i) * 31 + ((from + i) >> 8);
  return bytes;
}

/** Connects two sessions; Bob keeps the streams that Alice opens. */
function pairWithStreams(options: LinkPlan = {}): {
  pair: SessionPair;
  taken: ByteStream[];
  wire: ReturnType<SessionPair["link"]>;
} {
  const pair = new SessionPair();
  const taken: ByteStream[] = [];
  for (const peer of [pair.alice, pair.bob]) peer.onStream = (stream) => taken.push(stream) > 0;
  return { pair, taken, wire: pair.connect(options) };
}

async function writeAll(stream: ByteStream, bytes: Uint8Array, chunk: number): Promise<void> {
  const writer = stream.writable.getWriter();
  for (let at = 0; at < bytes.length; at += chunk) await writer.write(bytes.subarray(at, at + chunk));
  await writer.close();
}

async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = stream.readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
  }
  const all = new ByteWriter(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  for (const chunk of chunks) all.bytes(chunk);
  return all.done();
}

/** What becomes of a promise, to be looked at after time has passed. */
function outcome<T>(promise: Promise<T>): { value?: T; error?: { code?: string }; settled: boolean } {
  const seen: { value?: T; error?: { code?: string }; settled: boolean } = { settled: false };
  promise.then(
    (value) => Object.assign(seen, { value, settled: true }),
    (error: { code?: string }) => Object.assign(seen, { error, settled: true }),
  );
  return seen;
}

/** By hand: a deep comparison of bytes takes longer than all the rest. */
function expectBytes(bytes: Uint8Array | undefined, expected: Uint8Array): void {
  expect(bytes?.length).toBe(expected.length);
  expect(bytes && equalBytes(bytes, expected)).toBe(true);
}

describe("a stream", () => {
  test("carries bytes both ways, and ends on its own in each direction", async () => {
    const { pair, taken } = pairWithStreams();
    const stream = pair.alice.session.openStream("files");
    const there = outcome(writeAll(stream, pattern(300 * KIB), 10_000));
    await run(pair.clock, 100);
    const [other] = taken as [ByteStream];
    expect(other.name).toBe("files");
    expect(other.peerId).toBe("alice");
    const read = outcome(readAll(other));
    await run(pair.clock, 2_000);
    expectBytes(read.value, pattern(300 * KIB));
    expect(there.settled && !there.error).toBe(true);
    // The other direction is still open.
    const back = outcome(writeAll(other, pattern(5_000), 999));
    const readBack = outcome(readAll(stream));
    await run(pair.clock, 1_000);
    expectBytes(readBack.value, pattern(5_000));
    expect(back.settled && !back.error).toBe(true);
  });

  test("holds its writer back when nobody reads, and grows nobody's memory", async () => {
    const { pair, taken } = pairWithStreams();
    const stream = pair.alice.session.openStream("slow");
    const writer = stream.writable.getWriter();
    let written = 0;
    const writing = outcome(
      (async () => {
        for (let i = 0; i < 100; i++) {
          await writer.write(pattern(64 * KIB));
          written += 64 * KIB;
        }
      })(),
    );
    await run(pair.clock, 30_000);
    // What the sender may queue, and the first window, in which the reader has not shown that it keeps up.
    expect(written).toBeLessThanOrEqual(1024 * KIB + 64 * KIB);
    const reader = (taken[0] as ByteStream).readable.getReader();
    let read = 0;
    const reading = (async () => {
      while (read < 100 * 64 * KIB) {
        const { value } = await reader.read();
        read += value?.length ?? 0;
      }
    })();
    void reading;
    await run(pair.clock, 30_000);
    expect(read).toBe(100 * 64 * KIB);
    expect(writing.settled && !writing.error).toBe(true);
  });

  test("lets messages pass while it is full", async () => {
    const { pair, taken } = pairWithStreams({ delayMs: 5 });
    const stream = pair.alice.session.openStream("big");
    void writeAll(stream, pattern(4 * 1024 * KIB), 64 * KIB);
    await run(pair.clock, 50);
    void readAll(taken[0] as ByteStream);
    const sentAt = pair.clock.now();
    pair.alice.send(LANE_INTERACTIVE, 100);
    await run(pair.clock, 500);
    expect((pair.bob.received[0]?.at ?? Number.POSITIVE_INFINITY) - sentAt).toBeLessThan(15);
  });

  test("leaves the round trip of small messages within twice its idle value and one record", async () => {
    // 20 ms there and back, at 8 MB/s: a record of 64 KiB takes 8 ms.
    const { pair, taken, wire } = pairWithStreams({ delayMs: 10, bytesPerMs: 8_000, highWaterBytes: 1024 * KIB });
    void wire;
    const roundTrip = async (): Promise<number> => {
      const sentAt = pair.clock.now();
      pair.alice.send(LANE_INTERACTIVE, 64);
      const before = pair.bob.received.length;
      while (pair.bob.received.length === before) await run(pair.clock, 1);
      pair.bob.send(LANE_INTERACTIVE, 64);
      const answers = pair.alice.received.length;
      while (pair.alice.received.length === answers) await run(pair.clock, 1);
      return pair.clock.now() - sentAt;
    };
    await run(pair.clock, 1_000);
    const idle = await roundTrip();
    const stream = pair.alice.session.openStream("big");
    const writing = outcome(writeAll(stream, pattern(16 * 1024 * KIB), 256 * KIB));
    await run(pair.clock, 50);
    const reading = outcome(readAll(taken[0] as ByteStream));
    const startedAt = pair.clock.now();
    const busy: number[] = [];
    while (!reading.settled) busy.push(await roundTrip());
    expect(writing.error).toBeUndefined();
    busy.sort((a, b) => a - b);
    const record = (64 * KIB) / 8_000;
    expect(busy[Math.floor(busy.length / 2)]).toBeLessThanOrEqual(2 * idle + record);
    expect(busy.at(-1)).toBeLessThanOrEqual(2 * idle + 2 * record);
    // And the path is not left idle for it: 16 MiB at 8 MB/s take 2.1 s.
    expect(pair.clock.now() - startedAt).toBeLessThan(4_000);
  });

  test("carries on over the next link, whatever was under way", async () => {
    const { pair, taken, wire } = pairWithStreams({ delayMs: 10 });
    const stream = pair.alice.session.openStream("files");
    const data = pattern(900 * KIB);
    const there = outcome(writeAll(stream, data, 50_000));
    await run(pair.clock, 60);
    const read = outcome(readAll(taken[0] as ByteStream));
    await run(pair.clock, 15);
    wire.cut();
    await run(pair.clock, 3_000);
    expect(read.settled).toBe(false);
    pair.link({ from: "bob", delayMs: 10 });
    await run(pair.clock, 5_000);
    expectBytes(read.value, data);
    expect(there.settled && !there.error).toBe(true);
  });

  test("an aborted writer fails the reader at the other side, at once", async () => {
    const { pair, taken } = pairWithStreams();
    const stream = pair.alice.session.openStream("files");
    const writer = stream.writable.getWriter();
    void writer.write(pattern(1000));
    await run(pair.clock, 50);
    const reading = outcome(readAll(taken[0] as ByteStream));
    await run(pair.clock, 50);
    void writer.abort(new Error("changed my mind"));
    await run(pair.clock, 50);
    expect(reading.error?.code).toBe("ERR_STREAM_ABORTED");
  });

  test("an abort is told at once, also while a write waits for a reader that does not read", async () => {
    const { pair, taken } = pairWithStreams();
    const stream = pair.alice.session.openStream("files");
    const writer = stream.writable.getWriter();
    const writes = outcome(Promise.all(Array.from({ length: 40 }, () => writer.write(pattern(64 * KIB)))));
    await run(pair.clock, 1_000);
    expect(writes.settled).toBe(false);
    const aborted = outcome(writer.abort(new Error("changed my mind")));
    await run(pair.clock, 50);
    const reading = outcome((taken[0] as ByteStream).readable.getReader().read());
    await run(pair.clock, 50);
    expect(reading.error?.code).toBe("ERR_STREAM_ABORTED");
    expect([aborted.settled, writes.settled]).toEqual([true, true]);
  });

  test("a cancelled reader fails the writer at the other side, at once", async () => {
    const { pair, taken } = pairWithStreams();
    const stream = pair.alice.session.openStream("files");
    const writing = outcome(writeAll(stream, pattern(3 * 1024 * KIB), 64 * KIB));
    await run(pair.clock, 50);
    await (taken[0] as ByteStream).readable.cancel();
    await run(pair.clock, 50);
    expect(writing.error?.code).toBe("ERR_STREAM_CANCELLED");
  });

  test("is refused where nobody takes it", async () => {
    const { pair } = pairWithStreams();
    pair.bob.onStream = undefined;
    const stream = pair.alice.session.openStream("files");
    const writing = outcome(writeAll(stream, pattern(100), 100));
    const reading = outcome(readAll(stream));
    await run(pair.clock, 100);
    expect([writing.error?.code, reading.error?.code]).toEqual(["ERR_STREAM_REFUSED", "ERR_STREAM_REFUSED"]);
  });

  test("fails on both sides when the session ends", async () => {
    const { pair, taken } = pairWithStreams();
    const stream = pair.alice.session.openStream("files");
    const writing = outcome(writeAll(stream, pattern(3 * 1024 * KIB), 64 * KIB));
    await run(pair.clock, 50);
    const reading = outcome(readAll(taken[0] as ByteStream));
    pair.bob.session.close("done", null);
    await run(pair.clock, 50);
    expect(reading.error?.code).toBe("ERR_CLOSED");
    expect(writing.error?.code).toBe("ERR_CLOSED_BY_PEER");
    expect(() => pair.alice.session.openStream("more")).toThrow(expect.objectContaining({ code: "ERR_CLOSED_BY_PEER" }));
  });

  test("beyond the limit of open ones is refused, and the place of one that ended is free again", async () => {
    const { pair, taken } = pairWithStreams();
    const streams = Array.from({ length: MAX_INBOUND_STREAMS + 1 }, (_, i) => pair.alice.session.openStream(String(i)));
    const last = outcome(readAll(streams.at(-1) as ByteStream));
    await run(pair.clock, 100);
    expect(last.error?.code).toBe("ERR_STREAM_REFUSED");
    expect(taken).toHaveLength(MAX_INBOUND_STREAMS);
    await (taken[0] as ByteStream).readable.cancel();
    await (taken[0] as ByteStream).writable.abort();
    await (streams[0] as ByteStream).readable.cancel();
    await run(pair.clock, 100);
    pair.alice.session.openStream("again");
    await run(pair.clock, 100);
    expect(taken.at(-1)?.name).toBe("again");
  });
});

describe("random schedules of streams", () => {
  const plan = fc.record({
    sizes: fc.array(fc.integer({ min: 0, max: 400 * KIB }), { minLength: 1, maxLength: 4 }),
    chunk: fc.integer({ min: 500, max: 90_000 }),
    cutsAfterMs: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 5 }),
    delayMs: fc.integer({ min: 0, max: 8 }),
  });

  test("every byte arrives once and in order, however often links die", async () => {
    await fc.assert(
      fc.asyncProperty(plan, async ({ sizes, chunk, cutsAfterMs, delayMs }) => {
        const { pair, taken, wire } = pairWithStreams({ delayMs });
        const writes = sizes.map((size, i) => {
          const from = i % 2 === 0 ? pair.alice : pair.bob;
          return outcome(writeAll(from.session.openStream(String(i)), pattern(size, i), chunk));
        });
        const reads: ReturnType<typeof outcome<Uint8Array>>[] = [];
        const readNew = (): void => {
          while (reads.length < taken.length) reads.push(outcome(readAll(taken[reads.length] as ByteStream)));
        };
        let current = wire;
        for (const afterMs of cutsAfterMs) {
          await run(pair.clock, afterMs);
          readNew();
          current.cut();
          await run(pair.clock, 5);
          current = pair.link({ delayMs, from: afterMs % 2 === 0 ? "alice" : "bob" });
        }
        for (let i = 0; i < 60; i++) {
          await run(pair.clock, 200);
          readNew();
        }
        await settled();
        expect(writes.map((write) => write.error ?? write.settled)).toEqual(sizes.map(() => true));
        const arrived = new Map(taken.map((stream, i) => [stream.name, reads[i]?.value]));
        for (const [i, size] of sizes.entries()) {
          const bytes = arrived.get(String(i));
          // By hand: a deep comparison of bytes takes longer than all the rest.
          expect(bytes && equalBytes(bytes, pattern(size, i)), `stream ${i} of ${size} bytes`).toBe(true);
        }
      }),
      { numRuns: Number(process.env.SCHEDULES ?? 60) },
    );
  }, 120_000);
});
