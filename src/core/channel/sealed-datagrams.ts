// Datagrams of a channel: each sealed by itself, as it may be lost, come late, twice, or before others. PROTOCOL.md, "Datagrams".

import { ByteReader, ByteWriter, concatBytes, encodeUtf8 } from "../bytes.js";
import { MAX_NONCE, TAG_BYTES } from "../noise/cipher-state.js";
import type { Datagrams } from "../path/link.js";
import type { AeadKey } from "../runtime.js";
import { SeenNumbers } from "../seen-numbers.js";

const COUNTER_BYTES = 4;

/** What their keys are derived for. */
export const DATAGRAM_LABEL: Uint8Array = encodeUtf8("linknet datagram 1\0");

/** Both directions, with keys that seal nothing else: the counter goes in the clear, and is nonce and associated data. */
export class SealedDatagrams implements Datagrams {
  readonly maxBytes: number;
  readonly #link: Datagrams;
  readonly #sendKey: AeadKey;
  readonly #receiveKey: AeadKey;
  readonly #seen = new SeenNumbers();
  #next: number;

  /** @param next - first counter; anything but 0 is for tests */
  constructor(link: Datagrams, [sendKey, receiveKey]: readonly AeadKey[], next = 0) {
    this.maxBytes = link.maxBytes - COUNTER_BYTES - TAG_BYTES;
    this.#link = link;
    this.#sendKey = sendKey as AeadKey;
    this.#receiveKey = receiveKey as AeadKey;
    this.#next = next;
  }

  /** @returns `false` when it was dropped here: also when the key is used up, and there are no more datagrams */
  send(plaintext: Uint8Array): boolean {
    // Moved on before it is used, so that it is never used again, even if the cipher throws.
    const counter = this.#next++;
    if (counter >= MAX_NONCE) return false;
    const head = new ByteWriter(COUNTER_BYTES).u32(counter).done();
    try {
      return this.#link.send(concatBytes(head, this.#sendKey.seal(counter, head, plaintext)));
    } catch {
      // Whatever a cipher or a custom link throws, it was one datagram.
      return false;
    }
  }

  /** @returns the plaintext; `null` for one that was forged or altered, has come before, or comes too late */
  open(datagram: Uint8Array): Uint8Array | null {
    try {
      const reader = new ByteReader(datagram);
      const counter = reader.u32();
      if (counter >= MAX_NONCE || !this.#seen.isNew(counter)) return null;
      const plaintext = this.#receiveKey.open(counter, datagram.subarray(0, COUNTER_BYTES), reader.rest());
      // Only now: a forged one must not take the place of the real one.
      this.#seen.add(counter);
      return plaintext;
    } catch {
      // Anybody on the way may send one: it costs nothing but this look at it.
      return null;
    }
  }
}
