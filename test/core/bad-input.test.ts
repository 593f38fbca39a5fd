// What a peer with a proven key may send wrongly: bounded, refused with a code, and the session ends where the protocol is broken.

import { describe, expect, test } from "vitest";
import { ByteWriter } from "../../src/core/bytes.js";
import { writeAck, writeData, writeStream, writeStreamAck } from "../../src/core/session/record.js";
import { CONTROL_KINDS } from "../../src/core/session/traffic.js";
import type { ByteStream } from "../../src/core/stream/byte-stream.js";
import { encodeStreamControl, type StreamControl } from "../../src/core/stream/stream-control.js";
import { FIRST_WINDOW_BYTES } from "../../src/core/stream/window-budget.js";
import { EvilPeer } from "../sim/evil-peer.js";
import { settled } from "../sim/flush.js";
import { LANE_CONTROL, LANE_INTERACTIVE, SessionPair } from "../sim/session-pair.js";

const MIB = 1024 * 1024;

/** Bob, who takes every stream, and somebody who has greeted him as "alice" and says what it likes. */
class Breach {
  readonly pair = new SessionPair();
  readonly evil: EvilPeer;
  readonly streams: ByteStream[] = [];
  #controlBytes = 0;

  constructor() {
    this.pair.bob.onStream = (stream) => this.streams.push(stream) > 0;
    this.evil = new EvilPeer(this.pair);
    this.evil.greet({ window: 64 * 1024 });
    this.pair.run(20);
  }

  /** Says something about streams, in one record. "alice" comes before "bob": her streams have even numbers. */
  control(...controls: readonly StreamControl[]): void {
    this.evil.say((writer) => {
      for (const control of controls) this.controlBytes(writer, encodeStreamControl(control));
    });
  }

  controlBytes(writer: ByteWriter, body: Uint8Array): void {
    const message = new ByteWriter(5 + body.length)
      .u32(1 + body.length)
      .u8(CONTROL_KINDS.stream)
      .bytes(body)
      .done();
    writeData(writer, LANE_CONTROL, this.#controlBytes, message.length).set(message);
    this.#controlBytes += message.length;
  }

  open(id: number, window = 0): void {
    this.control({ op: "open", id, window, name: "files" });
  }

  expectRefused(code: string): void {
    this.pair.run(50);
    expect(this.pair.bob.errors.at(-1)?.code).toBe(code);
    expect(this.pair.bob.session.status).toBe("disconnected");
    expect(this.evil.goodbyes).toEqual(["protocol"]);
    expect(this.evil.wire.ended).toBe(true);
  }

  expectNothingWrong(): void {
    this.pair.run(50);
    expect(this.pair.bob.session.status).toBe("connected");
    expect(this.evil.goodbyes).toEqual([]);
  }
}

/** One message of Bob's own, so that there is something to acknowledge. */
function sendFromBob(breach: Breach, bytes: number): void {
  breach.pair.bob.send(LANE_INTERACTIVE, bytes);
  breach.pair.run(20);
}

describe("a resume", () => {
  test("that is replayed on the same link is refused", () => {
    const breach = new Breach();
    breach.evil.greet({ window: 64 * 1024 });
    breach.expectRefused("ERR_FRAME_MALFORMED");
  });

  test("that is replayed on a new link takes nothing back: what was acknowledged since stays so, and comes no second time", () => {
    const breach = new Breach();
    const { bob } = breach.pair;
    const known = breach.evil.hello?.instance as Uint8Array;
    sendFromBob(breach, 1000);
    breach.evil.say((writer) => writeAck(writer, LANE_INTERACTIVE, 1004, 64 * 1024));
    breach.pair.run(20);
    expect(bob.delivered).toHaveLength(1);
    // The record of the time before: it says that nothing has arrived.
    const replay = new EvilPeer(breach.pair);
    replay.greet({ known, received: [0, 0, 0] });
    breach.pair.run(3_000);
    expect(bob.session.status).toBe("connected");
    expect(bob.delivered).toHaveLength(1);
    expect(bob.failed).toEqual([]);
    expect(replay.dataBytes).toBe(0);
  });

  test("that names the conversation of somebody else begins a new one, and tells nothing of the old", () => {
    const breach = new Breach();
    sendFromBob(breach, 1000);
    const guess = new EvilPeer(breach.pair);
    guess.greet({ instance: new Uint8Array(16).fill(6), known: new Uint8Array(16).fill(7), received: [0, 500, 0] });
    breach.pair.run(50);
    expect(breach.pair.bob.failed.map(({ error }) => error.code)).toEqual(["ERR_SESSION_LOST"]);
    expect(guess.dataBytes).toBe(0);
  });
});

describe("an acknowledgement from the future", () => {
  test("of a lane is refused", () => {
    const breach = new Breach();
    sendFromBob(breach, 1000);
    breach.evil.say((writer) => writeAck(writer, LANE_INTERACTIVE, 1005, 64 * 1024));
    breach.expectRefused("ERR_FRAME_SEQUENCE");
    // Its fate is open: it is not taken for delivered.
    expect(breach.pair.bob.delivered).toEqual([]);
    expect(breach.pair.bob.failed).toHaveLength(1);
  });

  test("of a stream is refused, and so is one of a stream that nobody opened", () => {
    const opened = new Breach();
    opened.open(0);
    opened.evil.say((writer) => writeStreamAck(writer, 0, 1, 1000));
    opened.expectRefused("ERR_FRAME_SEQUENCE");
    const unopened = new Breach();
    unopened.evil.say((writer) => writeStreamAck(writer, 0, 0, 1000));
    unopened.expectRefused("ERR_FRAME_SEQUENCE");
  });
});

describe("a window that shrinks below zero", () => {
  test("of a lane is out of date: what was promised stays promised, and no more is sent", () => {
    const breach = new Breach();
    sendFromBob(breach, 200 * 1024);
    const sent = breach.evil.dataBytes;
    expect(sent).toBe(64 * 1024);
    for (const window of [1000, 0]) breach.evil.say((writer) => writeAck(writer, LANE_INTERACTIVE, sent, window));
    breach.expectNothingWrong();
    expect(breach.evil.dataBytes).toBe(sent + 1000);
  });

  test("of a stream as well", async () => {
    const breach = new Breach();
    breach.open(0, 5_000);
    breach.pair.run(20);
    const writer = (breach.streams[0] as ByteStream).writable.getWriter();
    void writer.write(new Uint8Array(50_000)).catch(() => undefined);
    await settled();
    breach.pair.run(50);
    expect(breach.evil.streamBytes).toBe(5_000);
    for (const window of [100, 0]) breach.evil.say((record) => writeStreamAck(record, 0, 4_000, window));
    breach.expectNothingWrong();
    expect(breach.evil.streamBytes).toBe(5_000);
  });

  test("never is one of ours: who holds more than the buffer announces 0, and takes what was promised before", () => {
    const pair = new SessionPair({ receiveBufferBytes: 256 * 1024 });
    pair.connect();
    pair.bob.hold = () => new Promise<void>(() => undefined);
    for (let i = 0; i < 40; i++) pair.alice.send(LANE_INTERACTIVE, 30_000);
    pair.run(5_000);
    expect(pair.alice.session.status).toBe("connected");
    expect(pair.bob.received.length).toBeLessThan(20);
    expect(pair.bob.received.length).toBeGreaterThan(5);
  });
});

describe("a stream", () => {
  test("whose id is opened twice is refused", () => {
    const breach = new Breach();
    breach.open(0);
    breach.open(0);
    breach.expectRefused("ERR_FRAME_SEQUENCE");
    expect(breach.streams).toHaveLength(1);
  });

  const breaches: readonly (readonly [string, (breach: Breach) => void, string])[] = [
    ["is opened again after it ended", (b) => [b.open(0), b.control(...over(0)), b.open(0)], "ERR_FRAME_SEQUENCE"],
    ["skips a number", (b) => b.open(2), "ERR_FRAME_SEQUENCE"],
    ["takes one of our numbers", (b) => b.open(1), "ERR_FRAME_SEQUENCE"],
    ["carries data before it was opened", (b) => b.evil.say((w) => writeStream(w, 0, 0, 4)), "ERR_FRAME_SEQUENCE"],
    ["leaves a gap", (b) => [b.open(0), b.evil.say((w) => writeStream(w, 0, 5, 4))], "ERR_FRAME_SEQUENCE"],
    [
      "jumps to the highest offset",
      (b) => [b.open(0), b.evil.say((w) => writeStream(w, 0, 2 ** 48 - 1, 4))],
      "ERR_FRAME_SEQUENCE",
    ],
    [
      "goes on after its end",
      (b) => [b.open(0), b.control(end(0)), b.evil.say((w) => writeStream(w, 0, 0, 1))],
      "ERR_FRAME_SEQUENCE",
    ],
    ["ends twice", (b) => [b.open(0), b.control(end(9), end(9))], "ERR_FRAME_SEQUENCE"],
    [
      "ends before what was sent",
      (b) => [b.open(0), b.evil.say((w) => writeStream(w, 0, 0, 9)), b.control(end(8))],
      "ERR_FRAME_SEQUENCE",
    ],
    ["is confirmed although it goes on", (b) => [b.open(0), b.control({ op: "done", id: 0 })], "ERR_FRAME_SEQUENCE"],
    [
      "has an operation that is unknown",
      (b) => b.evil.say((w) => b.controlBytes(w, Uint8Array.of(77, 0, 0, 0, 0))),
      "ERR_FRAME_MALFORMED",
    ],
    ["has a name that is no UTF-8", (b) => b.evil.say((w) => b.controlBytes(w, OPEN_WITH_BAD_NAME)), "ERR_FRAME_MALFORMED"],
    ["is opened with bytes behind the name", (b) => b.evil.say((w) => b.controlBytes(w, OPEN_AND_MORE)), "ERR_FRAME_MALFORMED"],
  ];
  test.each(breaches)("that %s is refused", (_name, act, code) => {
    const breach = new Breach();
    act(breach);
    breach.expectRefused(code);
  });

  test("that sends more than its window is refused, and nothing of it is kept", () => {
    const breach = new Breach();
    breach.open(0);
    for (let at = 0; at <= FIRST_WINDOW_BYTES; at += 32 * 1024)
      breach.evil.say((writer) => writeStream(writer, 0, at, 32 * 1024));
    breach.expectRefused("ERR_FRAME_SEQUENCE");
  });

  test("that the other side never acknowledges holds its writer back, and messages pass", async () => {
    const breach = new Breach();
    breach.open(0, 2 ** 32 - 1);
    breach.pair.run(20);
    const writer = (breach.streams[0] as ByteStream).writable.getWriter();
    let written = 0;
    void (async () => {
      for (let i = 0; i < 100; i++) {
        await writer.write(new Uint8Array(64 * 1024));
        written += 64 * 1024;
      }
    })().catch(() => undefined);
    for (let i = 0; i < 40; i++) {
      await settled();
      breach.pair.run(10);
    }
    expect(written).toBeLessThanOrEqual(MIB);
    const before = breach.evil.dataBytes;
    sendFromBob(breach, 100);
    expect(breach.evil.dataBytes).toBe(before + 104);
  });
});

describe("messages", () => {
  test("of 17 MiB are refused when they are announced", () => {
    const breach = new Breach();
    breach.evil.say((writer) => writeData(writer, LANE_INTERACTIVE, 0, 4).set([1, 16, 0, 0]));
    breach.expectRefused("ERR_MESSAGE_TOO_LARGE");
  });

  test("in fragments that never end keep no more than has arrived, and hold nobody else up", () => {
    const breach = new Breach();
    // 16 MiB are announced, and then it comes a byte at a time.
    breach.evil.say((writer) => writeData(writer, LANE_INTERACTIVE, 0, 4).set([1, 0, 0, 0]));
    for (let i = 0; i < 1_000; i++) {
      breach.evil.say((writer) => writeData(writer, LANE_INTERACTIVE, 4 + i, 1));
      breach.pair.run(20);
    }
    breach.expectNothingWrong();
    expect(breach.pair.bob.received).toEqual([]);
    breach.evil.say((writer) => writeData(writer, 2, 0, 8).set([0, 0, 0, 4, 0, 0, 0, 1]));
    breach.expectNothingWrong();
    expect(breach.pair.bob.received).toHaveLength(1);
  });

  test("that the peer never acknowledges fill our queue and its window, and no more", () => {
    const breach = new Breach();
    const { bob } = breach.pair;
    for (let i = 0; i < 10; i++) bob.send(LANE_INTERACTIVE, 100 * 1024);
    breach.pair.run(10_000);
    expect(breach.evil.dataBytes).toBe(64 * 1024);
    expect(bob.session.queuedBytes).toBe(10 * (100 * 1024 + 4));
    expect(bob.delivered).toEqual([]);
  });
});

const OPEN_WITH_BAD_NAME = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff);
const OPEN_AND_MORE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

function end(offset: number): StreamControl {
  return { op: "end", id: 0, offset };
}

/** Both directions given up. */
function over(id: number): StreamControl[] {
  return [
    { op: "reset", id, reason: "cancelled" },
    { op: "stop", id, reason: "cancelled" },
  ];
}
