// What was tried to reach a peer, and what came of it: the matter that `explain()` tells.

import type { NetworkError } from "../errors.js";
import type { LinkKind } from "../path/link.js";
import type { Clock, Millis } from "../runtime.js";

/** A step of an attempt, for people. */
export interface PathStep {
  /** In ms since the session began. */
  readonly atMs: Millis;
  readonly text: string;
}

/** One try to open a link. Times are in ms since the session began. */
export interface PathAttempt {
  readonly kind: LinkKind;
  /** `dial`: to an address; `offer`, `answer`: a link that both sides make together, and which part in it was ours. */
  readonly way: "dial" | "offer" | "answer";
  /** The URL that was dialled; `null` where there is none. */
  readonly target: string | null;
  readonly startedMs: Millis;
  /** `null` while it runs. */
  readonly endedMs: Millis | null;
  /** `abandoned`: something better was faster, or the session ended. */
  readonly outcome: "running" | "opened" | "failed" | "abandoned";
  /** Why it failed. */
  readonly error: NetworkError | null;
  readonly steps: readonly PathStep[];
}

/** One attempt, as whoever makes it sees it. */
export interface AttemptRecord {
  note(step: string): void;
  opened(): void;
  failed(error: NetworkError, abandoned: boolean): void;
}

/** Most attempts that are kept, and steps of each: the newest attempts, the first steps. */
const MAX_ATTEMPTS = 32;
const MAX_STEPS = 64;
const MAX_STEP_LENGTH = 200;

interface Mutable {
  attempt: PathAttempt;
  readonly steps: PathStep[];
}

export class PathHistory {
  readonly #clock: Clock;
  readonly #beganAt: Millis;
  readonly #attempts: Mutable[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganAt = clock.now();
  }

  /** The attempts of late, oldest first. */
  get attempts(): readonly PathAttempt[] {
    return this.#attempts.map(({ attempt, steps }) => ({ ...attempt, steps: [...steps] }));
  }

  begin(kind: LinkKind, way: PathAttempt["way"], target: string | null): AttemptRecord {
    const steps: PathStep[] = [];
    const entry: Mutable = {
      attempt: { kind, way, target, startedMs: this.#now(), endedMs: null, outcome: "running", error: null, steps },
      steps,
    };
    this.#attempts.push(entry);
    if (this.#attempts.length > MAX_ATTEMPTS) this.#attempts.shift();
    const end = (outcome: PathAttempt["outcome"], error: NetworkError | null): void => {
      if (entry.attempt.outcome === "running") entry.attempt = { ...entry.attempt, endedMs: this.#now(), outcome, error };
    };
    return {
      note: (step) => {
        if (steps.length < MAX_STEPS) steps.push({ atMs: this.#now(), text: step.slice(0, MAX_STEP_LENGTH) });
      },
      opened: () => end("opened", null),
      failed: (error, abandoned) => end(abandoned ? "abandoned" : "failed", error),
    };
  }

  #now(): Millis {
    return Math.round(this.#clock.now() - this.#beganAt);
  }
}
