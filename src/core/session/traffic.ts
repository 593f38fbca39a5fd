// What passes between two sessions, whatever carries it: the lanes of both directions, acknowledgements and windows.

import { type ByteWriter, concatBytes } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import type { Millis } from "../runtime.js";
import { encodeStreamControl } from "../stream/stream-control.js";
import { StreamTable } from "../stream/stream-table.js";
import { BulkLimit } from "./bulk-limit.js";
import { LaneWaiters } from "./lane-waiters.js";
import { LateOutbox } from "./late-outbox.js";
import { envelopeAt, isNumbered, NUMBER_BYTES, NumberedInbox } from "./numbered.js";
import { ReceiveLane } from "./receive-lane.js";
import {
  ACK_BYTES,
  DATA_HEADER_BYTES,
  LANE_BULK,
  LANE_CONTROL,
  LANE_INTERACTIVE,
  LANES,
  type Lane,
  MAX_DATA_BYTES,
  STREAM_FORMAT,
  writeAck,
  writeData,
} from "./record.js";
import { type MessageVisitor, SendLane } from "./send-lane.js";
import type { SessionChannel } from "./session-link.js";
import type { HeldBytes, TrafficHandlers, TrafficLimits } from "./traffic-context.js";

/** Largest message between sessions: an SDP with many candidates fits. */
const MAX_CONTROL_BYTES = 64 * 1024;

/** Control messages that may wait when another is said about a stream; an honest session has a few. */
const MAX_CONTROL_PENDING_BYTES = 256 * 1024;

/** First byte of a message in the control lane: what it is about. Others are for later versions, and passed over. */
export const CONTROL_KINDS = { paths: 0, stream: 1 } as const;

/** Share of a record that bulk data keeps when the interactive lane could fill all of it: one in so many. */
const BULK_SHARE = 4;

/** An acknowledgement does not wait once one part in so many of what may be under way has arrived; each costs both sides a record. */
const ACK_SHARE = 8;
/** Bulk data is told sooner: how much of it may be under way follows from that, see {@link BulkLimit}. */
const ACK_AFTER_BULK_BYTES = 32 * 1024;

/** What a message that waits for the application counts in the window beside its bytes: many empty ones take memory, too. */
const HELD_OVERHEAD_BYTES = 128;

/** For the lane of what the sessions say to each other. */
const untold: MessageVisitor = () => undefined;

export class Traffic {
  readonly #limits: TrafficLimits;
  readonly #handlers: TrafficHandlers;
  readonly #peerId: PeerId;
  readonly #weAreSmaller: boolean;
  readonly #bulkLimit = new BulkLimit();
  readonly #send: readonly [SendLane, SendLane, SendLane];
  readonly #receive: readonly [ReceiveLane, ReceiveLane, ReceiveLane];
  readonly #ackDue: [boolean, boolean, boolean] = [false, false, false];
  readonly #held: HeldBytes;
  #unackedBytes = 0;
  #unackedBulkBytes = 0;
  readonly #waiters = new LaneWaiters();
  /** Why nothing passes any more; `null` as long as something does. */
  #over: NetworkError | null = null;
  #streamsFirst = false;
  // Most sessions need none of these: they are made for the first message or stream.
  #inbox: NumberedInbox | null = null;
  #late: LateOutbox | null = null;
  #streams: StreamTable | null = null;

  /** @param weAreSmaller - whether our PeerId comes before the other side's: streams that we open have even numbers then */
  constructor(peerId: PeerId, weAreSmaller: boolean, limits: TrafficLimits, held: HeldBytes, handlers: TrafficHandlers) {
    this.#peerId = peerId;
    this.#weAreSmaller = weAreSmaller;
    this.#limits = limits;
    this.#handlers = handlers;
    this.#held = held;
    const delivered: MessageVisitor = (bytes, at) => {
      if (!handlers.hearsDelivered()) return;
      const id = limits.idAt(bytes, envelopeAt(bytes, at));
      if (id !== null) handlers.delivered(id);
    };
    this.#send = [
      new SendLane(limits.buffers, untold),
      new SendLane(limits.buffers, delivered),
      new SendLane(limits.buffers, delivered),
    ];
    const message = (bytes: Uint8Array): void => this.#message(bytes);
    const longest = limits.maxMessageBytes + NUMBER_BYTES;
    this.#receive = [
      new ReceiveLane(MAX_CONTROL_BYTES, limits.receiveBufferBytes, (bytes) => this.#control(bytes), limits.partials),
      new ReceiveLane(longest, limits.receiveBufferBytes, message, limits.partials),
      new ReceiveLane(longest, limits.receiveBufferBytes, message, limits.partials),
    ];
  }

  /** Messages that may be dropped or replaced until they are sent. */
  get late(): LateOutbox {
    this.#late ??= new LateOutbox(this.#limits.clock, this.#send[LANE_INTERACTIVE], this.#handlers);
    return this.#late;
  }

  /** The streams of bytes beside the messages. */
  get streams(): StreamTable {
    if (this.#streams) return this.#streams;
    const streams = new StreamTable(this.#peerId, this.#weAreSmaller, {
      control: (control) => {
        // Much of it answers the other side: one that asks and asks and takes no answer is cut off.
        if (this.#send[LANE_CONTROL].pendingBytes > MAX_CONTROL_PENDING_BYTES)
          throw new NetworkError("ERR_LIMIT_QUEUE", "streams");
        this.pushControl(CONTROL_KINDS.stream, encodeStreamControl(control));
      },
      wake: () => this.#handlers.wake(),
      opened: (stream) => this.#handlers.stream(stream),
    });
    if (this.#over) streams.abandon(this.#over);
    this.#streams = streams;
    return streams;
  }

  #control(bytes: Uint8Array): void {
    const body = bytes.subarray(1);
    if (bytes[0] === CONTROL_KINDS.paths) this.#handlers.control(body);
    else if (bytes[0] === CONTROL_KINDS.stream) this.streams.receiveControl(body);
  }

  // ---- outwards --------------------------------------------------------------------------------------------------------

  /** Application bytes queued or unacknowledged. */
  get queuedBytes(): number {
    return this.#send[LANE_INTERACTIVE].pendingBytes + this.#send[LANE_BULK].pendingBytes + (this.#late?.bytes ?? 0);
  }

  /** Where a message of this lane is written to. */
  lane(lane: Lane): SendLane {
    return this.#send[lane];
  }

  /** Queues a message to the other session. */
  pushControl(kind: number, body: Uint8Array): void {
    this.#send[LANE_CONTROL].pushMessage(concatBytes(Uint8Array.of(kind), body));
    this.#handlers.wake();
  }

  /** A new link carries on from what the other side is known to have. */
  rewind(): void {
    for (const lane of this.#send) lane.rewind();
    // What was acknowledged on the link before may have died with it, while the other side still sends on one that lives.
    this.#ackDue.fill(true);
    this.#streams?.rewind();
    this.#bulkLimit.reset();
  }

  /** Calls back when everything that is queued in this lane by now has arrived, or never will. Returns how to stop waiting. */
  whenDelivered(lane: Lane, done: (error: NetworkError | null) => void): () => void {
    const send = this.#send[lane];
    if (send.pendingBytes > 0 && !this.#over) return this.#waiters.add(lane, send.end, done);
    done(send.pendingBytes > 0 ? this.#over : null);
    return () => undefined;
  }

  /** @throws NetworkError `ERR_FRAME_SEQUENCE` when it acknowledges what was never sent */
  acknowledge(lane: Lane, offset: number, window: number): void {
    // What was reported as failed is not reported as delivered after that.
    if (this.#over) return;
    const send = this.#send[lane];
    const before = send.acked;
    send.acknowledge(offset, window);
    if (send.acked === before) return;
    this.#bulkLimit.acknowledged(send.acked - before, this.#limits.clock.now());
    this.#waiters.arrived(lane, offset);
    if (lane !== LANE_CONTROL) this.#handlers.acknowledged();
  }

  /** Nothing more will arrive: who waits is told. @returns the ids of the messages whose fate is open, in order of sending per lane */
  abandon(error: NetworkError): string[] {
    this.#over = error;
    this.#waiters.abandon(error);
    this.#streams?.abandon(error);
    for (const lane of this.#receive) lane.drop();
    const ids: string[] = [];
    for (const lane of [LANE_INTERACTIVE, LANE_BULK] as const) {
      this.#send[lane].pending((bytes, at) => {
        const id = this.#limits.idAt(bytes, envelopeAt(bytes, at));
        if (id !== null) ids.push(id);
      });
    }
    for (const lane of this.#send) lane.release();
    return this.#late ? [...ids, ...this.#late.stop()] : ids;
  }

  /** Sends what may go by datagrams, ahead of all records; on a link without them it waits for a record. */
  sendDatagrams({ datagrams }: SessionChannel): void {
    const ack = this.#inbox?.takeAck();
    if (!datagrams || this.#over) return;
    if (ack) datagrams.send(ack);
    this.#late?.fly(datagrams);
  }

  /**
   * Fills a record with what is due: acknowledgements, then the lanes in their order.
   * @param inFlightLimit - bytes that may be unacknowledged on the link
   * @param rttMs - shortest round trip of the link; `null` until it was measured
   */
  fill(writer: ByteWriter, inFlightLimit: number, rttMs: Millis | null): void {
    const size = writer.room;
    this.#fillAcks(writer);
    this.#fillLane(writer, LANE_CONTROL, 0, inFlightLimit - this.inFlightBytes);
    if (this.#controlSent) this.#streams?.fillAcks(writer, STREAM_FORMAT);
    const bulkWaits = this.#send[LANE_BULK].sendableBytes > 0;
    this.#late?.fillLane(writer.room);
    const reserve = bulkWaits ? Math.floor(size / BULK_SHARE) : 0;
    this.#fillLane(writer, LANE_INTERACTIVE, reserve, inFlightLimit - this.inFlightBytes);
    // One record's worth stays free on the link, so that the others need not wait for bulk data to be acknowledged.
    const linkLimit = inFlightLimit - Math.min(size, Math.floor(inFlightLimit / BULK_SHARE));
    const bulkLimit = this.#bulkLimit.bytes(rttMs);
    const room = (): number => Math.min(linkLimit - this.inFlightBytes, bulkLimit - this.bulkInFlightBytes);
    // Streams and the bulk lane take turns to be first.
    if (this.#streamsFirst) this.#fillStreams(writer, room());
    this.#fillLane(writer, LANE_BULK, 0, room());
    if (!this.#streamsFirst) this.#fillStreams(writer, room());
    this.#streamsFirst = !this.#streamsFirst;
  }

  #fillStreams(writer: ByteWriter, inFlightRoom: number): void {
    if (this.#controlSent) this.#streams?.fillData(writer, STREAM_FORMAT, inFlightRoom);
  }

  // Streams never speak ahead of what was said about them: one is opened before its data comes, on every link.
  get #controlSent(): boolean {
    const control = this.#send[LANE_CONTROL];
    return control.cursor === control.end;
  }

  get inFlightBytes(): number {
    return this.#send[LANE_CONTROL].inFlightBytes + this.#send[LANE_INTERACTIVE].inFlightBytes + this.bulkInFlightBytes;
  }

  /** Bulk data on its way: of the lane and of streams, as in the sum above. */
  get bulkInFlightBytes(): number {
    return this.#send[LANE_BULK].inFlightBytes + (this.#streams?.inFlightBytes ?? 0);
  }

  #fillAcks(writer: ByteWriter): void {
    const window = this.window;
    for (const lane of LANES) {
      if (!this.#ackDue[lane] || writer.room < ACK_BYTES) continue;
      const receive = this.#receive[lane];
      writeAck(writer, lane, receive.received, window);
      receive.allow(receive.received + window);
      this.#ackDue[lane] = false;
    }
    this.#unackedBytes = 0;
    this.#unackedBulkBytes = 0;
  }

  #fillLane(writer: ByteWriter, lane: Lane, reserve: number, inFlightRoom: number): void {
    const send = this.#send[lane];
    const sendable = Math.min(send.sendableBytes, writer.room - reserve - DATA_HEADER_BYTES, MAX_DATA_BYTES);
    if (sendable <= 0) return;
    const length = Math.min(sendable, inFlightRoom);
    if (length <= 0) return;
    send.fill(writeData(writer, lane, send.cursor, length));
  }

  // ---- inwards ---------------------------------------------------------------------------------------------------------

  /**
   * What a hello says. `received`: per lane the offset of the first byte that has not arrived. `window`: what the other side may
   * send beyond that; it counts as promised from here on.
   */
  announce(): { readonly received: readonly [number, number, number]; readonly window: number } {
    const { window } = this;
    for (const lane of this.#receive) lane.allow(lane.received + window);
    const [control, interactive, bulk] = this.#receive;
    return { received: [control.received, interactive.received, bulk.received], window };
  }

  /** What the other side may send beyond what has arrived: room for what the application has not taken is kept back. */
  get window(): number {
    return Math.max(0, this.#limits.receiveBufferBytes - this.#held.bytes);
  }

  /**
   * Whether so much has arrived since the last acknowledgement that the other side may soon have to wait for one.
   * @param inFlightLimit - bytes that may be unacknowledged on the link
   */
  mustAcknowledge(inFlightLimit: number): boolean {
    if (this.#unackedBulkBytes >= ACK_AFTER_BULK_BYTES) return true;
    return ACK_SHARE * this.#unackedBytes >= Math.min(inFlightLimit, this.#limits.receiveBufferBytes);
  }

  get ackDue(): boolean {
    if (this.#ackDue[0] || this.#ackDue[1] || this.#ackDue[2]) return true;
    return (this.#streams?.ackDue ?? false) || (this.#inbox?.ackDue ?? false);
  }

  /** @throws NetworkError `ERR_FRAME_SEQUENCE`, `ERR_MESSAGE_TOO_LARGE`, `ERR_MESSAGE_MALFORMED` */
  accept(lane: Lane, offset: number, bytes: Uint8Array): void {
    this.#ackDue[lane] = true;
    this.#unackedBytes += bytes.length;
    if (lane === LANE_BULK) this.#unackedBulkBytes += bytes.length;
    this.#receive[lane].accept(offset, bytes);
  }

  /** @throws NetworkError `ERR_FRAME_MALFORMED`, `ERR_FRAME_SEQUENCE`, `ERR_MESSAGE_MALFORMED` */
  acceptDatagram(bytes: Uint8Array): void {
    if (!isNumbered(bytes)) this.late.acknowledge(bytes);
    // Where there is no room it is as good as lost: its sender waits for room in the lane.
    else if (bytes.length <= this.window) this.#message(bytes);
  }

  /** Bytes of a stream. @throws NetworkError `ERR_FRAME_SEQUENCE` */
  acceptStream(id: number, offset: number, bytes: Uint8Array): void {
    this.#unackedBulkBytes += bytes.length;
    this.streams.accept(id, offset, bytes);
  }

  /** Bytes of a stream have arrived at the other side. @throws NetworkError `ERR_FRAME_SEQUENCE` */
  acknowledgeStream(id: number, offset: number, window: number): void {
    const fresh = this.streams.acknowledge(id, offset, window);
    if (fresh > 0) this.#bulkLimit.acknowledged(fresh, this.#limits.clock.now());
  }

  #message(bytes: Uint8Array): void {
    // A handler of an earlier message in the same record may have ended the session.
    if (this.#over) return;
    let envelope: Uint8Array | null = bytes;
    if (isNumbered(bytes)) {
      this.#inbox ??= new NumberedInbox();
      envelope = this.#inbox.accept(bytes);
    }
    const held = envelope && this.#handlers.message(envelope);
    if (!held) return;
    const cost = bytes.length + HELD_OVERHEAD_BYTES;
    this.#held.bytes += cost;
    const release = (): void => {
      this.#held.bytes -= cost;
      this.#ackDue[LANE_INTERACTIVE] = true;
      this.#ackDue[LANE_BULK] = true;
      this.#handlers.windowGrew();
    };
    held.then(release, release);
  }
}
