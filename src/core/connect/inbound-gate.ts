// Who may begin a handshake with us, and when: bounds on links that have proven nothing yet.

import type { Clock, Millis, Timer } from "../runtime.js";

/** What a source may do before it has proven a key. */
interface Source {
  tokens: number;
  updatedAt: Millis;
  /** Handshakes under way. */
  running: number;
}

/** Handshakes that one source may have under way, or fail, before it has to wait. */
const BURST = 20;
/** Sources that are remembered; the ones that have gone longest without a sign are forgotten first. */
const MAX_SOURCES = 4096;

interface Waiting {
  readonly source: string;
  start(): void;
  refuse(): void;
}

/**
 * A token bucket per source address. A token is taken by a handshake and given back when it proves a key: honest peers never
 * run out, however many come from one address, and somebody who never proves anything is slowed down.
 */
export class InboundGate {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #perSecond: number;
  readonly #sources = new Map<string, Source>();
  #running = 0;
  #waiting: Waiting[] = [];
  #timer: Timer | null = null;

  constructor(clock: Clock, maxUnproven: number, perSecond: number) {
    this.#clock = clock;
    this.#max = maxUnproven;
    this.#perSecond = perSecond;
  }

  /** Unproven links, waiting ones included. */
  get unproven(): number {
    return this.#running + this.#waiting.length;
  }

  /**
   * Calls `start` now, or as soon as the source has a token again.
   * @param refuse - called instead of `start` when somebody else needs the place more
   * @returns how to leave the gate, with whether a key was proven; `null` when there is no room: refuse the link
   */
  enter(source: string, start: () => void, refuse: () => void): ((proven: boolean) => void) | null {
    if (this.unproven >= this.#max && !this.#makeRoom(source)) return null;
    let stage: "waiting" | "running" | "left" = "waiting";
    const waiting: Waiting = {
      source,
      refuse: () => {
        stage = "left";
        refuse();
      },
      start: () => {
        stage = "running";
        this.#running++;
        start();
      },
    };
    this.#waiting.push(waiting);
    const leave = (proven: boolean): void => {
      if (stage === "left") return;
      if (stage === "waiting") this.#waiting = this.#waiting.filter((other) => other !== waiting);
      else {
        this.#running--;
        this.#left(source, proven);
      }
      stage = "left";
      this.#admit();
    };
    this.#admit();
    return leave;
  }

  // One source must not keep all others out: the one with the most links in line gives its last place to a source with fewer.
  #makeRoom(source: string): boolean {
    const lengths = new Map<string, number>();
    for (const waiting of this.#waiting) lengths.set(waiting.source, (lengths.get(waiting.source) ?? 0) + 1);
    const [greediest, longest] = [...lengths].sort((a, b) => b[1] - a[1])[0] ?? [source, 0];
    if (longest <= (lengths.get(source) ?? 0) + 1) return false;
    const last = this.#waiting.map((waiting) => waiting.source).lastIndexOf(greediest);
    this.#waiting.splice(last, 1)[0]?.refuse();
    return true;
  }

  #left(name: string, proven: boolean): void {
    const source = this.#sources.get(name);
    if (!source) return;
    source.running--;
    if (proven) source.tokens = Math.min(BURST, source.tokens + 1);
  }

  #admit(): void {
    const kept: Waiting[] = [];
    const admitted: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (this.#take(waiting.source)) admitted.push(waiting);
      else kept.push(waiting);
    }
    this.#waiting = kept;
    for (const waiting of admitted) waiting.start();
    if (this.#waiting.length === 0 || this.#timer) return;
    this.#timer = this.#clock.after(1000 / this.#perSecond, () => {
      this.#timer = null;
      this.#admit();
    });
  }

  #take(name: string): boolean {
    const now = this.#clock.now();
    let source = this.#sources.get(name);
    if (!source) {
      this.#forget();
      source = { tokens: BURST, updatedAt: now, running: 0 };
      this.#sources.set(name, source);
    }
    source.tokens = Math.min(BURST, source.tokens + ((now - source.updatedAt) / 1000) * this.#perSecond);
    source.updatedAt = now;
    if (source.tokens < 1) return false;
    source.tokens -= 1;
    source.running++;
    return true;
  }

  #forget(): void {
    if (this.#sources.size < MAX_SOURCES) return;
    for (const [name, source] of this.#sources) {
      if (source.running === 0) {
        this.#sources.delete(name);
        return;
      }
    }
  }
}
