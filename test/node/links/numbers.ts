// Numbered messages: one end sends 0, 1, 2 and so on as fast as the queue takes them, the other sees that each comes once and in order.

import type { Message, NetworkManager, PeerId } from "linknet";

/** Messages queued in one turn of the event loop; between turns, what arrives is handled. */
const BURST = 500;
/** Faults that are kept as text; the others are only counted. */
const MAX_TOLD = 10;

/** What every `bigEvery`th message carries beside its number. */
export interface BigMessages {
  readonly bigEvery: number;
  readonly bigBytes: number;
}

type Numbered = number | { readonly n: number; readonly bytes: Uint8Array };

export interface Sending {
  /** How many have been queued, those before `from` included. */
  readonly sent: number;
  /** How often the queue was full. */
  readonly refusals: number;
  /** Queues no more. */
  halt(): void;
  /** Settles when all are queued, or after `halt`. @throws NetworkError when the session ends before */
  readonly done: Promise<void>;
}

/**
 * Sends numbered messages, and waits for `drain` whenever the queue is full.
 * @param count - the first number that is not sent
 * @param from - the first number
 */
export function sendNumbers(
  net: NetworkManager,
  peerId: PeerId,
  count: number,
  big: BigMessages | null = null,
  from = 0,
): Sending {
  const state = { sent: from, refusals: 0, halted: false };
  const run = async (): Promise<void> => {
    while (state.sent < count && !state.halted) {
      const end = Math.min(count, state.sent + BURST);
      while (state.sent < end && net.sendMessage(peerId, { type: "number", payload: payloadOf(state.sent, big) })) state.sent++;
      if (state.sent < end) {
        state.refusals++;
        await net.ready(peerId);
      } else {
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  };
  return {
    get sent() {
      return state.sent;
    },
    get refusals() {
      return state.refusals;
    },
    halt: () => {
      state.halted = true;
    },
    done: run(),
  };
}

function payloadOf(n: number, big: BigMessages | null): Numbered {
  if (!big || n % big.bigEvery !== big.bigEvery - 1) return n;
  return { n, bytes: new Uint8Array(big.bigBytes).fill(n) };
}

/** Counts the numbered messages of one sender. */
export class NumberCheck {
  readonly #waiting = new Set<{ readonly count: number; readonly resolve: () => void }>();
  /** The number that comes next; as long as there are no faults, how many have come. */
  next = 0;
  faults = 0;
  /** The first faults, in words. */
  readonly told: string[] = [];
  #lastAt = Number.NaN;
  /** Longest time between two messages, in ms. */
  longestGapMs = 0;

  /** Takes one message; those of another type are none of ours. */
  take(message: Message): void {
    if (message.type !== "number") return;
    const now = performance.now();
    if (now - this.#lastAt > this.longestGapMs) this.longestGapMs = now - this.#lastAt;
    this.#lastAt = now;
    const payload = message.payload as Numbered;
    const n = typeof payload === "number" ? payload : payload.n;
    if (typeof payload !== "number" && payload.bytes.some((byte) => byte !== (n & 0xff))) this.#fault(`${n} is damaged`);
    if (n === this.next) this.next++;
    else {
      this.#fault(n < this.next ? `${n} came again where ${this.next} was due` : `${n} came where ${this.next} was due`);
      this.next = Math.max(this.next, n + 1);
    }
    for (const waiter of this.#waiting) {
      if (this.next < waiter.count) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  /** Resolves when the first `count` numbers have come. */
  reached(count: number): Promise<void> {
    if (this.next >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ count, resolve }));
  }

  #fault(text: string): void {
    this.faults++;
    if (this.told.length < MAX_TOLD) this.told.push(text);
  }
}
