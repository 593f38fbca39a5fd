// Sorts incoming messages by what the chat does with them. Anything else, and anything malformed, is left alone.

import type { Message, PeerId } from "linknet";
import { chatText, fileCancel, fileChunk, fileEnd, fileOffer, isChatText } from "./chat-protocol.js";
import type { FileReceiver } from "./file-receiver.js";
import type { FileSender } from "./file-sender.js";

/** Where incoming messages go. */
export interface IncomingHandlers<File> {
  text(peerId: PeerId, text: string, messageId: string): void;
  readonly receiver: FileReceiver<File>;
  readonly sender: FileSender;
}

/** Hands one message to whom it concerns. @param nowMs - the time in ms, for deadlines */
export function routeMessage<File>(message: Message, handlers: IncomingHandlers<File>, nowMs: number): void {
  const peerId = message.senderId;
  const { receiver, sender } = handlers;
  if (chatText.is(message)) {
    handlers.text(peerId, message.payload.text, message.id);
  } else if (message.type === "text" && isChatText({ text: message.payload })) {
    // What `text("…")` makes, the SDK's shortest example: it would be odd if the chat did not show it.
    handlers.text(peerId, String(message.payload), message.id);
  } else if (fileOffer.is(message)) {
    receiver.onOffer(peerId, message.payload, nowMs);
  } else if (fileChunk.is(message)) {
    receiver.onChunk(peerId, message.payload, nowMs);
  } else if (fileEnd.is(message)) {
    receiver.onEnd(peerId, message.payload);
  } else if (fileCancel.is(message)) {
    // Both ends may cancel, so the id tells whose transfer it is.
    if (!receiver.onCancel(peerId, message.payload)) sender.cancelledByPeer(peerId, message.payload);
  }
}
