// What a peer can do with requests when it does not keep to the rules: floods, forged ids, flags without sense.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex } from "../../../src/core/bytes.js";
import type { Peer } from "../../../src/core/connect/peer-table.js";
import { NetworkError } from "../../../src/core/errors.js";
import {
  decodeCancel,
  decodeEnvelope,
  decodeRefusal,
  encodeCancel,
  encodeEnvelope,
  encodeRefusal,
  envelopeKindOf,
  isPlainMessage,
} from "../../../src/core/message/envelope.js";
import type { Message } from "../../../src/core/message/message.js";
import { Notifier } from "../../../src/core/notifier.js";
import { RequestExchange } from "../../../src/core/request/exchange.js";
import { RequestError } from "../../../src/core/request/request-error.js";
import { MAX_REQUESTS } from "../../../src/core/request/requests.js";
import { settled } from "../../sim/flush.js";
import { VirtualClock } from "../../sim/virtual-clock.js";
import { refusal } from "../refusal.js";
import { follow, gate } from "./request-pair.js";

const MAX_MESSAGE_BYTES = 1024 * 1024;
const SEND_QUEUE_BYTES = 64 * 1024;

/** The session of a peer that acknowledges only when the test says so. */
class FakePeer {
  told = true;
  blocked = false;
  readonly sent: { readonly bytes: Uint8Array; readonly lane: number }[] = [];
  readonly session = {
    status: "connected",
    queuedBytes: 0,
    sendMessage: (bytes: Uint8Array, lane: number): void => {
      this.sent.push({ bytes, lane });
      this.session.queuedBytes += bytes.length;
    },
  };

  /** The replies so far, as [id, code] or [id, payload]. */
  get replies(): [string, unknown][] {
    return this.sent.map(({ bytes }) => {
      if (envelopeKindOf(bytes) === "refusal") {
        const { id, code } = decodeRefusal(bytes);
        return [id, code];
      }
      const { id, payload } = decodeEnvelope(bytes, "us");
      return [id, payload];
    });
  }
}

class Bench {
  readonly clock = new VirtualClock();
  readonly notifier = new Notifier();
  readonly peers = new Map<string, FakePeer>();
  readonly errors: NetworkError[] = [];
  readonly exchange: RequestExchange;

  constructor() {
    const limits = { maxMessageBytes: MAX_MESSAGE_BYTES, sendQueueBytes: SEND_QUEUE_BYTES };
    this.exchange = new RequestExchange(limits, this.clock, this.notifier, (id) => this.peers.get(id) as unknown as Peer);
    this.notifier.onError = (error) => this.errors.push(error);
    for (const id of ["alice", "mallory"]) this.peers.set(id, new FakePeer());
  }

  peer(id: string): FakePeer {
    return this.peers.get(id) as FakePeer;
  }

  ask(peerId: string, number: number, payload: unknown = null, type = "ask"): void {
    this.exchange.receive(peerId, encodeEnvelope({ type, payload }, idOf(number), 0, MAX_MESSAGE_BYTES, "request"));
  }

  /** The peer takes everything that was sent to it. */
  acknowledge(peerId: string): void {
    const peer = this.peer(peerId);
    peer.session.queuedBytes = 0;
    if (!peer.blocked) return;
    peer.blocked = false;
    this.notifier.emit("drain", { peerId });
    this.clock.advance(0);
  }

  end(peerId: string): void {
    this.peers.delete(peerId);
    this.notifier.connection(peerId, "disconnected", null);
  }
}

function idOf(number: number): string {
  return number.toString(16).padStart(32, "0");
}

function tally(replies: readonly [string, unknown][]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, what] of replies) counts[String(what)] = (counts[String(what)] ?? 0) + 1;
  return counts;
}

describe("a flood of requests", () => {
  test("has 1,024 handlers run at a time, and the rest is told BUSY at once; other peers are served", async () => {
    const bench = new Bench();
    const { opened, open } = gate<string>();
    let runs = 0;
    bench.exchange.handle("ask", () => {
      runs++;
      return opened;
    });
    for (let i = 0; i < 1_500; i++) bench.ask("mallory", i);
    expect(runs).toBe(1_024);
    expect(tally(bench.peer("mallory").replies)).toEqual({ BUSY: 476 });
    bench.ask("alice", 1);
    expect(runs).toBe(1_025);
    open("done");
    await settled();
    expect(tally(bench.peer("mallory").replies)).toEqual({ BUSY: 476, done: 1_024 });
    bench.ask("mallory", 5_000);
    expect(runs).toBe(1_026);
  });

  test("that are cancelled at once has no more handlers run, as long as these have not ended", async () => {
    const bench = new Bench();
    const { opened, open } = gate();
    let runs = 0;
    bench.exchange.handle("ask", () => {
      runs++;
      return opened;
    });
    for (let i = 0; i < 5_000; i++) {
      bench.ask("mallory", i);
      bench.exchange.receive("mallory", encodeCancel(idOf(i), 0));
    }
    expect(runs).toBe(1_024);
    // Nor does a new session bring new ones.
    bench.end("mallory");
    bench.peers.set("mallory", new FakePeer());
    bench.ask("mallory", 9_000);
    expect(runs).toBe(1_024);
    open();
    await settled();
    bench.ask("mallory", 9_001);
    expect(runs).toBe(1_025);
  });

  test("that are large is BUSY when together they pass the size of the largest message; one alone never is", async () => {
    const bench = new Bench();
    const { opened, open } = gate();
    bench.exchange.handle("ask", () => opened);
    const half = new Uint8Array(MAX_MESSAGE_BYTES / 2 - 27);
    bench.ask("mallory", 1, half);
    bench.ask("mallory", 2, half);
    bench.ask("mallory", 3);
    expect(bench.peer("mallory").replies).toEqual([[idOf(3), "BUSY"]]);
    open();
    await settled();
    bench.ask("mallory", 4, new Uint8Array(MAX_MESSAGE_BYTES - 27));
    await settled();
    expect(bench.peer("mallory").replies.at(-1)).toEqual([idOf(4), undefined]);
  });

  test("by one that takes no replies fills its queue and a bounded backlog, then it gets none", () => {
    const bench = new Bench();
    for (let i = 0; i < 100_000; i++) bench.ask("mallory", i);
    const mallory = bench.peer("mallory");
    expect(mallory.session.queuedBytes).toBeLessThan(SEND_QUEUE_BYTES + 100);
    const before = mallory.sent.length;
    for (let round = 0; round < 10; round++) bench.acknowledge("mallory");
    expect(mallory.sent.length - before).toBe(2 * MAX_REQUESTS);
    expect(tally(mallory.replies)).toEqual({ UNHANDLED: mallory.sent.length });
    expect(bench.clock.pendingTimers).toBe(0);
  });

  test("has large replies wait until there is room, in order, in the bulk lane", () => {
    const bench = new Bench();
    let encoded = 0;
    bench.exchange.handle("ask", ({ payload }) => ({
      type: "part",
      get payload() {
        encoded++;
        return new Uint8Array(70_000).fill(payload as number);
      },
    }));
    for (let i = 0; i < 1_100; i++) bench.ask("mallory", i, i & 255);
    const mallory = bench.peer("mallory");
    expect([encoded, mallory.sent.length]).toEqual([1, 1]);
    for (let i = 0; i < 1_200; i++) bench.acknowledge("mallory");
    expect(mallory.sent.map(({ lane }) => lane).slice(0, 1_025)).toEqual(new Array(1_025).fill(2));
    expect(mallory.sent.map(({ bytes }) => decodeSent(bytes))).toEqual([
      ...Array.from({ length: 1_025 }, (_, i) => `${idOf(i)} ${i & 255}`),
      ...Array.from({ length: 75 }, (_, i) => `${idOf(1_025 + i)} BUSY`),
    ]);
  });

  test("gives no reply to what was cancelled while it waited for room, nor after the session", () => {
    const bench = new Bench();
    bench.exchange.handle("ask", ({ payload }) => new Uint8Array(70_000).fill(payload as number));
    for (let i = 0; i < 4; i++) bench.ask("mallory", i, i);
    bench.exchange.receive("mallory", encodeCancel(idOf(2), 0));
    bench.acknowledge("mallory");
    bench.acknowledge("mallory");
    bench.acknowledge("mallory");
    expect(bench.peer("mallory").sent.map(({ bytes }) => decodeSent(bytes).slice(-1))).toEqual(["0", "1", "3"]);
    for (let i = 10; i < 14; i++) bench.ask("mallory", i, i);
    bench.end("mallory");
    const anew = new FakePeer();
    bench.peers.set("mallory", anew);
    bench.acknowledge("mallory");
    expect(anew.sent).toEqual([]);
  });
});

function decodeSent(bytes: Uint8Array): string {
  if (envelopeKindOf(bytes) === "refusal") return `${decodeRefusal(bytes).id} ${decodeRefusal(bytes).code}`;
  const { id, payload } = decodeEnvelope(bytes, "us");
  return `${id} ${(payload as Uint8Array)[0]}`;
}

describe("our own requests", () => {
  const ASK = { type: "ask", payload: 1 };

  test("are at most 1,024 per peer at a time", async () => {
    const bench = new Bench();
    const outcomes = Array.from({ length: 1_025 }, () => follow(bench.exchange.request("alice", ASK, {})));
    const other = follow(bench.exchange.request("mallory", ASK, {}));
    await settled();
    expect(outcomes.slice(0, 1_024)).toEqual(new Array(1_024).fill({}));
    expect(outcomes[1_024]?.error?.code).toBe("ERR_LIMIT_QUEUE");
    expect(other).toEqual({});
    const id = decodeEnvelope(bench.peer("alice").sent[0]?.bytes as Uint8Array, "us").id;
    bench.exchange.receive("alice", encodeEnvelope(ASK, id, 0, 1_000, "reply"));
    const next = follow(bench.exchange.request("alice", ASK, {}));
    await settled();
    expect([outcomes[0]?.value, next]).toMatchObject([{ id, senderId: "alice" }, {}]);
  });

  test("are refused when the queue is full, and drain is told later", async () => {
    const bench = new Bench();
    bench.peer("alice").session.queuedBytes = SEND_QUEUE_BYTES;
    const outcome = follow(bench.exchange.request("alice", ASK, {}));
    await settled();
    expect(outcome.error).toMatchObject({ code: "ERR_LIMIT_QUEUE", peerId: "alice" });
    expect(bench.peer("alice").blocked).toBe(true);
    expect(bench.peer("alice").sent).toEqual([]);
  });

  test("are not made to a peer that the application was not told of", async () => {
    const bench = new Bench();
    bench.peer("alice").told = false;
    const outcome = follow(bench.exchange.request("alice", ASK, {}));
    await settled();
    expect(outcome.error?.code).toBe("ERR_PEER_UNKNOWN");
  });

  test("take no reply, refusal or cancellation from another peer, nor a second one from theirs", async () => {
    const bench = new Bench();
    const outcome = follow(bench.exchange.request("alice", ASK, {}));
    const id = decodeEnvelope(bench.peer("alice").sent[0]?.bytes as Uint8Array, "us").id;
    bench.exchange.receive("mallory", encodeEnvelope({ type: "ask", payload: "forged" }, id, 0, 1_000, "reply"));
    bench.exchange.receive("mallory", encodeRefusal(id, 0, "FORGED"));
    bench.exchange.receive("mallory", encodeCancel(id, 0));
    await settled();
    expect(outcome).toEqual({});
    for (const payload of ["honest", "second"]) {
      bench.exchange.receive("alice", encodeEnvelope({ type: "ask", payload }, id, 0, 1_000, "reply"));
    }
    bench.exchange.receive("alice", encodeRefusal(id, 0, "THIRD"));
    await settled();
    expect(outcome.value).toMatchObject({ payload: "honest" });
    expect(outcome.error).toBeUndefined();
  });

  test("hear the codes that the SDK itself uses", async () => {
    const bench = new Bench();
    for (const [remoteCode, code] of [
      ["BUSY", "ERR_REQUEST_FAILED"],
      ["INTERNAL", "ERR_REQUEST_FAILED"],
      ["UNHANDLED", "ERR_REQUEST_UNHANDLED"],
    ] as const) {
      const outcome = follow(bench.exchange.request("alice", ASK, {}));
      const { id } = decodeEnvelope(bench.peer("alice").sent.at(-1)?.bytes as Uint8Array, "us");
      bench.exchange.receive("alice", encodeRefusal(id, 0, remoteCode));
      await settled();
      expect(outcome.error).toMatchObject({ code, remoteCode });
    }
  });

  test("give up in the lane in which they were sent, by their id and nothing more", async () => {
    const bench = new Bench();
    for (const lane of ["interactive", "bulk"] as const) {
      const outcome = follow(bench.exchange.request("alice", ASK, { lane, timeoutMs: 10 }));
      bench.clock.advance(10);
      await settled();
      expect(outcome.error?.code).toBe("ERR_REQUEST_TIMEOUT");
    }
    const { sent } = bench.peer("alice");
    expect(sent.map(({ bytes, lane }) => [envelopeKindOf(bytes), lane])).toEqual([
      ["request", 1],
      ["cancel", 1],
      ["request", 2],
      ["cancel", 2],
    ]);
    expect(decodeCancel(sent[3]?.bytes as Uint8Array)).toBe(decodeEnvelope(sent[2]?.bytes as Uint8Array, "us").id);
    expect(sent[3]?.bytes.length).toBe(24);
  });
});

describe("what breaks the protocol", () => {
  test("is a second request with an id that is in use, running or waiting for room", () => {
    const bench = new Bench();
    bench.exchange.handle("wait", () => new Promise(() => {}));
    bench.exchange.handle("large", () => new Uint8Array(70_000));
    bench.ask("mallory", 1, null, "wait");
    expect(refusal(() => bench.ask("mallory", 1, null, "large")).code).toBe("ERR_MESSAGE_MALFORMED");
    bench.ask("alice", 1, null, "wait");
    bench.ask("mallory", 2, null, "large");
    bench.ask("mallory", 3, null, "large");
    expect(refusal(() => bench.ask("mallory", 3)).code).toBe("ERR_MESSAGE_MALFORMED");
    // Answered, and so free again.
    bench.ask("mallory", 2);
  });

  test("is a plain message where a request was expected", () => {
    const bytes = encodeEnvelope({ type: "a", payload: 1 }, idOf(1), 0, 1_000);
    expect(refusal(() => new Bench().exchange.receive("mallory", bytes)).code).toBe("ERR_MESSAGE_MALFORMED");
  });

  test("gets ERR_MESSAGE_MALFORMED or is dropped, whatever the flags and the bytes behind them", () => {
    const bench = new Bench();
    bench.exchange.handle("a", ({ payload }: Message) => payload);
    bench.exchange.handle("b", () => {
      throw new RequestError("NO");
    });
    const honest = fc.oneof(
      fc.constantFrom("a", "b", "c").map((type) => encodeEnvelope({ type, payload: [1, "two"] }, idOf(1), 0, 1_000, "request")),
      fc.constant(encodeEnvelope({ type: "a", payload: fromHex("ff00") }, idOf(1), 0, 1_000, "reply")),
      fc.constant(encodeRefusal(idOf(1), 0, "NOT_FOUND")),
      fc.constant(encodeCancel(idOf(1), 0)),
      fc.uint8Array({ maxLength: 60 }),
    );
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(fc.nat(255), honest, changes, fc.nat(80), (flags, envelope, spoilt, cut) => {
        const bytes = envelope.slice(0, cut === 0 ? undefined : Math.max(1, envelope.length - (cut % 8)));
        for (const [at, byte] of spoilt) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        if (bytes.length > 0) bytes[0] = flags;
        try {
          if (isPlainMessage(bytes)) decodeEnvelope(bytes, "mallory");
          else bench.exchange.receive("mallory", bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(NetworkError);
          expect(error).toMatchObject({ code: "ERR_MESSAGE_MALFORMED" });
        }
        bench.acknowledge("mallory");
      }),
      { numRuns: 3_000 },
    );
    expect(bench.errors).toEqual([]);
  });
});
