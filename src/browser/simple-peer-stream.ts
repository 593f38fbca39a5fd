// What simple-peer needs of a Duplex stream. In the browser build it takes the place of `readable-stream`, whose buffering we do not
// use: a link sends by `send()` and reads by "data" events. That and the other stand-ins save a quarter of the bundle.

type Listener = (...values: never[]) => void;

/** The parts of Node's `stream.Duplex` that simple-peer 9.11 calls: events, `push` and `end`. Nothing is buffered. */
export class Duplex {
  readable = true;
  writable = true;
  readonly _readableState = { ended: false };
  readonly _writableState = { finished: false };
  readonly #listeners = new Map<string, Listener[]>();

  on(event: string, listener: Listener): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  once(event: string, listener: Listener): this {
    const first: Listener = (...values) => {
      this.removeListener(event, first);
      listener.apply(this, values);
    };
    return this.on(event, first);
  }

  removeListener(event: string, listener: Listener): this {
    const left = (this.#listeners.get(event) ?? []).filter((known) => known !== listener);
    this.#listeners.set(event, left);
    return this;
  }

  /** Calls the listeners of this moment, at once. Other than in Node, an "error" without a listener is dropped. */
  emit(event: string, ...values: unknown[]): boolean {
    const listeners = this.#listeners.get(event) ?? [];
    for (const listener of listeners) listener.apply(this, values as never[]);
    return listeners.length > 0;
  }

  /** Takes what the data channel brought; `null` is the end of it. */
  push(chunk: unknown): boolean {
    if (chunk !== null) this.emit("data", chunk);
    else if (!this._readableState.ended) {
      this._readableState.ended = true;
      this.emit("end");
    }
    return true;
  }

  /** Ends the writing side. Nothing is written by us, so it is finished already. */
  end(): this {
    if (!this._writableState.finished) {
      this._writableState.finished = true;
      queueMicrotask(() => this.emit("finish"));
    }
    return this;
  }
}
