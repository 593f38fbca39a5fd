// PeerSession: the relationship with one peer. Links come and go below it; messages pass once and in order all the same.

import type { ByteWriter } from "../bytes.js";
import { NetworkError, toNetworkError } from "../errors.js";
import type { ConnectionStatus, PeerId } from "../events.js";
import type { LinkKind } from "../path/link.js";
import type { Millis } from "../runtime.js";
import type { ByteStream } from "../stream/byte-stream.js";
import { Flusher, type FlushSource } from "./flusher.js";
import { goodbyeError } from "./goodbye.js";
import { InstancePair } from "./instance-pair.js";
import type { Freshness } from "./late-queue.js";
import { LinkSet, type LinkSetHandlers } from "./link-set.js";
import { type Conversation, LinkVisitor } from "./link-visitor.js";
import {
  type GoodbyeReason,
  type Hello,
  LANE_BULK,
  LANE_INTERACTIVE,
  LANES,
  type Lane,
  MAX_HELLO_BYTES,
  type RecordVisitor,
  readRecord,
  writeGoodbye,
  writeHello,
} from "./record.js";
import type { SendLane } from "./send-lane.js";
import type { ChannelOwner, SessionContext, SessionHandlers } from "./session-context.js";
import { type SessionChannel, SessionLink } from "./session-link.js";
import type { SessionState } from "./session-state.js";
import { CONTROL_KINDS, Traffic } from "./traffic.js";
import type { HeldBytes } from "./traffic-context.js";
import { TrafficForwarder } from "./traffic-forwarder.js";
import { Usage } from "./usage.js";

/** What has arrived of a conversation that begins. */
const NOTHING: Hello["received"] = [0, 0, 0];

/** What links and the traffic bring about comes to methods and no closures: there may be thousands of these. */
export class PeerSession implements Conversation, FlushSource, LinkSetHandlers {
  readonly peerId: PeerId;
  readonly #context: SessionContext;
  readonly #held: HeldBytes;
  readonly #handlers: SessionHandlers;
  readonly #links: LinkSet;
  readonly #flusher: Flusher;
  #state: SessionState = { kind: "connecting" };
  readonly #instances: InstancePair;
  #remoteName = "";
  #traffic: Traffic;
  #lastPath: LinkKind | null = null;
  #linkCount = 0;
  readonly usage: Usage;

  constructor(peerId: PeerId, context: SessionContext, held: HeldBytes, handlers: SessionHandlers) {
    this.peerId = peerId;
    this.#context = context;
    this.#held = held;
    this.#handlers = handlers;
    this.#instances = new InstancePair(context.random);
    this.usage = new Usage(context.clock.now());
    this.#flusher = new Flusher(context.clock, context.recordWriter, this);
    this.#traffic = this.#freshTraffic();
    this.#links = new LinkSet(context.ownId < peerId, this);
  }

  get status(): ConnectionStatus {
    return this.#state.kind;
  }

  get remoteName(): string {
    return this.#remoteName;
  }

  get path(): LinkKind | null {
    return this.#links.active?.channel.link.kind ?? null;
  }

  /** Rank of the path in use; `Infinity` without one. */
  get pathRank(): number {
    return this.#links.active?.rank ?? Number.POSITIVE_INFINITY;
  }

  get remoteAddress(): string | null {
    return this.#links.active?.channel.link.remoteAddress ?? null;
  }

  get rttMs(): Millis | null {
    return this.#links.active?.rttMs ?? null;
  }

  /** The one in use; `null` without one. */
  get link(): SessionLink | null {
    return this.#links.active;
  }

  get links(): readonly SessionLink[] {
    return this.#links.all;
  }

  /** Another one when the other side begins anew. */
  get traffic(): Traffic {
    return this.#traffic;
  }

  /** Application bytes queued or unacknowledged. */
  get queuedBytes(): number {
    return this.#traffic.queuedBytes;
  }

  /**
   * Where a message of this lane is written to; {@link sent} is called when all of it is.
   * @throws NetworkError `ERR_CLOSED` when the session is over
   */
  lane(lane: Lane): SendLane {
    this.#checkOpen();
    return this.#traffic.lane(lane);
  }

  /** A message of so many bytes was queued: it leaves when this turn ends, or sooner with others. */
  sent(bytes: number): void {
    this.usage.sent(bytes);
    this.#flusher.queued();
  }

  /** Queues an encoded message. @throws NetworkError `ERR_CLOSED` when the session is over */
  sendMessage(bytes: Uint8Array, lane: Lane): void {
    this.lane(lane).pushMessage(bytes);
    this.sent(bytes.length);
  }

  /**
   * Queues an encoded message that may be dropped or replaced: it goes by datagram or in the interactive lane.
   * @throws NetworkError `ERR_CLOSED` when the session is over
   */
  sendLate(bytes: Uint8Array, messageId: string, freshness: Freshness): void {
    this.#checkOpen();
    this.#traffic.late.push(bytes, messageId, freshness);
    this.sent(bytes.length);
  }

  #checkOpen(): void {
    if (this.isOver) throw new NetworkError("ERR_CLOSED", undefined, { peerId: this.peerId });
  }

  /** Queues a message to the other session. */
  sendControl(bytes: Uint8Array): void {
    if (!this.isOver) this.#traffic.pushControl(CONTROL_KINDS.paths, bytes);
  }

  /** @throws NetworkError `ERR_OPTION_INVALID`, or why the session is over */
  openStream(name: string): ByteStream {
    return this.#traffic.streams.open(name);
  }

  /** Calls back when everything that is queued in this lane by now has arrived, or never will. Returns how to stop waiting. */
  whenDelivered(lane: Lane, done: (error: NetworkError | null) => void): () => void {
    return this.#traffic.whenDelivered(lane, done);
  }

  /** Calls back once when all messages that are queued by now have arrived, or never will. */
  whenFlushed(done: () => void): void {
    this.#traffic.late.commit();
    this.#flusher.soon();
    this.whenDelivered(LANE_INTERACTIVE, () => this.whenDelivered(LANE_BULK, done));
  }

  /** Measures one round trip on the path in use. */
  ping(done: (rttMs: Millis) => void): void {
    this.#links.active?.ping(done);
  }

  /**
   * Takes a channel over that has proven this session's peer.
   * @param rank - of its transport; lower is better
   */
  adopt(channel: SessionChannel, rank: number): ChannelOwner {
    const { clock } = this.#context;
    const link = new SessionLink(channel, rank, this.#linkCount++, clock, this);
    this.#links.add(link);
    const visitor = new LinkVisitor(link, clock, this);
    if (channel.initiator) this.#greet(link);
    return visitor;
  }

  /** Asks the path in use for a sign of life: it may have died unnoticed. */
  probe(): void {
    this.#links.probe();
  }

  /** Sends what the link takes at once, and ends the session behind it: there will be no later. */
  closeAtOnce(): void {
    this.#flusher.now();
    this.close("leaving", null);
  }

  /** Ends the session: tells the other side, closes the links, reports what was not acknowledged. */
  close(reason: GoodbyeReason, error: NetworkError | null): void {
    for (const link of this.#links.all) link.send((writer) => writeGoodbye(writer, reason));
    this.#context.ended.add(this.#instances.own);
    this.#end(error);
  }

  /** Asked where the application may have ended it meanwhile: the type of `#state` does not follow its callbacks. */
  get isOver(): boolean {
    return this.#state.kind === "disconnected";
  }

  #freshTraffic(): Traffic {
    const handlers = new TrafficForwarder(this.#handlers, this.usage, this.#flusher);
    return new Traffic(this.peerId, this.#context.ownId < this.peerId, this.#context, this.#held, handlers);
  }

  // ---- greeting and resuming -------------------------------------------------------------------------------------------

  #greet(link: SessionLink): void {
    const hello: Hello = {
      instance: this.#instances.own,
      known: this.#instances.remote,
      ...this.#traffic.announce(),
      name: this.#context.ownName,
    };
    const write = (writer: ByteWriter): void => writeHello(writer, hello);
    // The first one leaves with the last message of the handshake, the answer with whatever else there is to say by then.
    if (link.channel.initiator) link.send(write);
    else link.say(MAX_HELLO_BYTES, write);
  }

  hello(link: SessionLink, hello: Hello): void {
    if (link.stage !== "greeting") throw new NetworkError("ERR_FRAME_MALFORMED", "a second hello");
    if (this.#context.ended.has(hello.known)) {
      // A link that was under way when we ended that conversation: it must not begin a new one.
      link.send((writer) => writeGoodbye(writer, "done"));
      this.#links.drop(link, new NetworkError("ERR_CLOSED", undefined, { peerId: this.peerId }));
      return;
    }
    const meeting = this.#instances.meet(hello, link.channel.initiator);
    if (meeting === "stale") {
      // It would go on with what we have forgotten. The next link shows both sides where they are.
      this.#links.drop(link, new NetworkError("ERR_CLOSED_ABORTED", "of an earlier session", { peerId: this.peerId }));
      return;
    }
    const received = meeting === "continues" && this.#instances.isKnown(hello) ? hello.received : NOTHING;
    if (meeting === "new") this.#startOver(link);
    if (this.isOver) return;
    this.#instances.accept(hello);
    this.#remoteName = hello.name;
    for (const lane of LANES) this.#traffic.acknowledge(lane, received[lane] as number, hello.window);
    if (!link.channel.initiator) this.#greet(link);
    if (this.isOver) return;
    link.stage = "open";
    this.#links.opened(link);
  }

  // The other side has lost the conversation, or never had this one: it begins anew, and what was under way is reported.
  #startOver(link: SessionLink): void {
    const lost = this.#traffic;
    const hadPath = this.#links.active !== null;
    this.#links.clear(link);
    this.#instances.leave(link.channel.initiator);
    this.#traffic = this.#freshTraffic();
    this.#handlers.restarted();
    if (hadPath) this.linkless(null);
    this.#abandon(lost, new NetworkError("ERR_SESSION_LOST", undefined, { peerId: this.peerId }));
  }

  activated(link: SessionLink): void {
    this.#traffic.rewind();
    if (this.#state.kind === "reconnecting") this.#state.deadline.cancel();
    const wasConnected = this.#state.kind === "connected";
    this.#state = { kind: "connected" };
    const [path, previous] = [link.channel.link.kind, this.#lastPath];
    this.#lastPath = path;
    if (!wasConnected) this.#handlers.status("connected", null);
    if (path !== previous) this.#handlers.path(path, previous);
    this.#flusher.soon();
  }

  // ---- ending ----------------------------------------------------------------------------------------------------------

  linkless(error: NetworkError | null): void {
    if (this.#state.kind === "connecting") {
      this.#end(error ?? new NetworkError("ERR_CLOSED_ABORTED", undefined, { peerId: this.peerId }));
    } else if (this.#state.kind === "connected") {
      const deadline = this.#context.clock.after(this.#context.resumeWindowMs, () => {
        this.#end(new NetworkError("ERR_CLOSED_TIMEOUT", "no link within the resume window", { peerId: this.peerId }));
      });
      this.#state = { kind: "reconnecting", deadline };
      this.#lastPath = null;
      this.#handlers.status("reconnecting", error);
    }
  }

  #end(error: NetworkError | null): void {
    if (this.#state.kind === "disconnected") return;
    if (this.#state.kind === "reconnecting") this.#state.deadline.cancel();
    this.#state = { kind: "disconnected" };
    this.#flusher.stop();
    this.#links.clear();
    this.#abandon(this.#traffic, error ?? new NetworkError("ERR_CLOSED", undefined, { peerId: this.peerId }));
    this.#handlers.status("disconnected", error);
  }

  #abandon(traffic: Traffic, error: NetworkError): void {
    for (const id of traffic.abandon(error)) this.#handlers.failed(id, error);
  }

  goodbye(reason: GoodbyeReason): void {
    this.#context.ended.add(this.#instances.own);
    this.#end(goodbyeError(reason, this.peerId));
  }

  retired(link: SessionLink): void {
    this.#links.remoteRetired(link);
  }

  dropped(link: SessionLink, error: NetworkError | null): void {
    this.#links.drop(link, error);
  }

  // ---- records ---------------------------------------------------------------------------------------------------------

  wake(): void {
    this.#flusher.soon();
  }

  drained(link: SessionLink): void {
    link.writable = true;
    this.#flusher.now();
  }

  received(link: SessionLink, bytes: Uint8Array, visitor: RecordVisitor | null): void {
    const now = link.heard();
    try {
      if (visitor) readRecord(bytes, visitor);
      else this.#traffic.acceptDatagram(bytes);
    } catch (error) {
      // The peer has proven its key, so this is no stranger's noise: it breaks the protocol, and a new link would not mend it.
      this.close("protocol", toNetworkError(error, "ERR_FRAME_MALFORMED", { peerId: this.peerId }));
      return;
    }
    this.usage.heard(now);
    this.#flusher.acknowledge();
  }
}
