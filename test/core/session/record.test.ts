// Records taken apart: every entry comes out as it went in, and whatever bytes come, nothing but a NetworkError is thrown.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteWriter } from "../../../src/core/bytes.js";
import { NetworkError } from "../../../src/core/errors.js";
import {
  GOODBYE_REASONS,
  type Hello,
  type RecordVisitor,
  readRecord,
  writeAck,
  writeData,
  writeGoodbye,
  writeHello,
  writePing,
  writePong,
  writeRetire,
} from "../../../src/core/session/record.js";
import { refusal } from "../refusal.js";

const HELLO: Hello = {
  instance: new Uint8Array(16).fill(1),
  known: new Uint8Array(16).fill(2),
  received: [1, 2 ** 40, 2 ** 48 - 1],
  window: 2 ** 32 - 1,
  name: "Zoë",
};

/** Keeps what a record says. */
function listener(): { visitor: RecordVisitor; told: unknown[] } {
  const told: unknown[] = [];
  const visitor: RecordVisitor = {
    hello: (hello) => told.push(["hello", hello]),
    data: (lane, offset, bytes) => told.push(["data", lane, offset, [...bytes]]),
    ack: (lane, offset, window) => told.push(["ack", lane, offset, window]),
    stream: (...entry) => told.push(["stream", ...entry]),
    streamAck: (...entry) => told.push(["streamAck", ...entry]),
    ping: (token) => told.push(["ping", token]),
    pong: (token) => told.push(["pong", token]),
    retire: () => told.push(["retire"]),
    goodbye: (reason) => told.push(["goodbye", reason]),
  };
  return { visitor, told };
}

function read(bytes: Uint8Array): unknown[] {
  const { visitor, told } = listener();
  readRecord(bytes, visitor);
  return told;
}

function fullRecord(): Uint8Array {
  const writer = new ByteWriter(400);
  writeHello(writer, HELLO);
  writeData(writer, 2, 2 ** 47 + 5, 3).set([7, 8, 9]);
  writeAck(writer, 1, 2 ** 33, 2 ** 31);
  writePing(writer, 4_000_000_000);
  writePong(writer, 0);
  writeRetire(writer);
  writeGoodbye(writer, "limit");
  return writer.done();
}

describe("a record", () => {
  test("gives each entry back as it was written, in order", () => {
    expect(read(fullRecord())).toEqual([
      ["hello", HELLO],
      ["data", 2, 2 ** 47 + 5, [7, 8, 9]],
      ["ack", 1, 2 ** 33, 2 ** 31],
      ["ping", 4_000_000_000],
      ["pong", 0],
      ["retire"],
      ["goodbye", "limit"],
    ]);
  });

  test("may be empty", () => {
    expect(read(new Uint8Array(0))).toEqual([]);
  });

  test("knows every reason of a farewell, and takes one that a later version adds as the end", () => {
    for (const [reason, number] of Object.entries(GOODBYE_REASONS))
      expect(read(Uint8Array.of(6, number))).toEqual([["goodbye", reason]]);
    expect(read(Uint8Array.of(6, 99))).toEqual([["goodbye", "done"]]);
  });

  test.each<[string, number[]]>([
    ["an unknown entry", [7]],
    ["an unknown entry of the highest number", [255]],
    ["data in an unknown lane", [1, 3, 0, 0, 0, 0, 0, 0, 0, 0]],
    ["an ack of an unknown lane", [2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    ["data longer than the record", [1, 1, 0, 0, 0, 0, 0, 0, 255, 255, 1]],
    ["a hello that is cut short", [0, 1, 2, 3]],
    ["a ping without its token", [3, 0, 0]],
  ])("is refused with %s", (_name, bytes) => {
    expect(refusal(() => read(Uint8Array.from(bytes))).code).toBe("ERR_FRAME_MALFORMED");
  });

  test("is refused with a name that is too long or no UTF-8", () => {
    const hello = (name: string): Uint8Array => {
      const writer = new ByteWriter(400);
      writeHello(writer, { ...HELLO, name });
      return writer.done();
    };
    expect(read(hello("x".repeat(64))).length).toBe(1);
    expect(refusal(() => read(hello("x".repeat(65)))).code).toBe("ERR_FRAME_MALFORMED");
    const bytes = hello("xy").slice();
    bytes[bytes.length - 1] = 0xff;
    expect(refusal(() => read(bytes)).code).toBe("ERR_FRAME_MALFORMED");
  });

  test("cut at any byte is refused, or is whole up to there", () => {
    const whole = fullRecord();
    const all = read(whole);
    for (let length = 0; length < whole.length; length++) {
      const { visitor, told } = listener();
      try {
        readRecord(whole.subarray(0, length), visitor);
      } catch (error) {
        expect(error).toBeInstanceOf(NetworkError);
      }
      expect(told).toEqual(all.slice(0, told.length));
      expect(told.length).toBeLessThan(all.length);
    }
  });

  test("of random bytes throws nothing but NetworkError, and tells no more entries than it has bytes", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      // Mutants of a good one get further than noise.
      fc.tuple(fc.nat(170), fc.nat(255)).map(([at, value]) => {
        const mutant = fullRecord().slice();
        mutant[at % mutant.length] = value;
        return mutant;
      }),
    );
    fc.assert(
      fc.property(bytes, (record) => {
        const { visitor, told } = listener();
        try {
          readRecord(record, visitor);
        } catch (error) {
          if (!(error instanceof NetworkError)) throw error;
        }
        return told.length <= record.length;
      }),
      { numRuns: 3000 },
    );
  });
});
