// Makers of messages: text() for a line of text, defineMessage() for types of an application's own.

import { NetworkError } from "../errors.js";
import type { Message, OutgoingMessage } from "./message.js";
import { newMessageId } from "./message-id.js";
import { encodeMessageType } from "./message-type.js";

/** The type of the messages that {@link text} makes. */
export const TEXT_TYPE = "text";

/**
 * A message of text, with type `"text"` and a fresh id.
 * @throws NetworkError `ERR_MESSAGE_INVALID` when the content is not a string
 */
export function text(content: string): OutgoingMessage<string> {
  if (typeof content !== "string") throw new NetworkError("ERR_MESSAGE_INVALID", "text() takes a string");
  return { type: TEXT_TYPE, payload: content, id: newMessageId() };
}

/** What {@link defineMessage} gives: call it to make a message, ask `is` about one that arrived. */
export interface MessageDefinition<Payload> {
  /** A message of this type, with a fresh id. */
  (payload: Payload): OutgoingMessage<Payload>;
  readonly type: string;
  /**
   * Whether a message that arrived is of this type and, where a validator was given, its payload passes it.
   * Without a validator the payload is whatever the peer sent: its type is a promise, not a fact.
   */
  is(message: Message): message is Message<Payload>;
}

/**
 * Defines a message type, so that both ends agree on its name and the shape of its payload.
 * @param type - 1 to 255 bytes of UTF-8, such as `"chat.text"`
 * @param validate - decides about the payload of what arrived; `false` and anything it throws both refuse. It must not be async
 * @throws NetworkError `ERR_MESSAGE_INVALID` when the type is empty or too long
 */
export function defineMessage<Payload>(
  type: string,
  validate?: (payload: unknown) => payload is Payload,
): MessageDefinition<Payload> {
  encodeMessageType(type);
  const make = (payload: Payload): OutgoingMessage<Payload> => ({ type, payload, id: newMessageId() });
  const is = (message: Message): message is Message<Payload> => {
    return message.type === type && (validate === undefined || passes(validate, message.payload));
  };
  return Object.assign(make, { type, is });
}

function passes(validate: (payload: unknown) => boolean, payload: unknown): boolean {
  try {
    // Not just truthy: a promise of an async validator would let everything through.
    return validate(payload) === true;
  } catch {
    return false;
  }
}
