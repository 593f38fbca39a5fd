// How many connections each source has and how fast it makes new ones. Memory is bounded by the connections that exist.

import { sourceKey } from "../core/path/ip-address.js";
import { TokenBucket } from "./token-bucket.js";

interface Source {
  open: number;
  readonly bucket: TokenBucket;
}

/** Rates and counts by source address. */
export class SourceLimiter {
  readonly #sources = new Map<string, Source>();
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #maxSources: number;

  /**
   * @param perSecond - what one source may do per second
   * @param burst - and at once
   * @param maxSources - sources to remember; beyond them the oldest quiet one is forgotten
   */
  constructor(perSecond: number, burst: number, maxSources: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#maxSources = maxSources;
  }

  /** Sources that are remembered. */
  get size(): number {
    return this.#sources.size;
  }

  /** @returns whether this source may do one thing more now */
  allow(address: string | undefined, now: number): boolean {
    return this.#source(address, now).bucket.tryTake(now);
  }

  /** Counts a connection of this source. @returns how many it has now, this one included */
  open(address: string | undefined, now: number): number {
    const source = this.#source(address, now);
    source.open += 1;
    return source.open;
  }

  /** Connections of this source. */
  count(address: string | undefined): number {
    return this.#sources.get(sourceKey(address))?.open ?? 0;
  }

  /** A connection that was counted ended. */
  close(address: string | undefined): void {
    const source = this.#sources.get(sourceKey(address));
    if (source && source.open > 0) source.open -= 1;
  }

  /** Forgets sources that have nothing open and have been quiet. */
  sweep(now: number): void {
    for (const [key, source] of this.#sources) if (source.open === 0 && source.bucket.isFull(now)) this.#sources.delete(key);
  }

  #source(address: string | undefined, now: number): Source {
    const key = sourceKey(address);
    const known = this.#sources.get(key);
    if (known) return known;
    if (this.#sources.size >= this.#maxSources) this.#forgetOne();
    const source = { open: 0, bucket: new TokenBucket(this.#perSecond, this.#burst, now) };
    this.#sources.set(key, source);
    return source;
  }

  /** Looks at a few of the oldest only: a flood from many addresses must not make each packet dear. */
  #forgetOne(): void {
    let looked = 0;
    for (const [key, source] of this.#sources) {
      if (source.open === 0) {
        this.#sources.delete(key);
        return;
      }
      if (++looked >= 16) return;
    }
  }
}
