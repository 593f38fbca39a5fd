// What a session does when its peer, though proven, breaks the protocol or floods it.

import { describe, expect, test } from "vitest";
import { writeAck, writeData, writePing, writePong } from "../../../src/core/session/record.js";
import { EvilPeer } from "../../sim/evil-peer.js";
import { SessionPair } from "../../sim/session-pair.js";

describe("a peer that breaks the protocol", () => {
  const cases: readonly (readonly [string, (evil: EvilPeer) => void, string])[] = [
    ["sends data before its hello", (e) => e.say((w) => writeData(w, 1, 0, 4)), "ERR_FRAME_MALFORMED"],
    ["acknowledges before its hello", (e) => e.say((w) => writeAck(w, 1, 0, 4)), "ERR_FRAME_MALFORMED"],
    ["says hello twice", (e) => [e.greet(), e.greet()], "ERR_FRAME_MALFORMED"],
    ["sends an unknown entry", (e) => [e.greet(), e.say((w) => w.u8(77))], "ERR_FRAME_MALFORMED"],
    ["names an unknown lane", (e) => [e.greet(), e.say((w) => w.u8(1).u8(3).u48(0).u16(0))], "ERR_FRAME_MALFORMED"],
    ["leaves a gap", (e) => [e.greet(), e.say((w) => writeData(w, 1, 5, 4))], "ERR_FRAME_SEQUENCE"],
    ["jumps to the highest offset", (e) => [e.greet(), e.say((w) => writeData(w, 1, 2 ** 48 - 1, 4))], "ERR_FRAME_SEQUENCE"],
    ["acknowledges what was never sent", (e) => [e.greet(), e.say((w) => writeAck(w, 2, 1, 4))], "ERR_FRAME_SEQUENCE"],
    [
      "announces a message of 17 MiB",
      (e) => [e.greet(), e.say((w) => writeData(w, 1, 0, 4).set([1, 16, 0, 0]))],
      "ERR_MESSAGE_TOO_LARGE",
    ],
    [
      "announces a control message of 65 KiB",
      (e) => [e.greet(), e.say((w) => writeData(w, 0, 0, 4).set([0, 1, 4, 0]))],
      "ERR_MESSAGE_TOO_LARGE",
    ],
  ];

  test.each(cases)("loses its session when it %s, and is told so", (_name, act, code) => {
    const pair = new SessionPair();
    const evil = new EvilPeer(pair);
    act(evil);
    pair.run(20);
    expect(pair.bob.statuses.at(-1)).toBe("disconnected");
    expect(pair.bob.errors.at(-1)?.code).toBe(code);
    expect(evil.goodbyes).toEqual(["protocol"]);
    expect(pair.bob.received).toEqual([]);
    expect(evil.wire.ended).toBe(true);
  });

  test("claims to have received what was never sent, when it resumes", () => {
    const pair = new SessionPair();
    const first = new EvilPeer(pair);
    first.greet();
    pair.run(5);
    const known = first.hello?.instance;
    if (!known) expect.unreachable("no hello");
    const resumed = new EvilPeer(pair);
    resumed.greet({ ...(known ? { known } : {}), received: [0, 5000, 0] });
    pair.run(5);
    expect(pair.bob.errors.at(-1)?.code).toBe("ERR_FRAME_SEQUENCE");
    expect(pair.bob.statuses.at(-1)).toBe("disconnected");
  });

  test("never says hello: its link is closed after 10 s", () => {
    const pair = new SessionPair();
    const evil = new EvilPeer(pair);
    pair.run(10_010);
    expect(evil.wire.ended).toBe(true);
    expect(pair.bob.errors.at(-1)?.code).toBe("ERR_HANDSHAKE_TIMEOUT");
  });

  test("floods pings in its records and gets no more than one answer for each record", () => {
    const pair = new SessionPair();
    const evil = new EvilPeer(pair);
    evil.greet();
    pair.run(5);
    for (let i = 0; i < 10; i++) evil.say((w) => Array.from({ length: 10_000 }, (_, token) => writePing(w, token)));
    pair.run(100);
    expect(evil.pongs).toBeGreaterThan(0);
    expect(evil.pongs).toBeLessThanOrEqual(10);
  });

  test("answers pings that we have not sent yet, while the application asks again and again: nothing overflows", () => {
    const pair = new SessionPair();
    const evil = new EvilPeer(pair);
    evil.greet();
    pair.run(5);
    const { session } = pair.bob;
    // All in one turn: no ping of ours has left when its answer is read.
    let asked = 0;
    const ask = (): void => {
      if (asked++ < 500) session.ping(ask);
    };
    ask();
    evil.say((w) => Array.from({ length: 600 }, (_, token) => writePong(w, token)));
    pair.run(50);
    expect(asked).toBeGreaterThan(400);
    expect(session.status).toBe("connected");
  });

  test("floods pings and reads nothing: our buffer stops at the high-water mark", () => {
    const pair = new SessionPair();
    const evil = new EvilPeer(pair);
    evil.greet();
    pair.run(5);
    evil.wire.freeze("back");
    for (let i = 0; i < 20_000; i++) evil.say((w) => writePing(w, i));
    pair.run(1_000);
    expect(evil.wire.back.length * 5).toBeLessThan(70 * 1024);
  });

  test("never answers a ping and falls silent: its link is found dead all the same", () => {
    const pair = new SessionPair();
    const evil = new EvilPeer(pair);
    evil.greet();
    for (let i = 0; i < 20; i++) {
      pair.run(4_000);
      pair.bob.session.ping(() => {});
      evil.say((w) => writeAck(w, 1, 0, 1000));
    }
    expect(pair.bob.session.status).toBe("connected");
    pair.run(20_100);
    expect(pair.bob.session.status).toBe("reconnecting");
  });
});
