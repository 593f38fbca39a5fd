// A wire between two links in memory, over virtual time: with delay and bandwidth, and it can be cut, frozen and tampered with.

import { EMPTY_BYTES } from "../../src/core/bytes.js";
import { NetworkError } from "../../src/core/errors.js";
import { type Datagrams, DEFAULT_IN_FLIGHT_BYTES, LinkBase, type LinkKind } from "../../src/core/path/link.js";
import type { Clock, Millis } from "../../src/core/runtime.js";

/** What becomes of a datagram: after how long each copy of it arrives. None: it is lost. `null`: it is dropped before it leaves. */
export type DatagramFate = (datagram: Uint8Array, index: number) => readonly Millis[] | null;

export interface WireOptions {
  readonly kind?: LinkKind;
  /** Kind as the accepting end has it, where a test wants the two to differ. */
  readonly acceptingKind?: LinkKind;
  readonly maxFrameBytes?: number;
  readonly inFlightBytes?: number;
  readonly delayMs?: Millis;
  /** Default: no limit. */
  readonly bytesPerMs?: number;
  readonly highWaterBytes?: number;
  /** Whether the wire has datagrams, and what becomes of them. Default: it has none. */
  readonly datagrams?: DatagramFate;
  /** Whether the accepting end has them, where a test wants the two to differ. Default: as `datagrams`. */
  readonly acceptingDatagrams?: DatagramFate | undefined;
  readonly binding?: Uint8Array;
  readonly acceptingBinding?: Uint8Array;
  /** As the accepting end sees the other one. */
  readonly source?: string;
}

/** Looks at a frame on its way; gives back what arrives instead: other frames, or none. */
export type Tap = (frame: Uint8Array, index: number) => readonly Uint8Array[];

/** One direction of a wire. */
class Lane {
  readonly #clock: Clock;
  readonly #delayMs: Millis;
  readonly #bytesPerMs: number;
  readonly #highWaterBytes: number;
  readonly frames: Uint8Array[] = [];
  readonly datagrams: Uint8Array[] = [];
  tap: Tap | null = null;
  #freeAt: Millis = 0;
  #waitingBytes = 0;
  #blocked = false;
  #frozen = false;
  #stalled = false;
  #late: (() => void)[] = [];
  cut = false;

  constructor(clock: Clock, options: WireOptions) {
    this.#clock = clock;
    this.#delayMs = options.delayMs ?? 1;
    this.#bytesPerMs = options.bytesPerMs ?? Number.POSITIVE_INFINITY;
    this.#highWaterBytes = options.highWaterBytes ?? 256 * 1024;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  send(frame: Uint8Array, arrive: (frame: Uint8Array) => void, drained: () => void): boolean {
    const index = this.frames.length;
    this.frames.push(frame);
    const now = this.#clock.now();
    this.#freeAt = Math.max(now, this.#freeAt) + frame.length / this.#bytesPerMs;
    this.#waitingBytes += frame.length;
    const departed = (): void => {
      this.#waitingBytes -= frame.length;
      if (this.#blocked && this.#waitingBytes <= this.#highWaterBytes / 2) {
        this.#blocked = false;
        drained();
      }
    };
    const arrivals = this.tap ? this.tap(frame, index) : [frame];
    this.#at(this.#freeAt, departed);
    for (const arrival of arrivals) this.#at(this.#freeAt + this.#delayMs, () => arrive(arrival));
    if (this.#waitingBytes > this.#highWaterBytes) this.#blocked = true;
    return !this.#blocked;
  }

  datagram(datagram: Uint8Array, fate: DatagramFate, arrive: (datagram: Uint8Array) => void): boolean {
    const arrivals = fate(datagram, this.datagrams.length);
    this.datagrams.push(datagram);
    for (const delayMs of arrivals ?? []) this.#at(this.#clock.now() + delayMs, () => arrive(datagram.slice()), true);
    return arrivals !== null;
  }

  /** Runs `event` behind all frames that were sent so far. */
  afterFrames(event: () => void): void {
    this.#at(Math.max(this.#clock.now(), this.#freeAt) + this.#delayMs, event);
  }

  freeze(): void {
    this.#frozen = true;
  }

  stall(): void {
    this.#stalled = true;
  }

  thaw(): void {
    this.#frozen = false;
    this.#stalled = false;
    const late = this.#late;
    this.#late = [];
    for (const event of late) this.#run(event);
  }

  #at(when: Millis, event: () => void, datagram = false): void {
    this.#clock.after(when - this.#clock.now(), () => this.#run(event, datagram));
  }

  #run(event: () => void, datagram = false): void {
    if (this.cut) return;
    if (this.#frozen || (this.#stalled && !datagram)) this.#late.push(event);
    else event();
  }
}

/** One end of a wire. */
export class MemoryLink extends LinkBase {
  readonly kind: LinkKind;
  readonly maxFrameBytes: number;
  override readonly binding: Uint8Array;
  override readonly inFlightBytes: number;
  readonly datagrams: Datagrams | undefined;
  readonly #out: Lane;
  #other: MemoryLink | null = null;

  constructor(
    kind: LinkKind,
    remoteAddress: string | null,
    binding: Uint8Array,
    fate: DatagramFate | undefined,
    options: WireOptions,
    out: Lane,
  ) {
    super(remoteAddress);
    this.kind = kind;
    this.binding = binding;
    this.maxFrameBytes = options.maxFrameBytes ?? 65_535;
    this.inFlightBytes = options.inFlightBytes ?? DEFAULT_IN_FLIGHT_BYTES;
    this.#out = out;
    this.datagrams = fate && {
      maxBytes: 1_100,
      send: (datagram) =>
        !this.ended && this.#out.datagram(datagram.slice(), fate, (arrived) => this.#other?.deliverDatagram(arrived)),
    };
  }

  plug(other: MemoryLink): void {
    this.#other = other;
  }

  override send(frame: Uint8Array): boolean {
    if (this.ended) return true;
    const other = this.#other;
    return this.#out.send(
      frame.slice(),
      (arrived) => other?.deliver(arrived),
      () => this.drained(),
    );
  }

  override close(): void {
    if (this.ended) return;
    this.#out.afterFrames(() => this.#other?.finish(null));
    this.finish(null);
  }

  /** For the wire: this end notices that it is dead. */
  die(error: NetworkError): void {
    this.finish(error);
  }
}

/** Both ends, and what can happen between them. */
export class MemoryWire {
  /** The end that dialled. */
  readonly dialling: MemoryLink;
  readonly accepting: MemoryLink;
  readonly #forth: Lane;
  readonly #back: Lane;
  readonly #clock: Clock;

  constructor(clock: Clock, options: WireOptions = {}) {
    const kind = options.kind ?? "tcp";
    const binding = options.binding ?? EMPTY_BYTES;
    this.#clock = clock;
    this.#forth = new Lane(clock, options);
    this.#back = new Lane(clock, options);
    this.dialling = new MemoryLink(kind, "192.0.2.1:1", binding, options.datagrams, options, this.#forth);
    this.accepting = new MemoryLink(
      options.acceptingKind ?? kind,
      options.source ?? "192.0.2.2:2",
      options.acceptingBinding ?? binding,
      "acceptingDatagrams" in options ? options.acceptingDatagrams : options.datagrams,
      options,
      this.#back,
    );
    this.dialling.plug(this.accepting);
    this.accepting.plug(this.dialling);
  }

  /** Frames that the dialling end has sent. */
  get forth(): readonly Uint8Array[] {
    return this.#forth.frames;
  }

  /** Frames that the accepting end has sent. */
  get back(): readonly Uint8Array[] {
    return this.#back.frames;
  }

  /** Datagrams that the dialling end has sent. */
  get datagramsForth(): readonly Uint8Array[] {
    return this.#forth.datagrams;
  }

  /** Datagrams that the accepting end has sent. */
  get datagramsBack(): readonly Uint8Array[] {
    return this.#back.datagrams;
  }

  /** Bytes that wait in the buffers of both ends. */
  get waitingBytes(): number {
    return this.#forth.waitingBytes + this.#back.waitingBytes;
  }

  tapForth(tap: Tap): void {
    this.#forth.tap = tap;
  }

  tapBack(tap: Tap): void {
    this.#back.tap = tap;
  }

  /** Kills the wire: what is under way is lost, and each end notices after its own time. */
  cut(noticeDiallingMs: Millis = 0, noticeAcceptingMs: Millis = 0): void {
    if (this.#forth.cut) return;
    this.#forth.cut = true;
    this.#back.cut = true;
    this.#clock.after(noticeDiallingMs, () => this.dialling.die(new NetworkError("ERR_CLOSED_ABORTED")));
    this.#clock.after(noticeAcceptingMs, () => this.accepting.die(new NetworkError("ERR_CLOSED_ABORTED")));
  }

  /** Nothing moves any more, and nobody is told. */
  freeze(direction: "both" | "forth" | "back" = "both"): void {
    if (direction !== "back") this.#forth.freeze();
    if (direction !== "forth") this.#back.freeze();
  }

  /** Frames do not move any more, as when one of them was lost; datagrams do. */
  stall(): void {
    this.#forth.stall();
    this.#back.stall();
  }

  thaw(): void {
    this.#forth.thaw();
    this.#back.thaw();
  }

  get ended(): boolean {
    return this.dialling.ended && this.accepting.ended;
  }
}
