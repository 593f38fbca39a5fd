// What was tried to reach a peer, what came of it, and which paths there were: the matter that `explain()` tells.

import { type ErrorCode, type NetworkError, toNetworkError } from "../errors.js";
import type { LinkKind } from "../path/link.js";
import type { Clock, Millis } from "../runtime.js";
import type { Attempt } from "./race.js";

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
  /** Why it failed, and in words. */
  readonly code: ErrorCode | null;
  readonly message: string | null;
  readonly steps: readonly PathStep[];
}

/** The data of a session went over to another path. */
export interface PathChange {
  /** In ms since the session began. */
  readonly atMs: Millis;
  /** `null`: the last link was lost. */
  readonly path: LinkKind | null;
  /** Where it leads; `null` where nobody knows. */
  readonly address: string | null;
}

/** One attempt, as whoever makes it sees it. */
export interface AttemptRecord {
  note(step: string): void;
  opened(): void;
  failed(error: NetworkError, abandoned: boolean): void;
}

/** Most attempts and changes that are kept, and steps of each attempt: the newest attempts and changes, the first steps. */
const MAX_KEPT = 32;
const MAX_STEPS = 64;
const MAX_TEXT_LENGTH = 200;

interface Mutable {
  attempt: PathAttempt;
  readonly steps: PathStep[];
}

export class PathHistory {
  readonly #clock: Clock;
  readonly #beganAt: Millis;
  readonly #attempts: Mutable[] = [];
  #changes: readonly PathChange[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganAt = clock.now();
  }

  /** The attempts of late, oldest first. */
  get attempts(): readonly PathAttempt[] {
    return this.#attempts.map(({ attempt, steps }) => ({ ...attempt, steps: [...steps] }));
  }

  /** The paths of late, oldest first. */
  get changes(): readonly PathChange[] {
    return this.#changes;
  }

  /** Ms since the session began. */
  get nowMs(): Millis {
    return Math.round(this.#clock.now() - this.#beganAt);
  }

  /** The session has another path now, or none. */
  moved(path: LinkKind | null, address: string | null): void {
    // An array that grows by pushing takes room for seventeen, and most sessions have one path.
    this.#changes = [...this.#changes, { atMs: this.nowMs, path, address }].slice(-MAX_KEPT);
  }

  /** The same attempt to dial, which is written down when it is made. */
  noted<T>(kind: LinkKind, url: string, attempt: Attempt<T>): Attempt<T> {
    return async (signal) => {
      const record = this.begin(kind, "dial", url);
      try {
        const result = await attempt(signal);
        record.opened();
        return result;
      } catch (error) {
        record.failed(toNetworkError(error, "ERR_DIAL_FAILED"), signal.aborted);
        throw error;
      }
    };
  }

  begin(kind: LinkKind, way: PathAttempt["way"], target: string | null): AttemptRecord {
    const steps: PathStep[] = [];
    const entry: Mutable = {
      attempt: { kind, way, target, startedMs: this.nowMs, endedMs: null, outcome: "running", code: null, message: null, steps },
      steps,
    };
    this.#attempts.push(entry);
    if (this.#attempts.length > MAX_KEPT) this.#attempts.shift();
    const end = (outcome: PathAttempt["outcome"], error: NetworkError | null): void => {
      if (entry.attempt.outcome !== "running") return;
      const message = error?.message.slice(0, MAX_TEXT_LENGTH) ?? null;
      entry.attempt = { ...entry.attempt, endedMs: this.nowMs, outcome, code: error?.code ?? null, message };
    };
    return {
      note: (step) => {
        if (steps.length < MAX_STEPS) steps.push({ atMs: this.nowMs, text: step.slice(0, MAX_TEXT_LENGTH) });
      },
      opened: () => end("opened", null),
      failed: (error, abandoned) => end(abandoned ? "abandoned" : "failed", error),
    };
  }
}
