// Messages for a `for await` loop: held until it takes them, so that a slow loop slows its senders instead of growing memory.

import type { Message } from "./message.js";
import { withOwnPayload } from "./own-payload.js";

interface Queued {
  readonly message: Message;
  taken(): void;
}

export class MessageQueue implements AsyncIterableIterator<Message> {
  #queue: Queued[] = [];
  #waiting: ((result: IteratorResult<Message>) => void)[] = [];
  #ended = false;
  readonly #onEnd: (queue: MessageQueue) => void;

  constructor(onEnd: (queue: MessageQueue) => void) {
    this.#onEnd = onEnd;
  }

  /** Queues a message. @returns settles when the loop has taken it, or has ended; `undefined` when somebody waited for it */
  push(message: Message): Promise<void> | undefined {
    const waiting = this.#waiting.shift();
    if (waiting) {
      waiting({ done: false, value: message });
      return undefined;
    }
    return new Promise((taken) => this.#queue.push({ message: withOwnPayload(message), taken }));
  }

  next(): Promise<IteratorResult<Message>> {
    const first = this.#queue.shift();
    if (first) {
      first.taken();
      return Promise.resolve({ done: false, value: first.message });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends the loop; what is queued already is still handed out. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const waiting of this.#waiting) waiting({ done: true, value: undefined });
    this.#waiting = [];
    this.#onEnd(this);
  }

  /** The loop was left: what is queued will never be taken. */
  return(): Promise<IteratorResult<Message>> {
    this.end();
    for (const queued of this.#queue) queued.taken();
    this.#queue = [];
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
