// What a message keeps alive while it waits.

import { describe, expect, test } from "vitest";
import type { Message } from "../../../src/core/message/message.js";
import { MessageQueue } from "../../../src/core/message/message-queue.js";
import { withOwnPayload } from "../../../src/core/message/own-payload.js";

function message(payload: unknown): Message {
  return { type: "a", payload, id: "0".repeat(32), senderId: "somebody", timestamp: 1 };
}

describe("a message that is kept", () => {
  const record = Uint8Array.from({ length: 65_000 }, (_, i) => i);

  test("has a small payload in memory of its own", () => {
    const kept = withOwnPayload(message(record.subarray(10, 14))).payload as Uint8Array;
    expect([...kept]).toEqual([10, 11, 12, 13]);
    expect(kept.buffer.byteLength).toBe(4);
  });

  test("is the same one where its payload is most of what came, or no bytes", () => {
    for (const payload of [record.subarray(10), { a: 1 }, "text", null]) {
      const original = message(payload);
      expect(withOwnPayload(original)).toBe(original);
    }
  });

  test("a loop that does not keep up holds no records", async () => {
    const queue = new MessageQueue(() => {});
    void queue.push(message(record.subarray(0, 100)));
    const { value } = await queue.next();
    expect((value.payload as Uint8Array).buffer.byteLength).toBe(100);
  });
});
