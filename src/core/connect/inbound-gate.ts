// Who may begin a handshake with us, and when: bounds on links that have proven nothing yet.

import { sourceKey } from "../path/ip-address.js";
import type { Link } from "../path/link.js";
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

/** One unproven link, in line or in its handshake. */
interface Place {
  readonly source: string;
  running: boolean;
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
  /** All unproven links, oldest first. */
  readonly #places = new Set<Place>();
  #timer: Timer | null = null;
  #closed = false;

  constructor(clock: Clock, maxUnproven: number, perSecond: number) {
    this.#clock = clock;
    this.#max = maxUnproven;
    this.#perSecond = perSecond;
  }

  /** Unproven links, waiting ones included. */
  get unproven(): number {
    return this.#places.size;
  }

  /**
   * Calls `start` now, or as soon as the source has a token again.
   * @param refuse - called when somebody else needs the place more: instead of `start`, or during the handshake
   * @returns how to leave the gate, with whether a key was proven; `null` when there is no room: refuse the link
   */
  enter(source: string, start: () => void, refuse: () => void): ((proven: boolean) => void) | null {
    if (this.#closed || (this.unproven >= this.#max && !this.#makeRoom(source))) return null;
    const place: Place = { source, running: false, start, refuse };
    this.#places.add(place);
    this.#admit();
    return (proven) => {
      this.#leave(place, proven);
      this.#admit();
    };
  }

  /** Refuses who waits, and everybody from now on. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
    for (const place of [...this.#places]) if (!place.running) this.#turnOut(place);
  }

  // One source must not keep all others out: the one with the most places gives one to a source with fewer. Whoever waits goes
  // before a handshake under way, the last to come first; of handshakes, the one that has taken longest.
  #makeRoom(source: string): boolean {
    const counts = new Map<string, number>();
    for (const place of this.#places) counts.set(place.source, (counts.get(place.source) ?? 0) + 1);
    const [greediest, most] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [source, 0];
    if (most <= (counts.get(source) ?? 0) + 1) return false;
    const theirs = [...this.#places].filter((place) => place.source === greediest);
    const victim = theirs.filter((place) => !place.running).at(-1) ?? theirs[0];
    if (victim) this.#turnOut(victim);
    return victim !== undefined;
  }

  #turnOut(place: Place): void {
    this.#leave(place, false);
    place.refuse();
  }

  #leave(place: Place, proven: boolean): void {
    if (!this.#places.delete(place) || !place.running) return;
    const source = this.#sources.get(place.source);
    if (!source) return;
    source.running--;
    if (proven) source.tokens = Math.min(BURST, source.tokens + 1);
  }

  #admit(): void {
    let someWait = false;
    for (const place of [...this.#places]) {
      // One that starts may end at once, and others with it.
      if (place.running || !this.#places.has(place)) continue;
      if (!this.#take(place.source)) {
        someWait = true;
        continue;
      }
      place.running = true;
      place.start();
    }
    if (!someWait || this.#timer || this.#closed) return;
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
    }
    // Back to the end of the line of those to be forgotten.
    this.#sources.delete(name);
    this.#sources.set(name, source);
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

/** Whom the limits on unproven links are counted for: the address without its port. */
export function sourceOf(link: Link): string {
  const host = /^(?:[a-z]+:\/\/)?(?:\[([^\]]+)\]|([^:/]+))(?::\d+)?/i.exec(link.remoteAddress ?? "");
  return host ? sourceKey(host[1] ?? host[2]) : link.kind;
}
