// Which of the latest numbers have come: for what may come in any order, twice, or never.

/** How far behind the highest number another one may come and still count. As many as RFC 6479 §3 takes. */
export const SEEN_NUMBERS = 1024;

/** A window over numbers from 0 to 2^48-1 that slides with the highest one. Each counts once; what is too far behind never does. */
export class SeenNumbers {
  /** Each number has one place, and stays there until a later one takes it: so nothing is shifted. */
  readonly #places: number[] = [];
  #highest = -1;

  /** Whether it has not come, and is not too old for that to be known. */
  isNew(number: number): boolean {
    return number > this.#highest - SEEN_NUMBERS && this.#places[number % SEEN_NUMBERS] !== number;
  }

  add(number: number): void {
    this.#places[number % SEEN_NUMBERS] = number;
    if (number > this.#highest) this.#highest = number;
  }
}
