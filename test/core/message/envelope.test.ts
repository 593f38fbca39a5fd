// The wire form of messages: its exact layout, both kinds of payload, and every field spoiled.

import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, encodeUtf8, equalBytes, fromHex, toHex } from "../../../src/core/bytes.js";
import {
  decodeCancel,
  decodeEnvelope,
  decodeRefusal,
  ENVELOPE_HEADER_BYTES,
  encodeCancel,
  encodeEnvelope,
  encodeRefusal,
  envelopeKindOf,
  isPlainMessage,
  isRefusalCode,
  messageIdOf,
} from "../../../src/core/message/envelope.js";
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

  test("leaves a binary payload where it is", () => {
    const record = concatBytes(new Uint8Array(1000), encode("a", new Uint8Array([1, 2, 3, 4])));
    const payload = decodeEnvelope(record.subarray(1000), SENDER).payload as Uint8Array;
    expect(payload).toStrictEqual(new Uint8Array([1, 2, 3, 4]));
    expect(payload.buffer).toBe(record.buffer);
  });

  test("leaves byte strings inside a payload with memory of their own", () => {
    const record = encode("a", { bytes: new Uint8Array([1, 2, 3, 4]) });
    const { bytes } = decodeEnvelope(record, SENDER).payload as { bytes: Uint8Array };
    record.fill(0xff);
    expect(bytes).toStrictEqual(new Uint8Array([1, 2, 3, 4]));
    expect([bytes.byteOffset, bytes.buffer.byteLength]).toEqual([0, 4]);
  });
});

describe("an envelope of request and response", () => {
  test("has this layout", () => {
    const message = { type: "chat", payload: ["hi"] };
    const head = `${ID}0123456789ab`;
    expect(toHex(encodeEnvelope(message, ID, 0x0123_4567_89ab, MAX, "request"))).toBe(
      `02${head}04${toHex(encodeUtf8("chat"))}81626869`,
    );
    expect(toHex(encodeEnvelope(message, ID, 0x0123_4567_89ab, MAX, "reply"))).toBe(
      `04${head}04${toHex(encodeUtf8("chat"))}81626869`,
    );
    const raw = { type: "chat", payload: fromHex("ff00") };
    expect(toHex(encodeEnvelope(raw, ID, 0x0123_4567_89ab, MAX, "request"))).toBe(`03${head}04${toHex(encodeUtf8("chat"))}ff00`);
    expect(toHex(encodeEnvelope(raw, ID, 0x0123_4567_89ab, MAX, "reply"))).toBe(`05${head}04${toHex(encodeUtf8("chat"))}ff00`);
    expect(toHex(encodeRefusal(ID, 0x0123_4567_89ab, "NO"))).toBe(`08${head}00a16163624e4f`);
    expect(toHex(encodeCancel(ID, 0x0123_4567_89ab))).toBe(`10${head}00`);
  });

  test("is told from a plain message by its flags, of which 8 of 256 have a meaning", () => {
    const kinds = Array.from({ length: 256 }, (_, flags) => {
      const bytes = Uint8Array.of(flags);
      try {
        expect(isPlainMessage(bytes)).toBe(envelopeKindOf(bytes) === "message");
        return envelopeKindOf(bytes);
      } catch (error) {
        expect(error).toMatchObject({ code: "ERR_MESSAGE_MALFORMED" });
        expect(isPlainMessage(bytes)).toBe(false);
        return null;
      }
    });
    const expected = ["message", "message", "request", "request", "reply", "reply"];
    expect(kinds.slice(0, 6)).toEqual(expected);
    expect(Object.fromEntries(kinds.flatMap((kind, flags) => (flags >= 6 && kind ? [[flags, kind]] : [])))).toEqual({
      8: "refusal",
      16: "cancel",
    });
  });

  test("gives back id and code", () => {
    expect(decodeRefusal(encodeRefusal(ID, 5, "X".repeat(64)))).toEqual({ id: ID, code: "X".repeat(64) });
    expect(decodeCancel(encodeCancel(ID, 5))).toBe(ID);
  });

  test("may carry members beside the code of a refusal, for later versions", () => {
    expect(decodeRefusal(refusalWith({ c: "NOT_FOUND", later: [1] })).code).toBe("NOT_FOUND");
  });

  const refusalWith = (payload: unknown): Uint8Array =>
    concatBytes(encodeRefusal(ID, 0, "X").subarray(0, 24), encode("x", payload).subarray(25));
  const changed = (bytes: Uint8Array, at: number, byte: number): Uint8Array => {
    const copy = bytes.slice();
    copy[at] = byte;
    return copy;
  };

  test.each<[string, Uint8Array]>([
    ["a small letter", refusalWith({ c: "a" })],
    ["no letter", refusalWith({ c: "" })],
    ["65 letters", refusalWith({ c: "X".repeat(65) })],
    ["a line break", refusalWith({ c: "X\n" })],
    ["a number for a code", refusalWith({ c: 5 })],
    ["no code", refusalWith({})],
    ["a list", refusalWith(["c"])],
    ["null", refusalWith(null)],
    ["text alone", refusalWith("NOT_FOUND")],
    ["no payload", encodeRefusal(ID, 0, "X").subarray(0, 24)],
    ["half a header", encodeRefusal(ID, 0, "X").subarray(0, 23)],
    ["bytes behind it", concatBytes(encodeRefusal(ID, 0, "X"), Uint8Array.of(0))],
    ["a type", changed(encodeRefusal(ID, 0, "X"), 23, 1)],
    ["raw bytes", changed(encodeRefusal(ID, 0, "X"), 0, 9)],
    ["the flags of a cancellation", changed(encodeRefusal(ID, 0, "X"), 0, 16)],
  ])("is refused as a refusal with %s", (_name, bytes) => {
    expect(refusal(() => decodeRefusal(bytes)).code).toBe("ERR_MESSAGE_MALFORMED");
  });

  test.each<[string, Uint8Array]>([
    ["half a header", encodeCancel(ID, 0).subarray(0, 23)],
    ["a payload", concatBytes(encodeCancel(ID, 0), Uint8Array.of(0xf7))],
    ["a type", concatBytes(changed(encodeCancel(ID, 0), 23, 1), encodeUtf8("x"))],
    ["raw bytes", changed(encodeCancel(ID, 0), 0, 17)],
    ["the flags of a refusal", changed(encodeCancel(ID, 0), 0, 8)],
  ])("is refused as a cancellation with %s", (_name, bytes) => {
    expect(refusal(() => decodeCancel(bytes)).code).toBe("ERR_MESSAGE_MALFORMED");
  });

  test("has a code of 1 to 64 characters of A-Z, 0-9 and the underscore", () => {
    for (const code of ["A", "NOT_FOUND", "404", "_", "X".repeat(64)]) expect(isRefusalCode(code)).toBe(true);
    for (const code of ["", "a", "A B", "A-B", "Ä", "A\n", "X".repeat(65), 5, null]) expect(isRefusalCode(code)).toBe(false);
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

  test("with flags that are unknown, contradict each other, or mean no message", () => {
    for (let flags = 0; flags < 256; flags++) {
      // A message, a request or a reply; the payload is CBOR, and would do as raw bytes.
      if ([0, 1, 2, 3, 4, 5].includes(flags)) expect(decodeEnvelope(change(0, flags), SENDER).type).toBe("chat");
      else expect(refusal(() => decodeEnvelope(change(0, flags), SENDER)).code).toBe("ERR_MESSAGE_MALFORMED");
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
