// Makers and guards of messages, and the ids that they draw.

import { describe, expect, expectTypeOf, test } from "vitest";
import { defineMessage, text } from "../../../src/core/message/define-message.js";
import type { Message } from "../../../src/core/message/message.js";
import { MessageIdPool, newMessageId } from "../../../src/core/message/message-id.js";
import { refusal } from "../refusal.js";

interface Chat {
  readonly room: string;
  readonly line: string;
}

const isChat = (payload: unknown): payload is Chat =>
  typeof payload === "object" && payload !== null && "room" in payload && typeof payload.room === "string";

const arrived = (type: string, payload: unknown): Message => ({
  type,
  payload,
  id: newMessageId(),
  senderId: "a".repeat(52),
  timestamp: 0,
});

describe("text()", () => {
  test("makes a message of type text with an id of its own", () => {
    const hello = text("Hello");
    expect(hello).toEqual({ type: "text", payload: "Hello", id: hello.id });
    expect(hello.id).toMatch(/^[0-9a-f]{32}$/);
    expect(text("Hello").id).not.toBe(hello.id);
  });

  test("takes nothing but a string", () => {
    expect(refusal(() => text(5 as unknown as string)).code).toBe("ERR_MESSAGE_INVALID");
  });
});

describe("defineMessage()", () => {
  test("gives a maker that knows its type", () => {
    const chat = defineMessage<Chat>("chat.text", isChat);
    const message = chat({ room: "r", line: "l" });
    expect(chat.type).toBe("chat.text");
    expect(message).toEqual({ type: "chat.text", payload: { room: "r", line: "l" }, id: message.id });
    expect(chat({ room: "r", line: "l" }).id).not.toBe(message.id);
  });

  test("tells its own messages by type and payload", () => {
    const chat = defineMessage<Chat>("chat.text", isChat);
    expect(chat.is(arrived("chat.text", { room: "r", line: "l" }))).toBe(true);
    expect(chat.is(arrived("chat.other", { room: "r", line: "l" }))).toBe(false);
    for (const payload of [null, undefined, "x", {}, { room: 5 }]) expect(chat.is(arrived("chat.text", payload))).toBe(false);
  });

  test("gives the payload its type behind the guard", () => {
    const chat = defineMessage<Chat>("chat.text", isChat);
    const message = arrived("chat.text", { room: "r", line: "l" });
    expect(chat.is(message)).toBe(true);
    if (chat.is(message)) expectTypeOf(message.payload).toEqualTypeOf<Chat>();
  });

  test("goes by the type alone where there is no validator", () => {
    const ping = defineMessage<void>("ping");
    expect(ping().payload).toBe(undefined);
    expect(ping.is(arrived("ping", 5))).toBe(true);
  });

  test("counts a validator that throws, or answers with a promise, as a no", () => {
    const throwing = defineMessage<Chat>("t", (payload): payload is Chat => (payload as { a: { b: unknown } }).a.b === 1);
    expect(throwing.is(arrived("t", null))).toBe(false);
    const asynchronous = defineMessage<Chat>("t", (async () => true) as unknown as (payload: unknown) => payload is Chat);
    expect(asynchronous.is(arrived("t", {}))).toBe(false);
  });

  test.each(["", "x".repeat(256), "ä".repeat(128), "\ud800", 5 as unknown as string])("refuses the type %j", (type) => {
    expect(refusal(() => defineMessage(type)).code).toBe("ERR_MESSAGE_INVALID");
  });
});

describe("message ids", () => {
  test("come from the pool one after the other, and the source is asked once for 256 of them", () => {
    let calls = 0;
    const pool = new MessageIdPool({
      bytes: (length) => {
        calls++;
        return new Uint8Array(length).map((_, i) => (calls - 1) * 128 + (i >> 4));
      },
    });
    const seen = Array.from({ length: 256 }, () => pool.next());
    expect(calls).toBe(1);
    expect(seen[0]).toBe("00".repeat(16));
    expect(seen[255]).toBe("ff".repeat(16));
    expect(pool.next()).toBe("80".repeat(16));
    expect(calls).toBe(2);
  });

  test("do not repeat", () => {
    const ids = new Set(Array.from({ length: 5_000 }, () => newMessageId()));
    expect(ids.size).toBe(5_000);
  });

  test("can be drawn from a given source", () => {
    expect(newMessageId({ bytes: (length) => new Uint8Array(length).fill(0xab) })).toBe("ab".repeat(16));
  });
});
