// The wire form of messages: its exact layout, both kinds of payload, and every field spoiled.

import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, encodeUtf8, equalBytes, fromHex, toHex } from "../../../src/core/bytes.js";
import { decodeEnvelope, ENVELOPE_HEADER_BYTES, encodeEnvelope, messageIdOf } from "../../../src/core/message/envelope.js";
import type { OutgoingMessage } from "../../../src/core/message/message.js";
import { refusal } from "../refusal.js";
import { payloads } from "./values.js";

const ID = "000102030405060708090a0b0c0d0e0f";
const SENDER = "a".repeat(52);
const MAX = 16 * 1024 * 1024;
const encode = (type: string, payload: unknown): Uint8Array => encodeEnvelope({ type, payload }, ID, 0x0123_4567_89ab, MAX);

const types = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((type) => encodeUtf8(type).length <= 255);
const ids = fc.uint8Array({ minLength: 16, maxLength: 16 });
const timestamps = fc.integer({ min: 0, max: 2 ** 48 - 1 });

describe("an envelope", () => {
  test("has this layout with a CBOR payload", () => {
    expect(toHex(encode("chat", ["hi"]))).toBe(`00${ID}0123456789ab04${toHex(encodeUtf8("chat"))}81626869`);
  });

  test("has this layout with raw bytes", () => {
    expect(toHex(encode("ä", fromHex("ff00")))).toBe(`01${ID}0123456789ab02c3a4ff00`);
  });

  test("gives back what was put in", () => {
    fc.assert(
      fc.property(types, payloads, ids, timestamps, (type, payload, id, timestamp) => {
        const bytes = encodeEnvelope({ type, payload }, id, timestamp, MAX);
        const expected = { type, payload, id: toHex(id), senderId: SENDER, timestamp };
        // Not toStrictEqual: it takes a member called "constructor" for the class of the object.
        expect(isDeepStrictEqual(decodeEnvelope(bytes, SENDER), expected)).toBe(true);
        expect(messageIdOf(bytes)).toBe(toHex(id));
      }),
      { numRuns: 300 },
    );
  });

  test("may carry no bytes, no payload, and the longest type", () => {
    expect(decodeEnvelope(encode("a", new Uint8Array(0)), SENDER).payload).toStrictEqual(new Uint8Array(0));
    expect(decodeEnvelope(encode("ping", undefined), SENDER).payload).toBe(undefined);
    expect(decodeEnvelope(encode("x".repeat(255), 1), SENDER).type).toBe("x".repeat(255));
  });

  test("takes any view or buffer as raw bytes", () => {
    const numbers = new Float32Array([1.5, -2]);
    const bytes = new Uint8Array(numbers.buffer.slice(0));
    for (const payload of [numbers, numbers.buffer, Buffer.from(bytes), new DataView(numbers.buffer)]) {
      expect(decodeEnvelope(encode("a", payload), SENDER).payload).toStrictEqual(bytes);
    }
  });

  test("carries raw bytes that would be too many items as CBOR", () => {
    const large = new Uint8Array(1_000_000).map((_, i) => i);
    expect(equalBytes(decodeEnvelope(encode("file", large), SENDER).payload as Uint8Array, large)).toBe(true);
  });

  test("takes its id as bytes or as text", () => {
    expect(messageIdOf(encodeEnvelope({ type: "a", payload: 1 }, fromHex(ID), 0, MAX))).toBe(ID);
  });

  test("ignores other fields, and the id of the message itself", () => {
    const message = { type: "a", payload: 1, id: "f".repeat(32), senderId: "mallory", timestamp: 1, extra: () => 1 };
    expect(decodeEnvelope(encodeEnvelope(message, ID, 5, MAX), SENDER)).toStrictEqual({
      type: "a",
      payload: 1,
      id: ID,
      senderId: SENDER,
      timestamp: 5,
    });
  });

  test.each([
    [1.9, 1],
    [-5, 0],
    [Number.NaN, 0],
    [2 ** 60, 2 ** 48 - 1],
    [Number.POSITIVE_INFINITY, 2 ** 48 - 1],
  ])("made by a clock that says %d has the timestamp %d", (given, read) => {
    expect(decodeEnvelope(encodeEnvelope({ type: "a", payload: 1 }, ID, given, MAX), SENDER).timestamp).toBe(read);
  });

  test("leaves its payload with memory of its own", () => {
    const record = concatBytes(new Uint8Array(1000), encode("a", new Uint8Array([1, 2, 3, 4])));
    const payload = decodeEnvelope(Buffer.from(record.buffer, 1000), SENDER).payload as Uint8Array;
    record.fill(0xff);
    expect(payload).toStrictEqual(new Uint8Array([1, 2, 3, 4]));
    expect([payload.byteOffset, payload.buffer.byteLength]).toEqual([0, 4]);
  });
});

describe("no envelope is made", () => {
  test.each<[string, unknown]>([
    ["of nothing", undefined],
    ["of text alone", "hello"],
    ["of null", null],
    ["without a type", { payload: 1 }],
    ["with a number for a type", { type: 5, payload: 1 }],
    ["with an empty type", { type: "", payload: 1 }],
    ["with a type of 256 bytes", { type: "x".repeat(256), payload: 1 }],
    ["with a type of 128 characters of two bytes", { type: "ä".repeat(128), payload: 1 }],
    ["with half a character in its type", { type: "a\ud800", payload: 1 }],
    ["with a payload that cannot be sent", { type: "a", payload: () => 1 }],
  ])("%s", (_name, message) => {
    expect(refusal(() => encodeEnvelope(message as OutgoingMessage, ID, 0, MAX)).code).toBe("ERR_MESSAGE_INVALID");
  });

  test.each<[string, unknown]>([
    ["short", ID.slice(1)],
    ["long", `${ID}0`],
    ["in upper case", ID.toUpperCase()],
    ["not hexadecimal", `g${ID.slice(1)}`],
    ["15 bytes", new Uint8Array(15)],
    ["17 bytes", new Uint8Array(17)],
    ["missing", undefined],
    ["a list", [...fromHex(ID)]],
  ])("when its id is %s", (_name, id) => {
    expect(refusal(() => encodeEnvelope({ type: "a", payload: 1 }, id as string, 0, MAX)).code).toBe("ERR_MESSAGE_INVALID");
  });

  test("larger than the limit, which counts the header", () => {
    const header = ENVELOPE_HEADER_BYTES + 1;
    expect(encodeEnvelope({ type: "a", payload: new Uint8Array(75) }, ID, 0, header + 75).length).toBe(header + 75);
    expect(refusal(() => encodeEnvelope({ type: "a", payload: new Uint8Array(76) }, ID, 0, header + 75)).code).toBe(
      "ERR_MESSAGE_TOO_LARGE",
    );
    expect(encodeEnvelope({ type: "a", payload: "x".repeat(73) }, ID, 0, header + 75).length).toBe(header + 75);
    expect(refusal(() => encodeEnvelope({ type: "a", payload: "x".repeat(74) }, ID, 0, header + 75)).code).toBe(
      "ERR_MESSAGE_TOO_LARGE",
    );
    expect(refusal(() => encodeEnvelope({ type: "a", payload: 1 }, ID, 0, 10)).code).toBe("ERR_MESSAGE_TOO_LARGE");
  });
});

describe("a spoiled envelope is refused", () => {
  const honest = encode("chat", { a: [1, "two"] });
  const change = (at: number, ...bytes: number[]): Uint8Array => {
    const copy = honest.slice();
    copy.set(bytes, at);
    return copy;
  };

  test("cut anywhere", () => {
    for (let length = 0; length < honest.length; length++) {
      expect(refusal(() => decodeEnvelope(honest.subarray(0, length), SENDER)).code).toBe("ERR_MESSAGE_MALFORMED");
    }
  });

  test("with any of the unknown flags", () => {
    for (let flags = 2; flags < 256; flags++) {
      expect(refusal(() => decodeEnvelope(change(0, flags), SENDER)).code).toBe("ERR_MESSAGE_MALFORMED");
    }
  });

  test.each([
    ["an empty type", change(23, 0)],
    ["a type beyond the end", change(23, 255)],
    ["a type that ends with the envelope, so that no payload is left", change(23, honest.length - 24)],
    ["a type that is not valid UTF-8", change(24, 0xff)],
    ["bytes behind its payload", concatBytes(honest, Uint8Array.of(0))],
    ["a tag for a payload", concatBytes(honest.subarray(0, 28), fromHex("c11a514b67b0"))],
  ])("with %s", (_name, bytes) => {
    expect(refusal(() => decodeEnvelope(bytes, SENDER)).code).toBe("ERR_MESSAGE_MALFORMED");
  });

  test("by messageIdOf when it has no whole header", () => {
    expect(messageIdOf(honest.subarray(0, 24))).toBe(ID);
    for (let length = 0; length < 24; length++) {
      expect(refusal(() => messageIdOf(honest.subarray(0, length))).code).toBe("ERR_MESSAGE_MALFORMED");
    }
  });

  test("with its own code, whatever the bytes", () => {
    const spoilt = fc.tuple(types, payloads, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }));
    fc.assert(
      fc.property(spoilt, ([type, payload, changes]) => {
        const bytes = encode(type, payload);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        try {
          const message = decodeEnvelope(bytes, SENDER);
          expect(message.senderId).toBe(SENDER);
          expect(message.id).toMatch(/^[0-9a-f]{32}$/);
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_MESSAGE_MALFORMED" });
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
