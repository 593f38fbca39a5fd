// Many links over one relay connection, with a carrier and a clock of the test's own.

import { describe, expect, test } from "vitest";
import { NetworkError } from "../../../src/core/errors.js";
import { decodeServerFrame, UNDELIVERED } from "../../../src/core/relay/relay-frame.js";
import type { RelayLink } from "../../../src/core/relay/relay-link.js";
import { RelayLinks } from "../../../src/core/relay/relay-links.js";
import type { Clock } from "../../../src/core/runtime.js";

/** Timers that a test runs by hand. */
class ManualClock implements Clock {
  readonly timers = new Set<() => void>();

  now(): number {
    return 0;
  }

  date(): number {
    return 0;
  }

  after(_delayMs: number, callback: () => void): { cancel(): void } {
    const run = (): void => {
      this.timers.delete(run);
      callback();
    };
    this.timers.add(run);
    return { cancel: () => this.timers.delete(run) };
  }

  defer(callback: () => void): void {
    callback();
  }

  tick(): void {
    for (const run of [...this.timers]) run();
  }
}

/** One side: what it sends is handed to the other side, as the relay would. */
class Side {
  readonly clock = new ManualClock();
  readonly inbound: RelayLink[] = [];
  readonly log: string[] = [];
  readonly links: RelayLinks;
  readonly key: Uint8Array;
  bufferedBytes = 0;
  other: Side | null = null;
  sent = 0;
  attachInbound = true;

  constructor(id: number, maxPayloadBytes = 65_600) {
    this.key = new Uint8Array(32).fill(id);
    const random = { bytes: (length: number) => new Uint8Array(length).fill(0xff) };
    this.links = new RelayLinks(this, this.clock, random, maxPayloadBytes, (link) => {
      this.inbound.push(link);
      if (this.attachInbound) this.attach(link, "in");
    });
  }

  attach(link: RelayLink, name: string): void {
    link.attach({
      frame: (frame) => this.log.push(`${name} ${new TextDecoder().decode(frame)}`),
      drain: () => this.log.push(`${name} drain`),
      closed: (error) => this.log.push(`${name} closed ${error?.code ?? "well"}`),
    });
  }

  send(bytes: Uint8Array): void {
    this.sent++;
    const frame = decodeServerFrame(bytes);
    if (frame.kind === "forward") this.other?.links.receive(this.key, frame.payload);
  }
}

function pair(): [Side, Side] {
  const [a, b] = [new Side(1), new Side(2)];
  a.other = b;
  b.other = a;
  return [a, b];
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("relay links", () => {
  test("carry frames both ways and keep several links apart", () => {
    const [a, b] = pair();
    const [one, two] = [a.links.dial(b.key), a.links.dial(b.key)];
    a.attach(one, "one");
    a.attach(two, "two");
    expect(one.send(bytes("x"))).toBe(true);
    two.send(bytes("y"));
    b.inbound[0]?.send(bytes("X"));
    b.inbound[1]?.send(bytes("Y"));
    expect(b.log).toEqual(["in x", "in y"]);
    expect(a.log).toEqual(["one X", "two Y"]);
    expect(one).toMatchObject({ kind: "relay", maxFrameBytes: 65_535, inFlightBytes: 512 * 1024, remoteAddress: null });
    expect(b.inbound[0]?.claimedPeerId).toHaveLength(52);
    // The link id wrapped around from its random start.
    expect([one.linkId, two.linkId]).toEqual([0xffff_ffff, 0]);
  });

  test("end on both sides when either closes, once each", () => {
    for (const who of ["initiator", "responder"]) {
      const [a, b] = pair();
      const link = a.links.dial(b.key);
      a.attach(link, "out");
      link.send(bytes("x"));
      const closing = who === "initiator" ? link : (b.inbound[0] as RelayLink);
      closing.close();
      closing.close();
      expect(a.log).toEqual(["out closed well"]);
      expect(b.log).toEqual(["in x", "in closed well"]);
      expect([a.links.size, b.links.size]).toEqual([0, 0]);
      expect(link.send(bytes("late"))).toBe(false);
    }
  });

  test("frames that were under way to a closed link open no new one", () => {
    const [a, b] = pair();
    const link = a.links.dial(b.key);
    link.send(bytes("x"));
    a.other = null;
    b.other = null;
    b.inbound[0]?.close();
    a.other = b;
    link.send(bytes("late"));
    expect(b.inbound).toHaveLength(1);
    expect(b.log).toEqual(["in x", "in closed well"]);
  });

  test("ignore frames that make no sense or are for links that are not there", () => {
    const b = new Side(2);
    const from = new Uint8Array(32).fill(9);
    for (const payload of [
      [],
      [1],
      [1, 0, 0, 0],
      [0, 0, 0, 0, 1],
      [5, 0, 0, 0, 1],
      [2, 0, 0, 0, 1, 7],
      [3, 0, 0, 0, 1],
      [4, 0, 0, 0, 1],
    ]) {
      b.links.receive(from, Uint8Array.from(payload));
    }
    expect([b.inbound.length, b.sent, b.links.size]).toEqual([0, 0, 0]);
  });

  test("do not take a frame from another peer than the link's", () => {
    const [a, b] = pair();
    const link = a.links.dial(b.key);
    a.attach(link, "out");
    const id = [(link.linkId >>> 24) & 255, (link.linkId >>> 16) & 255, (link.linkId >>> 8) & 255, link.linkId & 255];
    const mallory = new Uint8Array(32).fill(66);
    a.links.receive(mallory, Uint8Array.of(2, ...id, 88));
    a.links.receive(mallory, Uint8Array.of(4, ...id));
    expect(a.log).toEqual([]);
    a.links.receive(b.key, Uint8Array.of(2, ...id, 88));
    expect(a.log).toEqual(["out X"]);
  });

  test("bound what strangers can open: 8 by one peer, 64 that nobody attached to", () => {
    const b = new Side(2);
    b.attachInbound = false;
    let closes = 0;
    b.other = { links: { receive: () => closes++ } } as unknown as Side;
    for (let peer = 0; peer < 20; peer++) {
      for (let id = 0; id < 10; id++) b.links.receive(new Uint8Array(32).fill(peer), Uint8Array.of(1, 0, 0, peer, id, 7));
    }
    expect(b.inbound).toHaveLength(64);
    expect(closes).toBe(200 - 64);
    const perPeer = new Side(3);
    for (let id = 0; id < 10; id++) perPeer.links.receive(new Uint8Array(32), Uint8Array.of(1, 0, 0, 0, id, 7));
    expect(perPeer.inbound).toHaveLength(8);
  });

  test("say false when the socket is full and drain when it has emptied", () => {
    const [a, b] = pair();
    const link = a.links.dial(b.key);
    a.attach(link, "out");
    a.bufferedBytes = 300 * 1024;
    expect(link.send(bytes("x"))).toBe(false);
    expect(link.send(bytes("y"))).toBe(false);
    a.clock.tick();
    expect(a.log).toEqual([]);
    a.bufferedBytes = 100;
    a.clock.tick();
    expect(a.log).toEqual(["out drain"]);
    expect(a.clock.timers.size).toBe(0);
    expect(link.send(bytes("z"))).toBe(true);
    expect(b.log).toEqual(["in x", "in y", "in z"]);
  });

  test("give up a link whose owner does not stop when told to", () => {
    const [a, b] = pair();
    const link = a.links.dial(b.key);
    a.attach(link, "out");
    a.bufferedBytes = 9 * 1024 * 1024;
    expect(link.send(bytes("x"))).toBe(false);
    expect(a.log).toEqual(["out closed ERR_LIMIT_QUEUE"]);
  });

  test("refuse a frame over their bound, which follows the relay's", () => {
    const small = new Side(1, 20_005);
    const link = small.links.dial(new Uint8Array(32));
    expect(link.maxFrameBytes).toBe(20_000);
    expect(() => link.send(new Uint8Array(20_001))).toThrow(NetworkError);
    expect(small.sent).toBe(0);
  });

  test("end with a code when the relay could not deliver, all to that peer and no others", () => {
    const [a, b] = pair();
    const third = new Uint8Array(32).fill(3);
    const links = [a.links.dial(b.key), a.links.dial(b.key), a.links.dial(third)];
    for (const [i, link] of links.entries()) a.attach(link, `${i}`);
    a.links.undelivered(b.key, UNDELIVERED.NOT_HERE);
    a.links.undelivered(third, UNDELIVERED.QUEUE_FULL);
    expect(a.log).toEqual(["0 closed ERR_PEER_UNREACHABLE", "1 closed ERR_PEER_UNREACHABLE", "2 closed ERR_RELAY_LIMIT"]);
    expect(a.links.size).toBe(0);
  });

  test("end with the connection, and tell the other sides where that is still possible", () => {
    const [a, b] = pair();
    const link = a.links.dial(b.key);
    a.attach(link, "out");
    link.send(bytes("x"));
    a.links.end(new NetworkError("ERR_RELAY_UNAVAILABLE"), true);
    a.links.end(new NetworkError("ERR_CLOSED"), true);
    expect(a.log).toEqual(["out closed ERR_RELAY_UNAVAILABLE"]);
    expect(b.log).toEqual(["in x", "in closed well"]);
  });
});
