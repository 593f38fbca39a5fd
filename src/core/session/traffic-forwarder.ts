// What the traffic of a session tells: the owner of the session hears most of it, its flusher the rest.

import type { NetworkError } from "../errors.js";
import type { SessionStream } from "../stream/byte-stream.js";
import type { Flusher } from "./flusher.js";
import type { SessionHandlers } from "./session-context.js";
import type { TrafficHandlers } from "./traffic-context.js";
import type { Usage } from "./usage.js";

/** A class and no closures: each session has one of these for as long as it lives. */
export class TrafficForwarder implements TrafficHandlers {
  readonly #owner: SessionHandlers;
  readonly #usage: Usage;
  readonly #flusher: Flusher;

  constructor(owner: SessionHandlers, usage: Usage, flusher: Flusher) {
    this.#owner = owner;
    this.#usage = usage;
    this.#flusher = flusher;
  }

  message(bytes: Uint8Array): void | PromiseLike<void> {
    this.#usage.received(bytes.length);
    return this.#owner.message(bytes);
  }

  control(bytes: Uint8Array): void {
    this.#owner.control(bytes);
  }

  stream(stream: SessionStream): boolean {
    return this.#owner.stream(stream);
  }

  hearsDelivered(): boolean {
    return this.#owner.hearsDelivered();
  }

  delivered(messageId: string): void {
    this.#owner.delivered(messageId);
  }

  failed(messageId: string, error: NetworkError): void {
    this.#owner.failed(messageId, error);
  }

  acknowledged(): void {
    this.#owner.acknowledged();
  }

  windowGrew(): void {
    this.#flusher.acknowledge();
  }

  wake(): void {
    this.#flusher.soon();
  }
}
