// What simple-peer needs of a Duplex stream. In the browser build it takes the place of `readable-stream`, whose buffering we do not
// use: a link sends by `send()` and reads by "data" events. That and the other stand-ins save a quarter of the bundle.

type Listener = (...values: never[]) => void;

/** The parts of Node's `stream.Duplex` that are left of simple-peer's use of it (scripts/lib/slim/simple-peer.mjs). */
export class Duplex {
  readonly #listeners = new Map<string, Listener[]>();

  on(event: string, listener: Listener): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  /** Calls the listeners of this moment, at once. Other than in Node, an "error" without a listener is dropped. */
  emit(event: string, ...values: unknown[]): void {
    for (const listener of this.#listeners.get(event) ?? []) listener.apply(this, values as never[]);
  }

  /** Takes what the data channel brought. */
  push(chunk: unknown): void {
    this.emit("data", chunk);
  }
}
