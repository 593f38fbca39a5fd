// What waits for one client, over a socket whose operating system takes bytes when it is told to.

import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import type { WebSocket } from "ws";
import { Batches, OPCODE, Outbox } from "../../src/server/outbox.js";
import { pattern } from "./raw-client.js";

interface Write {
  readonly bytes: Uint8Array;
  readonly done: (() => void) | undefined;
}

/** Takes at once what is written while `takes`, as an operating system with room does; callbacks come later in any case. */
class FakeSocket {
  takes = true;
  /** Callbacks of what was taken, if a test wants to call them itself. */
  late: (() => void)[] | null = null;
  writableLength = 0;
  /** How often the operating system would have been called. */
  calls = 0;
  /** What was on the wire at the moment of taking. */
  readonly taken: Buffer[] = [];
  readonly waiting: Write[] = [];
  #corked: Write[] | null = null;

  cork(): void {
    this.#corked = [];
  }

  uncork(): void {
    const writes = this.#corked ?? [];
    this.#corked = null;
    this.#give(writes);
  }

  write(bytes: Uint8Array, done?: () => void): boolean {
    const write = { bytes, done };
    if (this.#corked) this.#corked.push(write);
    else this.#give([write]);
    return true;
  }

  /** There is room again: what waits is taken. */
  drain(): void {
    for (const { bytes, done } of this.waiting.splice(0)) {
      this.taken.push(Buffer.from(bytes));
      this.writableLength -= bytes.length;
      done?.();
    }
  }

  #give(writes: readonly Write[]): void {
    this.calls++;
    for (const write of writes) {
      if (this.takes && this.waiting.length === 0) {
        this.taken.push(Buffer.from(write.bytes));
        if (write.done && this.late) this.late.push(write.done);
        else if (write.done) process.nextTick(write.done);
      } else {
        this.waiting.push(write);
        this.writableLength += write.bytes.length;
      }
    }
  }
}

function setUp(batches = new Batches()) {
  const socket = new FakeSocket();
  const ws = { readyState: 1, OPEN: 1 };
  const outbox = new Outbox(ws as unknown as WebSocket, socket as unknown as Socket, batches);
  return { socket, ws, outbox, batches };
}

/** Until the turn is over, and what it sets off. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Reads the wire by hand (RFC 6455 §5.2): whole frames without a mask. */
function readFrames(socket: FakeSocket): (readonly [kind: string, bytes: Buffer])[] {
  const frames: (readonly [string, Buffer])[] = [];
  let wire = Buffer.concat(socket.taken);
  while (wire.length > 0) {
    const kind = new Map([
      [0x82, "binary"],
      [0x8a, "pong"],
    ]).get(wire.readUInt8(0));
    if (!kind) throw new Error(`a frame that begins with ${wire.readUInt8(0)}`);
    const short = wire.readUInt8(1);
    const long = short === 126 ? wire.readUInt16BE(2) : short === 127 ? Number(wire.readBigUInt64BE(2)) : short;
    // The shortest head that can say the length is the only right one.
    expect(short).toBe(long < 126 ? long : long < 65_536 ? 126 : 127);
    const at = short === 126 ? 4 : short === 127 ? 10 : 2;
    frames.push([kind, wire.subarray(at, at + long)]);
    wire = wire.subarray(at + long);
  }
  return frames;
}

describe("outbox", () => {
  test("writes the frames of one turn at once, in their order", async () => {
    const { socket, outbox } = setUp();
    for (let i = 0; i < 20; i++) outbox.add(OPCODE.BINARY, pattern(1000, i));
    outbox.add(OPCODE.PONG, pattern(5));
    outbox.add(OPCODE.BINARY, pattern(0));
    expect(socket.calls).toBe(0);
    expect([outbox.frames, outbox.bytes > 20_000]).toEqual([22, true]);
    await turn();
    expect(socket.calls).toBe(1);
    expect([outbox.frames, outbox.bytes]).toEqual([0, 0]);
    const frames = readFrames(socket);
    expect(frames.map(([kind]) => kind)).toEqual([...Array(20).fill("binary"), "pong", "binary"]);
    for (let i = 0; i < 20; i++) expect(Buffer.compare(frames[i]?.[1] as Buffer, pattern(1000, i))).toBe(0);
    expect(frames[21]?.[1]).toHaveLength(0);
  });

  test.each([125, 126, 65_535, 65_536, 70_000, 16_384, 16_385])(
    "carries a frame of %i bytes between two small ones",
    async (length) => {
      const { socket, outbox } = setUp();
      for (const size of [3, length, 4]) outbox.add(OPCODE.BINARY, pattern(size, size));
      await turn();
      const frames = readFrames(socket);
      expect(frames.map(([, bytes]) => bytes.length)).toEqual([3, length, 4]);
      for (const [, bytes] of frames) expect(Buffer.compare(bytes, pattern(bytes.length, bytes.length))).toBe(0);
    },
  );

  test("does not write into a batch that the system still reads", async () => {
    const { socket, outbox } = setUp();
    socket.takes = false;
    for (let i = 0; i < 8; i++) {
      outbox.add(OPCODE.BINARY, pattern(5000, i));
      outbox.add(OPCODE.BINARY, pattern(17_000, i));
      await turn();
    }
    expect(outbox.frames).toBe(16);
    socket.drain();
    expect([outbox.frames, outbox.bytes]).toEqual([0, 0]);
    const frames = readFrames(socket);
    expect(frames).toHaveLength(16);
    frames.forEach(([, bytes], i) => {
      expect(Buffer.compare(bytes, pattern(i % 2 === 0 ? 5000 : 17_000, i >> 1))).toBe(0);
    });
  });

  test("counts as waiting what the system has not taken, and what it took in this very turn no more", async () => {
    const { socket, outbox } = setUp();
    for (let i = 0; i < 10; i++) {
      expect(outbox.hasRoom(100, 4, 1_000)).toBe(true);
      outbox.add(OPCODE.BINARY, pattern(100, i));
    }
    await turn();
    expect(readFrames(socket)).toHaveLength(10);

    socket.takes = false;
    for (let i = 0; i < 4; i++) outbox.add(OPCODE.BINARY, pattern(100, i));
    expect(outbox.hasRoom(100, 4, 10_000)).toBe(false);
    expect(outbox.hasRoom(100, 5, 10_000)).toBe(true);
    expect(outbox.hasRoom(100, 5, 500)).toBe(false);
    socket.drain();
    expect(outbox.hasRoom(100, 4, 1_000)).toBe(true);
  });

  test("keeps counting right when the callbacks come late", () => {
    const { socket, outbox } = setUp();
    socket.late = [];
    for (let i = 0; i < 2; i++) {
      outbox.add(OPCODE.BINARY, pattern(10));
      outbox.flush();
    }
    socket.takes = false;
    for (let i = 0; i < 2; i++) {
      outbox.add(OPCODE.BINARY, pattern(10));
      outbox.flush();
    }
    expect(outbox.frames).toBe(2);
    for (const done of socket.late) {
      done();
      expect(outbox.frames).toBe(2);
    }
    socket.drain();
    expect(outbox.frames).toBe(0);
  });

  test("gives no batch to two clients at a time", async () => {
    const batches = new Batches();
    const [first, second] = [setUp(batches), setUp(batches)];
    first.socket.takes = false;
    // Once given away, and once copied, as something waits already.
    for (let i = 0; i < 3; i++) {
      first.outbox.add(OPCODE.BINARY, pattern(100, i));
      await turn();
    }
    first.socket.drain();
    first.socket.takes = true;
    for (let i = 0; i < 3; i++) {
      first.outbox.add(OPCODE.BINARY, pattern(100, i));
      second.outbox.add(OPCODE.BINARY, pattern(200, i));
      first.outbox.flush();
      first.outbox.add(OPCODE.BINARY, pattern(300, i));
    }
    await turn();
    const contents = (socket: FakeSocket) => readFrames(socket).map(([, bytes]) => bytes.toString("hex"));
    const hex = (length: number, seed: number) => Buffer.from(pattern(length, seed)).toString("hex");
    expect(contents(first.socket).slice(3)).toEqual([0, 1, 2].flatMap((i) => [hex(100, i), hex(300, i)]));
    expect(contents(second.socket)).toEqual([0, 1, 2].map((i) => hex(200, i)));
  });

  test("holds small frames that wait in as many bytes, and not in a batch or a chunk each", async () => {
    const { socket, outbox } = setUp();
    socket.takes = false;
    // Given away before it was known that it would wait.
    outbox.add(OPCODE.BINARY, pattern(10));
    await turn();
    const chunk = Buffer.alloc(8 * 1024 * 1024);
    for (let i = 0; i < 50; i++) {
      outbox.add(OPCODE.BINARY, chunk.subarray(i, i + 10));
      outbox.add(OPCODE.BINARY, chunk.subarray(i, i + 20_000));
      await turn();
    }
    const held = new Set(socket.waiting.slice(1).map(({ bytes }) => bytes.buffer));
    expect([...held].reduce((sum, buffer) => sum + buffer.byteLength, 0)).toBeLessThan(1.5 * 50 * 20_034);
  });

  test("uses few batches for many clients, one after the other", async () => {
    const batches = new Batches();
    const seen = new Set<ArrayBufferLike>();
    for (let i = 0; i < 200; i++) {
      const { outbox, socket } = setUp(batches);
      const write = socket.write.bind(socket);
      socket.write = (bytes, done) => {
        seen.add(bytes.buffer);
        return write(bytes, done);
      };
      outbox.add(OPCODE.BINARY, pattern(100, i));
      await turn();
    }
    expect(seen.size).toBeLessThanOrEqual(2);
  });

  test("writes nothing behind a close frame, and forgets it", async () => {
    const { socket, ws, outbox } = setUp();
    outbox.add(OPCODE.BINARY, pattern(10));
    ws.readyState = 2;
    outbox.add(OPCODE.BINARY, pattern(20_000));
    await turn();
    expect(socket.calls).toBe(0);
    expect([outbox.frames, outbox.bytes]).toEqual([0, 0]);
  });
});
