// Which conversation a session is in: two instances name it, one drawn by each side. PROTOCOL.md, "Resume or start over".

import { equalBytes } from "../bytes.js";
import type { Random } from "../runtime.js";
import { type Hello, INSTANCE_BYTES, UNKNOWN_INSTANCE } from "./record.js";

/** Conversations that an instance of ours has left, at most: behind them a new one is drawn. */
const MAX_LEFT = 16;

/** What a hello means: the conversation goes on, a new one begins, or it is of one that was left for good. */
export type Meeting = "continues" | "new" | "stale";

export class InstancePair {
  readonly #random: Random;
  #own: Uint8Array;
  #remote: Uint8Array = UNKNOWN_INSTANCE;
  /** With whom our present instance had a conversation that is over: its bytes are forgotten here, but maybe not there. */
  #left: Uint8Array[] = [];

  constructor(random: Random) {
    this.#random = random;
    this.#own = random.bytes(INSTANCE_BYTES);
  }

  get own(): Uint8Array {
    return this.#own;
  }

  /** Zeros as long as the other side has said nothing. */
  get remote(): Uint8Array {
    return this.#remote;
  }

  /** Whether the other side speaks to us as we are now: what it has received is what we have sent. */
  isKnown(hello: Hello): boolean {
    return equalBytes(hello.known, this.#own);
  }

  /** @param weDialled - we have told our instance on this link */
  meet(hello: Hello, weDialled: boolean): Meeting {
    // The same two instances on both sides are one conversation. A side that has not heard of us yet is as good: its
    // instance was drawn for this conversation, so it can have no other. And where we have sent nothing, nothing is lost.
    if (equalBytes(this.#remote, UNKNOWN_INSTANCE)) return "continues";
    const heardOfUs = this.isKnown(hello) || equalBytes(hello.known, UNKNOWN_INSTANCE);
    if (equalBytes(hello.instance, this.#remote) && heardOfUs) return "continues";
    return weDialled && this.#left.some((instance) => equalBytes(instance, hello.instance)) ? "stale" : "new";
  }

  /** A hello that is not stale was taken. */
  accept(hello: Hello): void {
    this.#remote = hello.instance;
  }

  /**
   * The conversation is over, and the next begins.
   * @param weDialled - our instance was told already on the link that brought the news: the pair is new all the same, as the
   *   other side's instance is
   */
  leave(weDialled: boolean): void {
    this.#left.push(this.#remote);
    if (weDialled && this.#left.length <= MAX_LEFT) return;
    this.#own = this.#random.bytes(INSTANCE_BYTES);
    this.#left = [];
  }
}
