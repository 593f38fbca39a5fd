// A peer with a proven key that says what it likes.

import { ByteWriter } from "../../src/core/bytes.js";
import { type Hello, type RecordVisitor, readRecord, writeHello } from "../../src/core/session/record.js";
import { MemoryWire, type WireOptions } from "./memory-link.js";
import { PlainChannel } from "./plain-channel.js";
import type { SessionPair } from "./session-pair.js";

/** Somebody who has proven a key and says what it likes: dials Bob as "alice". */
export class EvilPeer {
  readonly wire: MemoryWire;
  dataBytes = 0;
  streamBytes = 0;
  pongs = 0;
  /** What Bob said in his hello. */
  hello: Hello | null = null;
  goodbyes: string[] = [];

  constructor(pair: SessionPair, options: WireOptions = {}) {
    this.wire = new MemoryWire(pair.clock, { highWaterBytes: 64 * 1024, ...options });
    new PlainChannel(this.wire.accepting, false).join(pair.bob.session, 20);
    const visitor: RecordVisitor = {
      hello: (hello) => {
        this.hello = hello;
      },
      data: (_lane, _offset, bytes) => {
        this.dataBytes += bytes.length;
      },
      ack: () => {},
      stream: (_id, _offset, bytes) => {
        this.streamBytes += bytes.length;
      },
      streamAck: () => undefined,
      ping: () => {},
      pong: () => {
        this.pongs++;
      },
      retire: () => {},
      goodbye: (reason) => this.goodbyes.push(reason),
    };
    this.wire.dialling.attach({ frame: (frame) => readRecord(frame, visitor), drain: () => {}, closed: () => {} });
  }

  say(write: (writer: ByteWriter) => void): void {
    const writer = new ByteWriter(65_519);
    write(writer);
    this.wire.dialling.send(writer.done());
  }

  greet(hello: Partial<Hello> = {}): void {
    const usual = {
      instance: new Uint8Array(16).fill(5),
      known: new Uint8Array(16),
      received: [0, 0, 0] as const,
      window: 1000,
      name: "",
    };
    this.say((writer) => writeHello(writer, { ...usual, ...hello }));
  }
}
