// What the entries of a record mean for the session that it came to.

import { NetworkError } from "../errors.js";
import type { Timer } from "../runtime.js";
import type { GoodbyeReason, Hello, RecordVisitor } from "./record.js";
import type { SessionLink } from "./session-link.js";
import type { Traffic } from "./traffic.js";

/** What a record may bring about. */
export interface Conversation {
  isOver(): boolean;
  /** It changes when the other side begins anew. */
  traffic(): Traffic;
  hello(link: SessionLink, hello: Hello): void;
  /** Something was acknowledged: more may be sent. */
  acknowledged(): void;
  retired(link: SessionLink): void;
  goodbye(reason: GoodbyeReason): void;
}

/** @param greeting - runs until the other side's hello has come */
export function linkVisitor(link: SessionLink, greeting: Timer, conversation: Conversation): RecordVisitor {
  const greeted = (): void => {
    if (link.stage === "greeting") throw new NetworkError("ERR_FRAME_MALFORMED", "data before hello");
  };
  return {
    hello: (hello) => {
      greeting.cancel();
      if (!conversation.isOver()) conversation.hello(link, hello);
    },
    data: (lane, offset, bytes) => {
      greeted();
      if (!conversation.isOver()) conversation.traffic().accept(lane, offset, bytes);
    },
    ack: (lane, offset, window) => {
      greeted();
      conversation.traffic().acknowledge(lane, offset, window);
      conversation.acknowledged();
    },
    stream: (id, offset, bytes) => {
      greeted();
      conversation.traffic().acceptStream(id, offset, bytes);
    },
    streamAck: (id, offset, window) => {
      greeted();
      conversation.traffic().acknowledgeStream(id, offset, window);
      conversation.acknowledged();
    },
    ping: (token) => link.pinged(token),
    pong: (token) => link.pong(token),
    retire: () => {
      greeted();
      conversation.retired(link);
    },
    goodbye: (reason) => conversation.goodbye(reason),
  };
}
