// Tells the application: its callbacks, its event handlers and its message loops hear the same story, and none can break another.

import { NetworkError } from "./errors.js";
import { type ConnectionStatus, Emitter, type EventHandler, type NetworkEvents, type PeerId } from "./events.js";
import type { Message } from "./message/message.js";
import { MessageQueue } from "./message/message-queue.js";
import { withOwnPayload } from "./message/own-payload.js";
import type { ByteStream } from "./stream/byte-stream.js";

export class Notifier {
  // An error handler that throws has nobody left to tell: told to itself, it would throw again, without end.
  readonly #events: Emitter<NetworkEvents> = new Emitter((error, name) => {
    if (name !== "error") this.callbackThrew(error);
  });
  readonly #queues = new Set<MessageQueue>();
  onMessage: ((message: Message) => unknown) | null = null;
  /** Whether the next message of a peer waits for what `onMessage` gave back for the one before. */
  awaitsMessages = false;
  readonly #turns = new Map<PeerId, Promise<void>>();
  onConnection: ((peerId: PeerId, status: ConnectionStatus) => void) | null = null;
  onError: ((error: NetworkError) => void) | null = null;

  on<Name extends keyof NetworkEvents>(name: Name, handler: EventHandler<NetworkEvents[Name]>): () => void {
    return this.#events.on(name, handler);
  }

  /** Whether anybody listens to an event. */
  has(name: keyof NetworkEvents): boolean {
    return this.#events.has(name);
  }

  /** An event that no callback hears. */
  emit<Name extends Exclude<keyof NetworkEvents, "message" | "connection" | "error" | "stream">>(
    name: Name,
    event: NetworkEvents[Name],
  ): void {
    this.#events.emit(name, event);
  }

  connection(peerId: PeerId, status: ConnectionStatus, error: NetworkError | null): void {
    this.#guard(() => this.onConnection?.(peerId, status));
    this.#events.emit("connection", { peerId, status, error });
  }

  /** @returns settles when the callback and all message loops have taken it; `undefined` when none is behind */
  message(message: Message): Promise<void> | undefined {
    let held: Promise<void>[] | null = null;
    if (this.awaitsMessages && this.onMessage) held = [this.#inTurn(message)];
    else this.#callBack(message);
    this.#events.emit("message", message);
    for (const queue of this.#queues) {
      const taken = queue.push(message);
      if (taken) held = [...(held ?? []), taken];
    }
    return held ? Promise.all(held).then(() => undefined) : undefined;
  }

  // Without a closure: nothing is called more often.
  #callBack(message: Message): void {
    if (!this.onMessage) return;
    try {
      const result = this.onMessage(message);
      if (result instanceof Promise) result.catch((error: unknown) => this.callbackThrew(error));
    } catch (error) {
      this.callbackThrew(error);
    }
  }

  // One message of a peer at a time: its turn is over when the callback's promise has settled.
  #inTurn(message: Message): Promise<void> {
    const { senderId } = message;
    const kept = withOwnPayload(message);
    const before = this.#turns.get(senderId) ?? Promise.resolve();
    const turn = before.then(async () => {
      try {
        await this.onMessage?.(kept);
      } catch (error) {
        this.callbackThrew(error);
      }
      if (this.#turns.get(senderId) === turn) this.#turns.delete(senderId);
    });
    this.#turns.set(senderId, turn);
    return turn;
  }

  /** @returns whether somebody listens for streams */
  stream(stream: ByteStream): boolean {
    if (!this.#events.has("stream")) return false;
    this.#events.emit("stream", { peerId: stream.peerId, name: stream.name, stream });
    return true;
  }

  error(error: NetworkError): void {
    try {
      const result: unknown = this.onError?.(error);
      if (result instanceof Promise) result.catch(() => undefined);
    } catch {
      // As for its handlers: what it threw is told to nobody.
    }
    this.#events.emit("error", error);
  }

  callbackThrew(cause: unknown): void {
    this.error(new NetworkError("ERR_CALLBACK_THREW", undefined, { cause }));
  }

  openQueue(): MessageQueue {
    const queue = new MessageQueue((ended) => this.#queues.delete(ended));
    this.#queues.add(queue);
    return queue;
  }

  endQueues(): void {
    for (const queue of [...this.#queues]) queue.end();
  }

  #guard(callback: () => unknown): void {
    try {
      const result = callback();
      // An async callback that rejects is the same fault as one that throws.
      if (result instanceof Promise) result.catch((error: unknown) => this.callbackThrew(error));
    } catch (error) {
      this.callbackThrew(error);
    }
  }
}
