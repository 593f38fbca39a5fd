// A provider with a second place for big texts, as pages have one in WebCrypto: the test says when each piece of work there is done.

import { createHash } from "node:crypto";
import type { CryptoProvider } from "../../../src/core/runtime.js";
import { nodeProvider } from "../../crypto/providers.js";
import type { WireOptions } from "../../sim/memory-link.js";
import { ChannelLab, newContext } from "./support.js";

/** A piece of work that was begun there. */
export interface Work {
  readonly kind: "seal" | "open";
  readonly nonce: number;
  readonly bytes: number;
  /** Answers as WebCrypto does: the bytes, or a rejection when the tag does not fit. */
  settle(): void;
  /** Rejects though nothing is wrong. */
  refuse(): void;
}

export class LaterCrypto {
  readonly crypto: CryptoProvider;
  /** Work that was begun and has no answer, oldest first. */
  readonly open: Work[] = [];
  /** Counters under which two different texts were sealed. */
  readonly reused: string[] = [];
  /** How much was begun. */
  begun = 0;
  /** Whether the place takes work. */
  ready = true;
  /** Makes the next call throw, which a promise should have told. */
  throws = false;
  /** Told of all work; it may answer at once. */
  onWork: (work: Work) => void = () => undefined;
  /** Keys that were made. */
  keys = 0;

  /** @param fromBytes - shorter texts are not for that place */
  constructor(fromBytes = 1000) {
    this.crypto = Object.create(nodeProvider) as CryptoProvider;
    this.crypto.aead = (name, raw) => {
      const own = nodeProvider.aead(name, raw);
      const number = this.keys++;
      const sealed = new Map<number | bigint, string>();
      const note = (nonce: number | bigint, text: Uint8Array): void => {
        const digest = createHash("sha256").update(text).digest("hex");
        if ((sealed.get(nonce) ?? digest) !== digest) this.reused.push(`key ${number}, counter ${nonce}`);
        sealed.set(nonce, digest);
      };
      return {
        seal: (nonce, associatedData, text) => {
          note(nonce, text);
          return own.seal(nonce, associatedData, text);
        },
        open: (nonce, associatedData, text) => own.open(nonce, associatedData, text),
        later: (length) => {
          if (!this.ready || length < fromBytes) return null;
          return (work, nonce, associatedData, text) => {
            if (work === "seal") note(nonce, text);
            // A copy, as WebCrypto makes it before it returns.
            const copy = new Uint8Array(text);
            return this.#begin(work, nonce, text.length, () => own[work](nonce, associatedData, copy));
          };
        },
      };
    };
  }

  #begin(kind: "seal" | "open", nonce: number, bytes: number, result: () => Uint8Array): Promise<Uint8Array> {
    if (this.throws) throw new RangeError("out of memory");
    this.begun++;
    return new Promise((resolve, reject) => {
      const answer = (how: () => void) => () => {
        this.open.splice(this.open.indexOf(work), 1);
        how();
      };
      const work: Work = {
        kind,
        nonce,
        bytes,
        settle: answer(() => {
          try {
            resolve(result());
          } catch (error) {
            reject(error);
          }
        }),
        refuse: answer(() => reject(new Error("OperationError"))),
      };
      this.open.push(work);
      this.onWork(work);
    });
  }
}

/** A channel whose ends have such a place each. */
export class LaterLab extends ChannelLab {
  readonly atAlice = new LaterCrypto();
  readonly atBob = new LaterCrypto();

  constructor(options: WireOptions = {}) {
    super(options);
    this.alice = newContext(this.clock, 1, this.atAlice.crypto);
    this.bob = newContext(this.clock, 2, this.atBob.crypto);
  }
}

/** A frame with its first bit flipped. */
export function flip(frame: Uint8Array): Uint8Array {
  const altered = frame.slice();
  altered[0] = (altered[0] as number) ^ 128;
  return altered;
}

/** What can be compared in place of many bytes. */
export function digests(records: readonly Uint8Array[]): string[] {
  return records.map((bytes) => `${bytes.length}:${createHash("sha256").update(bytes).digest("base64")}`);
}
