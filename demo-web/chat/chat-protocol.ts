// The chat's own messages: what both demos say to each other over LinkNet. Files have streams of their own, see file-protocol.ts.

import { defineMessage, type Message } from "linknet";

/** Longest text of one chat message, in UTF-16 code units. */
export const MAX_TEXT_LENGTH = 4_000;

/** One line or paragraph of chat. */
export interface ChatText {
  readonly text: string;
}

/** Whether this is a text that may be shown: 1 to {@link MAX_TEXT_LENGTH} code units, not all of them spaces. */
export function isChatText(value: unknown): value is ChatText {
  if (typeof value !== "object" || value === null || !("text" in value) || typeof value.text !== "string") return false;
  return value.text.length <= MAX_TEXT_LENGTH && value.text.trim() !== "";
}

/** `chat.text`: something that a person wrote. */
export const chatText = defineMessage<ChatText>("chat.text", isChatText);

/** What somebody wrote; `null` for any other message, and for one that is malformed. */
export function textOf(message: Message): string | null {
  if (chatText.is(message)) return message.payload.text;
  // What `text("…")` makes, the SDK's shortest example: it would be odd if the chat did not show it.
  return message.type === "text" && isChatText({ text: message.payload }) ? String(message.payload) : null;
}
