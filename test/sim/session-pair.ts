// Two peers, each with a session for the other, joined by as many wires as a test wants; everything that they are told is kept.

import { BufferPool } from "../../src/core/buffer-pool.js";
import { ByteWriter } from "../../src/core/bytes.js";
import type { NetworkError } from "../../src/core/errors.js";
import type { ConnectionStatus } from "../../src/core/events.js";
import type { Link } from "../../src/core/path/link.js";
import type { Millis } from "../../src/core/runtime.js";
import { EndedInstances } from "../../src/core/session/ended-instances.js";
import { PartialBudget } from "../../src/core/session/partial-budget.js";
import { PeerSession } from "../../src/core/session/peer-session.js";
import { LANE_BULK, LANE_CONTROL, LANE_INTERACTIVE, type Lane } from "../../src/core/session/record.js";
import type { SessionContext } from "../../src/core/session/session-context.js";
import type { ByteStream } from "../../src/core/stream/byte-stream.js";
import { MemoryWire, type WireOptions } from "./memory-link.js";
import { PlainChannel } from "./plain-channel.js";
import { SeededRandom } from "./seeded-random.js";
import { SimProcess } from "./sim-process.js";
import { VirtualClock } from "./virtual-clock.js";

/** The largest record: what a Noise message holds beside its tag (Noise §3). */
const MAX_RECORD_BYTES = 65_535 - 16;

/** A message as the tests send it: its number, and bytes that follow from the number. */
export function messageOf(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(4, length));
  for (let i = 4; i < bytes.length; i++) bytes[i] = number * 31 + i * 7;
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

export interface Received {
  readonly number: number;
  readonly length: number;
  /** Whether each byte is as it was sent. */
  readonly intact: boolean;
  readonly at: Millis;
}

function readMessage(bytes: Uint8Array, at: Millis): Received {
  const number = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
  let intact = true;
  for (let i = 4; i < bytes.length; i++) if (bytes[i] !== ((number * 31 + i * 7) & 255)) intact = false;
  return { number, length: bytes.length, intact, at };
}

export interface Sent {
  readonly number: number;
  readonly lane: Lane;
  readonly length: number;
  readonly id: string;
  /** Which life of the process sent it, counted from 0. */
  readonly life: number;
}

/** One peer, and what it was told. Messages of the bulk lane have odd first numbers: see {@link SimPeer.send}. */
export class SimPeer {
  readonly name: string;
  readonly #pair: SessionPair;
  readonly #options: Partial<SessionContext>;
  session: PeerSession;
  statuses: ConnectionStatus[] = ["connecting"];
  errors: (NetworkError | null)[] = [];
  readonly paths: string[] = [];
  readonly sent: Sent[] = [];
  /** What arrived, in order, over both lanes of the application. */
  readonly received: Received[] = [];
  readonly control: Received[] = [];
  readonly delivered: string[] = [];
  readonly failed: { readonly id: string; readonly error: NetworkError }[] = [];
  /** What the handler of messages gives back. */
  hold: (() => PromiseLike<void> | undefined) | null = null;
  /** Called with each status, as a callback of the application is. */
  onStatus: ((status: ConnectionStatus) => void) | null = null;
  /** Takes streams of the other side; `undefined`: they are refused. */
  onStream: ((stream: ByteStream) => boolean) | undefined;
  onMessage: (() => void) | null = null;
  onFailed: ((id: string) => void) | null = null;
  acknowledgements = 0;
  /** How often the process has died so far. */
  life = 0;
  /** The process that runs the session; it can be frozen. */
  process: SimProcess;

  constructor(name: string, pair: SessionPair, options: Partial<SessionContext>) {
    this.name = name;
    this.#pair = pair;
    this.#options = options;
    this.process = new SimProcess(pair.clock);
    this.session = this.#newSession();
  }

  get other(): SimPeer {
    return this.#pair.alice === this ? this.#pair.bob : this.#pair.alice;
  }

  /** Queues a message; its id says lane and number. */
  send(lane: Lane, length: number): string {
    const number = this.sent.length;
    const id = `${this.name}-${lane}-${number}`;
    this.sent.push({ number, lane, length: Math.max(4, length), id, life: this.life });
    if (lane === LANE_CONTROL) this.session.sendControl(messageOf(number, length));
    else this.session.sendMessage(messageOf(number, length), lane);
    return id;
  }

  /** What arrived here in one lane, as the other side numbered it. */
  receivedIn(lane: Lane): Received[] {
    if (lane === LANE_CONTROL) return this.control;
    const numbers = new Set(this.other.sent.filter((sent) => sent.lane === lane).map((sent) => sent.number));
    return this.received.filter((received) => numbers.has(received.number));
  }

  /** Forgets everything, as a process that was killed: its wires are cut by the caller. */
  restart(): void {
    this.life++;
    this.process = new SimProcess(this.#pair.clock);
    this.#renew();
  }

  /** The session that takes a new channel: another one where the last is over, as the table of peers does it. */
  ready(): PeerSession {
    if (this.session.status === "disconnected") this.#renew();
    return this.session;
  }

  /** The id of the message with this number. */
  idOf(number: number): string {
    return this.sent.find((sent) => sent.number === number)?.id ?? `m${number}`;
  }

  #renew(): void {
    this.session = this.#newSession();
    this.statuses = ["connecting"];
    this.errors = [];
  }

  #newSession(): PeerSession {
    // A killed process hears nothing more.
    const { life } = this;
    const ifAlive =
      <Args extends unknown[]>(tell: (...args: Args) => void) =>
      (...args: Args): void => {
        if (life === this.life) tell(...args);
      };
    const session: PeerSession = new PeerSession(
      this.name === "alice" ? "bob" : "alice",
      {
        clock: this.process.clock,
        random: this.#pair.random,
        ownId: this.name,
        ownName: this.name,
        resumeWindowMs: 60_000,
        receiveBufferBytes: 4 * 1024 * 1024,
        maxMessageBytes: 16 * 1024 * 1024,
        recordWriter: new ByteWriter(MAX_RECORD_BYTES),
        buffers: new BufferPool(1024, 4),
        idAt: (bytes, at) => this.idOf(new DataView(bytes.buffer).getUint32(bytes.byteOffset + at)),
        ended: new EndedInstances(this.#pair.clock),
        partials: new PartialBudget(Number.POSITIVE_INFINITY),
        ...this.#options,
      },
      { bytes: 0 },
      {
        status: ifAlive((status, error) => {
          if (session !== this.session) return;
          this.statuses.push(status);
          this.errors.push(error);
          this.onStatus?.(status);
        }),
        path: ifAlive((path) => {
          this.paths.push(path);
        }),
        message: (bytes) => {
          if (life !== this.life) return;
          this.received.push(readMessage(bytes, this.#pair.clock.now()));
          this.onMessage?.();
          return this.hold?.();
        },
        control: ifAlive((bytes) => {
          this.control.push(readMessage(bytes, this.#pair.clock.now()));
        }),
        hearsDelivered: () => true,
        delivered: ifAlive((id) => {
          this.delivered.push(id);
        }),
        failed: ifAlive((id, error) => {
          this.failed.push({ id, error });
          this.onFailed?.(id);
        }),
        restarted: () => undefined,
        stream: (stream) => this.onStream?.(stream) ?? false,
        acknowledged: ifAlive(() => {
          this.acknowledgements++;
        }),
      },
    );
    return session;
  }
}

export interface LinkPlan extends WireOptions {
  readonly from?: "alice" | "bob";
  readonly rank?: number;
  /** How much later the accepting side has proven the channel. Default: the delay of the wire. */
  readonly acceptAfterMs?: Millis;
}

/** Alice has the smaller PeerId. */
export class SessionPair {
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly alice: SimPeer;
  readonly bob: SimPeer;

  constructor(options: Partial<SessionContext> = {}, seed = 1) {
    this.random = new SeededRandom(seed);
    this.alice = new SimPeer("alice", this, options);
    this.bob = new SimPeer("bob", this, options);
  }

  /** Opens a wire between the two, with a proven channel at each end. */
  link(plan: LinkPlan = {}): MemoryWire {
    const wire = new MemoryWire(this.clock, plan);
    const [dialler, accepter] = plan.from === "bob" ? [this.bob, this.alice] : [this.alice, this.bob];
    const rank = plan.rank ?? 20;
    const join = (peer: SimPeer, end: Link, initiator: boolean): void => {
      const { process } = peer;
      process.arrive(() => new PlainChannel(process.link(end), initiator).join(peer.ready(), rank));
    };
    this.clock.after(plan.acceptAfterMs ?? plan.delayMs ?? 1, () => join(accepter, wire.accepting, false));
    join(dialler, wire.dialling, true);
    return wire;
  }

  /** Opens a wire and waits for both to be connected. */
  connect(plan: LinkPlan = {}): MemoryWire {
    const wire = this.link(plan);
    this.run(20 + 10 * (plan.delayMs ?? 1));
    return wire;
  }

  run(ms: Millis): void {
    this.clock.advance(ms);
  }
}

export { LANE_BULK, LANE_CONTROL, LANE_INTERACTIVE };
