// The outward half of a channel where some records are sealed elsewhere: in their order, with a pause when many wait.

import type { LaterRecord } from "../noise/later-record.js";
import type { Link } from "../path/link.js";
import { RecordPipeline } from "./record-pipeline.js";

/** Bytes that wait to be sealed before `send` returns `false`, and those left when `drain` comes. */
const HIGH_WATER_BYTES = 256 * 1024;
const LOW_WATER_BYTES = 128 * 1024;

export class RecordSender {
  readonly #pipeline: RecordPipeline;
  readonly #drain: () => void;
  /** Whether the link has asked for a pause. What waits here is sent all the same: it is little, and was accepted. */
  #linkFull = false;
  /** Whether somebody waits for `drain`. */
  #paused = false;

  /**
   * @param drain - there is room, after `send` has returned `false` or the link has drained
   * @param failed - a record could not be sealed, or the link threw
   */
  constructor(link: Link, drain: () => void, failed: (error: unknown) => void) {
    this.#drain = drain;
    this.#pipeline = new RecordPipeline((frame) => {
      if (link.send(frame)) this.#resume();
      else this.#linkFull = true;
    }, failed);
  }

  /** Whether records wait: what is sent now comes behind them. */
  get isBusy(): boolean {
    return this.#pipeline.bytes > 0;
  }

  /** @returns `false` when the link, or what waits here, wants a pause; the record was taken all the same */
  send(record: Uint8Array | LaterRecord): boolean {
    this.#pipeline.push(record);
    this.#paused = this.#linkFull || this.#pipeline.bytes >= HIGH_WATER_BYTES;
    return !this.#paused;
  }

  /** The link takes frames again. */
  linkDrained(): void {
    this.#linkFull = false;
    this.#paused = true;
    this.#resume();
  }

  /** Seals and sends everything that waits, now. */
  finish(): void {
    this.#pipeline.handOn(0);
  }

  /** Forgets everything that waits. */
  clear(): void {
    this.#pipeline.clear();
  }

  #resume(): void {
    if (!this.#paused || this.#linkFull || this.#pipeline.bytes > LOW_WATER_BYTES) return;
    this.#paused = false;
    this.#drain();
  }
}
