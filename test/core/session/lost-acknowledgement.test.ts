// An acknowledgement that died with its link: the two sides send on different links, and the one that carried it is gone.

import { describe, expect, test } from "vitest";
import type { ByteStream } from "../../../src/core/stream/byte-stream.js";
import { run } from "../../sim/flush.js";
import { faultsOf } from "../../sim/schedule.js";
import { LANE_BULK, LANE_INTERACTIVE, SessionPair } from "../../sim/session-pair.js";

/**
 * Bob has moved to a better link, Alice has not: she still sends on the one that they met on, and he acknowledges on the other,
 * which carries nothing to her any more.
 */
function halfMoved() {
  const pair = new SessionPair();
  pair.connect({ kind: "relay", rank: 90, delayMs: 1 });
  const better = pair.link({ kind: "tcp", rank: 20, delayMs: 10 });
  // The hellos have passed, and what each asks the other; Alice's answer is on its way to Bob, his to her will not arrive.
  pair.run(25);
  better.freeze("back");
  pair.run(10);
  expect([pair.alice.session.path, pair.bob.session.path]).toEqual(["relay", "tcp"]);
  return { pair, better };
}

describe("an acknowledgement that died with its link", () => {
  test.each([
    ["a message of the interactive lane", LANE_INTERACTIVE],
    ["a message of the bulk lane", LANE_BULK],
  ] as const)("is sent again on the link that lives, while no data flows either way: %s", (_name, lane) => {
    const { pair, better } = halfMoved();
    const sentOn = better.back.length;
    const id = pair.alice.send(lane, 100);
    pair.run(30);
    // It has arrived, and Bob has said so on the better link.
    expect(pair.bob.received.length).toBe(1);
    expect(better.back.length).toBeGreaterThan(sentOn);
    expect(pair.alice.delivered).toEqual([]);
    better.cut();
    pair.run(1_000);
    expect([pair.alice.session.path, pair.bob.session.path]).toEqual(["relay", "relay"]);
    expect(pair.alice.delivered).toEqual([id]);
    expect(pair.alice.session.queuedBytes).toBe(0);
    expect(faultsOf(pair.alice, pair.bob)).toEqual([]);
    for (const peer of [pair.alice, pair.bob]) expect(peer.statuses).toEqual(["connecting", "connected"]);
  });

  test("opens the window again that it announced: a sender who waits for it goes on", () => {
    const { pair, better } = halfMoved();
    // More than the window, so that the rest waits for the acknowledgement.
    for (let i = 0; i < 100; i++) pair.alice.send(LANE_INTERACTIVE, 60_000);
    pair.run(500);
    expect(pair.bob.received.length).toBeLessThan(100);
    better.cut();
    pair.run(5_000);
    expect(faultsOf(pair.alice, pair.bob)).toEqual([]);
  });

  test("lets a stream go on that waits for it", async () => {
    const { pair, better } = halfMoved();
    let taken: ByteStream | null = null;
    pair.bob.onStream = (stream) => {
      taken = stream;
      return true;
    };
    const stream = pair.alice.session.openStream("a file");
    const writer = stream.writable.getWriter();
    // More than the first window and what a writer may queue beyond it.
    const bytes = 4 * 1024 * 1024;
    let written = false;
    void writer
      .write(new Uint8Array(bytes))
      .then(() => writer.close())
      .then(() => {
        written = true;
      });
    await run(pair.clock, 100);
    const read = { bytes: 0 };
    void (async () => {
      for await (const chunk of (taken as ByteStream | null)?.readable ?? []) read.bytes += chunk.length;
    })();
    await run(pair.clock, 500);
    expect(taken).not.toBe(null);
    expect(read.bytes).toBeLessThan(bytes);
    better.cut();
    await run(pair.clock, 5_000);
    expect(read.bytes).toBe(bytes);
    expect(written).toBe(true);
  });
});
