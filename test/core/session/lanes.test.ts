// One lane in both halves: whatever way its bytes are cut, repeated and sent again, the messages come out as they went in.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BufferPool } from "../../../src/core/buffer-pool.js";
import { NetworkError } from "../../../src/core/errors.js";
import { PartialBudget } from "../../../src/core/session/partial-budget.js";
import { ReceiveLane } from "../../../src/core/session/receive-lane.js";
import { LENGTH_PREFIX_BYTES, SendLane } from "../../../src/core/session/send-lane.js";
import { messageOf } from "../../sim/session-pair.js";
import { refusal } from "../refusal.js";

const UNLIMITED = new PartialBudget(Number.POSITIVE_INFINITY);

const WINDOW = 1_000_000;

function take(lane: SendLane, length: number): Uint8Array {
  const target = new Uint8Array(length);
  lane.fill(target);
  return target;
}

/** A lane whose buffers are so small that most messages lie in several; it knows its messages by the number that each begins with. */
function sendingLane(): {
  readonly lane: SendLane;
  readonly pool: BufferPool;
  readonly delivered: number[];
  pending(): number[];
} {
  const pool = new BufferPool(128, 4);
  const delivered: number[] = [];
  const numberAt = (bytes: Uint8Array, at: number): number => new DataView(bytes.buffer).getUint32(bytes.byteOffset + at);
  const lane = new SendLane(pool, (bytes, at) => delivered.push(numberAt(bytes, at)));
  const pending = (): number[] => {
    const numbers: number[] = [];
    lane.pending((bytes, at) => numbers.push(numberAt(bytes, at)));
    return numbers;
  };
  return { lane, pool, delivered, pending };
}

/** A stream of whole messages, as bytes. */
function streamOf(...messages: readonly Uint8Array[]): Uint8Array {
  const lane = new SendLane(new BufferPool(1024, 0), () => {});
  lane.acknowledge(0, WINDOW * 100);
  for (const message of messages) lane.pushMessage(message);
  return take(lane, lane.sendableBytes);
}

describe("a lane", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant("push" as const), length: fc.oneof(fc.nat(5), fc.nat(3000)) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant("send" as const), length: fc.oneof(fc.nat(7), fc.nat(4000)) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("acknowledge" as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("rewind" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("repeat" as const), which: fc.nat(50), skip: fc.nat(10) }) },
  );

  test("delivers the exact messages through any cutting, rewinding and repeating, and completes each once, in order", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
        const { lane: sender, pool, delivered, pending } = sendingLane();
        const got: Uint8Array[] = [];
        const receiver = new ReceiveLane(4000, WINDOW, (bytes) => got.push(bytes), UNLIMITED);
        sender.acknowledge(0, WINDOW);
        const pushed: Uint8Array[] = [];
        const past: { offset: number; bytes: Uint8Array }[] = [];
        const acknowledge = (): void => sender.acknowledge(receiver.received, WINDOW - receiver.received);
        const send = (length: number): void => {
          const count = Math.min(length, sender.sendableBytes);
          const offset = sender.cursor;
          const bytes = take(sender, count);
          past.push({ offset, bytes });
          receiver.accept(offset, bytes.slice());
        };
        for (const one of steps) {
          if (one.do === "push") {
            const message = messageOf(pushed.length, one.length);
            sender.pushMessage(message);
            pushed.push(message);
          } else if (one.do === "send") send(one.length);
          else if (one.do === "acknowledge") acknowledge();
          else if (one.do === "rewind") sender.rewind();
          else {
            const old = past[one.which % Math.max(1, past.length)];
            if (old) receiver.accept(old.offset + Math.min(one.skip, old.bytes.length), old.bytes.slice(one.skip));
          }
        }
        expect([...delivered, ...pending()]).toEqual(pushed.map((_, i) => i));
        send(WINDOW);
        acknowledge();
        expect(got.map((bytes) => [...bytes])).toEqual(pushed.map((bytes) => [...bytes]));
        expect(delivered).toEqual(pushed.map((_, i) => i));
        expect(sender.pendingBytes).toBe(0);
        expect(pending()).toEqual([]);
        expect(pool.stats.inUse).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test("keeps its books over thousands of messages acknowledged a few at a time", () => {
    const { lane: sender, delivered } = sendingLane();
    const got: number[] = [];
    const receiver = new ReceiveLane(
      100,
      WINDOW,
      (bytes) => got.push(new DataView(bytes.slice().buffer).getUint32(0)),
      UNLIMITED,
    );
    sender.acknowledge(0, WINDOW);
    for (let i = 0; i < 5000; i++) sender.pushMessage(messageOf(i, 8));
    while (sender.sendableBytes > 0) {
      const offset = sender.cursor;
      receiver.accept(offset, take(sender, Math.min(61, sender.sendableBytes)));
      if (offset % 7 === 0) sender.acknowledge(receiver.received, WINDOW);
      if (offset % 1013 === 0) sender.rewind();
    }
    sender.acknowledge(receiver.received, WINDOW);
    expect(got).toEqual(Array.from({ length: 5000 }, (_, i) => i));
    expect(delivered).toEqual(got);
  });
});

describe("a sending lane", () => {
  test("sends no more than the window allows, and what is left when it grows", () => {
    const { lane } = sendingLane();
    lane.pushMessage(messageOf(0, 100));
    expect(lane.sendableBytes).toBe(0);
    lane.acknowledge(0, 30);
    expect(lane.sendableBytes).toBe(30);
    take(lane, 30);
    expect(lane.sendableBytes).toBe(0);
    lane.acknowledge(20, 50);
    expect(lane.sendableBytes).toBe(40);
  });

  test("does not take a window back: a smaller one is out of date", () => {
    const { lane } = sendingLane();
    lane.pushMessage(messageOf(0, 100));
    lane.acknowledge(0, 50);
    lane.acknowledge(0, 10);
    expect(lane.sendableBytes).toBe(50);
  });

  test("refuses an acknowledgement of bytes that were never sent", () => {
    const { lane } = sendingLane();
    lane.pushMessage(messageOf(0, 100));
    lane.acknowledge(0, 50);
    take(lane, 20);
    for (const offset of [21, 104, 2 ** 48 - 1]) {
      expect(refusal(() => lane.acknowledge(offset, 50)).code).toBe("ERR_FRAME_SEQUENCE");
    }
    expect(lane.acked).toBe(0);
  });

  test("takes an acknowledgement that runs ahead of a rewound cursor: an earlier link had carried it", () => {
    const { lane, delivered } = sendingLane();
    lane.pushMessage(messageOf(7, 16));
    lane.pushMessage(messageOf(8, 16));
    lane.acknowledge(0, 100);
    take(lane, 40);
    lane.rewind();
    take(lane, 5);
    lane.acknowledge(20, 100);
    expect(delivered).toEqual([7]);
    expect(lane.cursor).toBe(20);
    expect([...take(lane, 4)]).toEqual([0, 0, 0, 16]);
  });

  test("ignores an acknowledgement that is older than the last", () => {
    const { lane, delivered } = sendingLane();
    lane.pushMessage(messageOf(7, 6));
    lane.acknowledge(0, 100);
    take(lane, 10);
    for (const offset of [10, 3, 0, 10]) lane.acknowledge(offset, 100);
    expect(delivered).toEqual([7]);
    expect(lane.acked).toBe(10);
  });

  test("completes a message only when its last byte has arrived", () => {
    const { lane, delivered, pending } = sendingLane();
    lane.pushMessage(messageOf(7, 6));
    lane.acknowledge(0, 100);
    take(lane, 10);
    lane.acknowledge(9, 100);
    expect(delivered).toEqual([]);
    expect(pending()).toEqual([7]);
  });

  test("borrows no more buffers than its bytes fill, and gives each back when its messages have arrived", () => {
    const { lane, pool } = sendingLane();
    lane.acknowledge(0, WINDOW);
    for (let i = 0; i < 10; i++) lane.pushMessage(messageOf(i, 300));
    expect(pool.stats.inUse).toBeLessThanOrEqual(Math.ceil((10 * 304) / 128) + 1);
    take(lane, 5 * 304);
    lane.acknowledge(5 * 304, WINDOW);
    expect(pool.stats.inUse).toBeLessThanOrEqual(Math.ceil((5 * 304) / 128) + 1);
    take(lane, 5 * 304);
    lane.acknowledge(10 * 304, WINDOW);
    expect(pool.stats.inUse).toBe(0);
  });

  test("gives everything back when it is released", () => {
    const { lane, pool } = sendingLane();
    for (let i = 0; i < 10; i++) lane.pushMessage(messageOf(i, 300));
    lane.release();
    expect(pool.stats).toMatchObject({ inUse: 0, free: 4 });
  });

  test("knows a long message whose beginning has arrived", () => {
    const { lane, delivered, pending } = sendingLane();
    lane.acknowledge(0, WINDOW);
    lane.pushMessage(messageOf(7, 1000));
    take(lane, 900);
    lane.acknowledge(900, WINDOW);
    expect(pending()).toEqual([7]);
    take(lane, 104);
    lane.acknowledge(1004, WINDOW);
    expect(delivered).toEqual([7]);
  });
});

describe("a receiving lane", () => {
  const lane = (max = 1000, window = WINDOW): { receive: ReceiveLane; got: Uint8Array[] } => {
    const got: Uint8Array[] = [];
    return { receive: new ReceiveLane(max, window, (bytes) => got.push(bytes), UNLIMITED), got };
  };

  test("refuses a gap, and what is beyond its window, and stays as it was", () => {
    const { receive, got } = lane(1000, 100);
    for (const offset of [1, 50, 2 ** 48 - 1]) {
      expect(refusal(() => receive.accept(offset, new Uint8Array(1))).code).toBe("ERR_FRAME_SEQUENCE");
    }
    expect(refusal(() => receive.accept(0, new Uint8Array(101))).code).toBe("ERR_FRAME_SEQUENCE");
    expect(receive.received).toBe(0);
    receive.accept(0, streamOf(Uint8Array.of(1)));
    expect(got).toEqual([Uint8Array.of(1)]);
  });

  test("does not let its window shrink", () => {
    const { receive } = lane(1000, 100);
    receive.allow(10);
    receive.accept(0, streamOf(new Uint8Array(90)));
    receive.allow(200);
    receive.accept(94, streamOf(new Uint8Array(90)));
    expect(receive.received).toBe(188);
  });

  test("refuses a message when its length is announced, before anything of it is kept", () => {
    for (const length of [1001, 17 * 1024 * 1024, 2 ** 32 - 1]) {
      const { receive, got } = lane(1000);
      const prefix = new Uint8Array(4);
      new DataView(prefix.buffer).setUint32(0, length);
      expect(refusal(() => receive.accept(0, prefix)).code).toBe("ERR_MESSAGE_TOO_LARGE");
      expect(got).toEqual([]);
    }
  });

  test("takes no memory for what is announced and not sent", () => {
    const { receive } = lane(16 * 1024 * 1024);
    const before = process.memoryUsage().arrayBuffers;
    const lanes = Array.from({ length: 100 }, () => lane(16 * 1024 * 1024).receive);
    for (const one of [receive, ...lanes]) one.accept(0, Uint8Array.of(1, 0, 0, 0, 9));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
    expect(receive.partialBytes).toBe(1);
  });

  test("takes a message byte by byte, in about twice its size", () => {
    const { receive, got } = lane(300_000);
    const stream = streamOf(messageOf(1, 200_000));
    const large = new Uint8Array(1000);
    for (let at = 0; at < stream.length; at++) {
      // Each byte a view of a larger record, as it comes: keeping the views would keep the records.
      large[0] = stream[at] as number;
      receive.accept(at, large.subarray(0, 1));
    }
    expect(got.length).toBe(1);
    expect(got[0]?.buffer.byteLength).toBeLessThanOrEqual(400_000);
    expect(got[0]).toEqual(messageOf(1, 200_000));
  });

  test("takes messages of no bytes, alone and in a row", () => {
    const { receive, got } = lane();
    receive.accept(0, streamOf(new Uint8Array(0)));
    receive.accept(4, streamOf(new Uint8Array(0), new Uint8Array(0), Uint8Array.of(5), new Uint8Array(0)));
    expect(got.map((bytes) => bytes.length)).toEqual([0, 0, 0, 1, 0]);
  });

  test("takes no bytes as nothing new", () => {
    const { receive, got } = lane();
    expect(receive.accept(0, new Uint8Array(0))).toBe(false);
    expect(got).toEqual([]);
  });

  test("drops what it has, even if it looks different now", () => {
    const { receive, got } = lane();
    receive.accept(0, streamOf(Uint8Array.of(1, 1)));
    const other = streamOf(Uint8Array.of(9, 9), Uint8Array.of(2));
    receive.accept(0, other);
    expect(got).toEqual([Uint8Array.of(1, 1), Uint8Array.of(2)]);
  });

  test("does not hand a message on again when its handler threw", () => {
    let calls = 0;
    const receive = new ReceiveLane(
      100,
      1000,
      () => {
        calls++;
        throw new NetworkError("ERR_MESSAGE_MALFORMED");
      },
      UNLIMITED,
    );
    const stream = streamOf(Uint8Array.of(1));
    expect(refusal(() => receive.accept(0, stream)).code).toBe("ERR_MESSAGE_MALFORMED");
    receive.accept(0, stream);
    expect(calls).toBe(1);
    expect(receive.received).toBe(LENGTH_PREFIX_BYTES + 1);
  });
});
