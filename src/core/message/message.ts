// The messages of an application, on the way out and on the way in.

/** A message to send, as `text()` and the makers of `defineMessage()` build it. Plain objects with `type` and `payload` do as well. */
export interface OutgoingMessage<Payload = unknown> {
  /** What kind of message it is: 1 to 255 bytes of UTF-8, such as `"chat.text"`. */
  readonly type: string;
  /** `null`, booleans, finite or non-finite numbers, strings, `Uint8Array`, arrays and plain objects of these; `undefined` members are left out. */
  readonly payload: Payload;
  /** 32 hexadecimal digits (16 bytes). Drawn at random where it is missing. */
  readonly id?: string;
}

/** A message that arrived. */
export interface Message<Payload = unknown> {
  readonly type: string;
  /**
   * What was sent. Where that was a `Uint8Array`, or another view, it is a `Uint8Array` over a part of what came from the network, without
   * a copy: `payload.slice()` gives one with memory of its own, for a transfer to a worker, a `Float32Array` over it, or for keeping a
   * few small ones out of many.
   */
  readonly payload: Payload;
  /** 32 hexadecimal digits (16 bytes), drawn by the sender. */
  readonly id: string;
  /** The proven PeerId of the sender; never taken from the wire. */
  readonly senderId: string;
  /** When it was sent by the sender's clock, in ms since 1970-01-01 UTC. */
  readonly timestamp: number;
}
