// One direction of a channel where some records are sealed or opened elsewhere: what was begun first goes on first.

import { LaterRecord } from "../noise/later-record.js";

/** What a record costs beside its bytes. */
const SLOT_BYTES = 128;

/**
 * Most bytes that wait, with 128 for each record. Beyond it the first record is made here and at once, whoever else is at it. So what
 * waits is bounded without pressing a link back, which cannot be done: who floods us costs time, as on every link, and not memory.
 */
export const MAX_WAITING_BYTES = 512 * 1024;

/** A record in its place. */
interface Slot {
  readonly record: Uint8Array | LaterRecord;
  /** `undefined` as long as there is an answer to wait for; `null` when it was a refusal. */
  result: Uint8Array | null | undefined;
}

/** Keeps records in order. */
export class RecordPipeline {
  readonly #next: (record: Uint8Array) => void;
  readonly #failed: (error: unknown) => void;
  #slots: Slot[] = [];
  #bytes = 0;

  /**
   * @param next - is given each record when its turn comes
   * @param failed - told what `next` threw, or that a record whose turn it was had been altered; all behind it is forgotten
   */
  constructor(next: (record: Uint8Array) => void, failed: (error: unknown) => void) {
    this.#next = next;
    this.#failed = failed;
  }

  /** Bytes that wait, with 128 for each record; 0 when none does. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param record - one that is under way, or one that is there and comes behind those */
  push(record: Uint8Array | LaterRecord): void {
    const slot: Slot = { record, result: undefined };
    const answer = (result: Uint8Array | null): void => {
      slot.result = result;
      this.handOn();
    };
    this.#slots.push(slot);
    this.#bytes += record.length + SLOT_BYTES;
    if (record instanceof LaterRecord) {
      record.done.then(answer, () => answer(null));
      this.handOn();
    } else answer(record);
  }

  /**
   * Hands on what can be.
   * @param mostBytes - how much may go on waiting; 0: nothing
   */
  handOn(mostBytes = MAX_WAITING_BYTES): void {
    while (this.#bytes > mostBytes || this.#slots[0]?.result !== undefined) this.#first();
  }

  /** Forgets everything that waits. */
  clear(): void {
    this.#slots = [];
    this.#bytes = 0;
  }

  #first(): void {
    const { record, result } = this.#slots.shift() as Slot;
    this.#bytes -= record.length + SLOT_BYTES;
    try {
      this.#next(record instanceof LaterRecord ? record.take(result) : record);
    } catch (error) {
      this.clear();
      this.#failed(error);
    }
  }
}
