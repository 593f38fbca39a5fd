// A record that is sealed or opened elsewhere: by WebCrypto, which answers with promises only.

import { EMPTY_BYTES } from "../bytes.js";
import type { AeadKey, LaterAead } from "../runtime.js";

/** Bytes of a buffer that is used again; any Noise message fits. New memory would cost half as much as the cipher does. */
const BUFFER_BYTES = 64 * 1024;
/** A shorter text is copied into memory of its own: a buffer would be more than twice its size. */
const LEAST_BUFFERED_BYTES = BUFFER_BYTES / 2;
/** Most buffers that are kept for later. */
const MAX_SPARE = 4;

const spare: Uint8Array[] = [];

/**
 * One record under way. It keeps what it is made of, so that it can be had at any moment: who has to close a channel waits for nobody.
 *
 * Made here, it is the same text under the same counter as elsewhere, so the bytes are the same; and only one of the two goes on.
 */
export class LaterRecord {
  /** Bytes of what it is made of. */
  readonly length: number;
  /** The answer. A rejection says only that it was not made there; `take` tells what is wrong with it. */
  readonly done: Promise<Uint8Array>;
  readonly #makeHere: () => Uint8Array;
  readonly #input: Uint8Array;

  /** Begins. @throws whatever `later` throws */
  constructor(work: "seal" | "open", key: AeadKey, later: LaterAead, nonce: number, input: Uint8Array) {
    const { length } = input;
    this.length = length;
    this.#input =
      length < LEAST_BUFFERED_BYTES ? new Uint8Array(length) : (spare.pop() ?? new Uint8Array(BUFFER_BYTES)).subarray(0, length);
    this.#input.set(input);
    this.#makeHere = () => key[work](nonce, EMPTY_BYTES, this.#input);
    this.done = later(work, nonce, EMPTY_BYTES, this.#input);
  }

  /**
   * Gives it. Called once at most, as what it was made of is used for another one then.
   * @param answer - what came from elsewhere; without it, it is made here and at once
   * @throws NetworkError `ERR_CRYPTO_TAG` when it was altered on the way
   */
  take(answer: Uint8Array | null | undefined): Uint8Array {
    const record = answer ?? this.#makeHere();
    const { buffer } = this.#input;
    if (buffer.byteLength === BUFFER_BYTES && spare.length < MAX_SPARE) spare.push(new Uint8Array(buffer));
    return record;
  }
}
