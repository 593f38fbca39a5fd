// What a message keeps alive while it waits: its own bytes, not the record that brought it.

import type { Message } from "./message.js";

/**
 * The message as it may be kept. A binary payload is a view of the record that it came in, which may be as large as 64 KiB: where that
 * is more than twice as much, the payload is copied, so that what waits costs what it is counted for.
 */
export function withOwnPayload(message: Message): Message {
  const { payload } = message;
  if (!(payload instanceof Uint8Array) || 2 * payload.length >= payload.buffer.byteLength) return message;
  return { ...message, payload: new Uint8Array(payload) };
}
