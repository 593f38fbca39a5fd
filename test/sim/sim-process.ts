// A process that can be frozen, as a laptop's lid, a debugger or SIGSTOP does it: time passes, and nothing of it runs.

import type { Datagrams, Link, LinkHandlers } from "../../src/core/path/link.js";
import type { Clock, Millis, Timer } from "../../src/core/runtime.js";

/**
 * What a process does first when it thaws. Both happen: it may have been stopped while it waited for its sockets, or anywhere else
 * in its loop.
 */
export type ThawOrder = "timers first" | "arrivals first";

/** The edges of one process: its clock, and the links as it sees them. While it is frozen, what reaches it there waits. */
export class SimProcess {
  /** Time as the process sees it: it goes on while the process is frozen, and timers that were due by then run late. */
  readonly clock: Clock;
  #frozen = false;
  #timers: (() => void)[] = [];
  #arrivals: (() => void)[] = [];

  constructor(clock: Clock) {
    const after = (delayMs: Millis, callback: () => void): Timer => {
      let cancelled = false;
      const due = (): void => {
        if (!cancelled) callback();
      };
      const timer = clock.after(delayMs, () => {
        if (this.#frozen) this.#timers.push(due);
        else due();
      });
      return {
        cancel: () => {
          // It may be due already, and wait for the process.
          cancelled = true;
          timer.cancel();
        },
      };
    };
    this.clock = {
      now: () => clock.now(),
      date: () => clock.date(),
      after,
      defer: (callback) => void after(0, callback),
    };
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  freeze(): void {
    this.#frozen = true;
  }

  /** Everything that waited happens now, in the order in which it was due. */
  thaw(order: ThawOrder = "timers first"): void {
    this.#frozen = false;
    const [timers, arrivals] = [this.#timers, this.#arrivals];
    this.#timers = [];
    this.#arrivals = [];
    const events = order === "timers first" ? [...timers, ...arrivals] : [...arrivals, ...timers];
    for (const event of events) event();
  }

  /** Something reaches the process from outside. */
  arrive(event: () => void): void {
    if (this.#frozen) this.#arrivals.push(event);
    else event();
  }

  /** A link as this process sees it. What it has sent is on its way, frozen or not: that is the system's part. */
  link(link: Link): Link {
    return new LinkOfProcess(link, this);
  }
}

class LinkOfProcess implements Link {
  readonly kind: string;
  readonly maxFrameBytes: number;
  readonly remoteAddress: string | null;
  readonly binding: Uint8Array;
  readonly inFlightBytes: number;
  readonly #link: Link;
  readonly #process: SimProcess;
  #over = false;

  constructor(link: Link, process: SimProcess) {
    this.#link = link;
    this.#process = process;
    this.kind = link.kind;
    this.maxFrameBytes = link.maxFrameBytes;
    this.remoteAddress = link.remoteAddress;
    this.binding = link.binding;
    this.inFlightBytes = link.inFlightBytes;
  }

  get datagrams(): Datagrams | undefined {
    return this.#link.datagrams;
  }

  attach(handlers: LinkHandlers): void {
    // Frames that waited while the process was frozen may be left when it closes the link: those it does not see any more.
    const arrive = (event: () => void): void => {
      this.#process.arrive(() => {
        if (!this.#over) event();
      });
    };
    this.#link.attach({
      frame: (frame) => arrive(() => handlers.frame(frame)),
      datagram: (bytes) => arrive(() => handlers.datagram?.(bytes)),
      drain: () => arrive(() => handlers.drain()),
      closed: (error) =>
        arrive(() => {
          this.#over = true;
          handlers.closed(error);
        }),
    });
  }

  send(frame: Uint8Array): boolean {
    return this.#link.send(frame);
  }

  close(): void {
    this.#link.close();
  }
}
