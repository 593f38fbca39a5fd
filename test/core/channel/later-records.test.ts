// SecureChannel where big records are sealed and opened elsewhere, in any order of time: what passes is the same as everywhere.

import { describe, expect, test } from "vitest";
import { REKEY_AFTER_RECORDS } from "../../../src/core/channel/secure-channel.js";
import { settled } from "../../sim/flush.js";
import type { WireOptions } from "../../sim/memory-link.js";
import { SeededRandom } from "../../sim/seeded-random.js";
import { digests, flip, type LaterCrypto, LaterLab } from "./later-crypto.js";
import { ChannelLab, type End } from "./support.js";

/** Alice seals elsewhere, Bob does not. */
async function sealing(options: WireOptions = {}) {
  const lab = new LaterLab(options);
  lab.atBob.ready = false;
  return { lab, place: lab.atAlice, ...(await lab.open()) };
}

/** Bob opens elsewhere, Alice does not seal there. */
async function opening(options: WireOptions = {}) {
  const lab = new LaterLab(options);
  lab.atAlice.ready = false;
  return { lab, place: lab.atBob, ...(await lab.open()) };
}

/** A record that no other is equal to. */
function record(number: number, length: number): Uint8Array {
  return new SeededRandom(number).bytes(length);
}

/** Big ones with small ones between, at both ends too. */
const MIXED = [3, 5000, 0, 7, 1000, 999, 60_000, 1, 5000, 2].map((length, i) => record(i, length));

function sendAll(end: End, records: readonly Uint8Array[]): void {
  for (const bytes of records) end.channel.send(bytes);
}

/** Answers everything, the youngest first. */
async function settleBackwards(place: LaterCrypto): Promise<void> {
  while (place.open.length > 0) {
    place.open.at(-1)?.settle();
    await settled();
  }
}

describe("records that are sealed elsewhere", () => {
  test("go to the link in the order in which they were sent, whichever is ready first", async () => {
    const { lab, place, a, b } = await sealing();
    sendAll(a, MIXED);
    expect(place.open.map((work) => work.bytes)).toEqual([5000, 1000, 60_000, 5000]);
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED.slice(0, 1)));
    await settleBackwards(place);
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED));
    expect([a.code, b.code]).toEqual(["open", "open"]);
  });

  test("go one by one as they are ready, with the small ones behind them", async () => {
    const { lab, place, a, b } = await sealing();
    sendAll(a, MIXED);
    place.open[0]?.settle();
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED.slice(0, 4)));
    place.open[0]?.settle();
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED.slice(0, 6)));
    // Nothing waits for a place that is not ready: noble's part goes behind what is under way.
    place.ready = false;
    a.channel.send(record(77, 9000));
    await settleBackwards(place);
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests([...MIXED, record(77, 9000)]));
    expect(place.begun).toBe(4);
  });

  test("may be sent from a buffer that is filled anew at once", async () => {
    const { lab, place, a, b } = await sealing();
    const shared = new Uint8Array(60_000);
    const sent = [1, 2, 3, 4, 5, 6].map((number) => record(number, number % 2 ? 60_000 : 20_000));
    for (const bytes of sent) {
      shared.set(bytes);
      a.channel.send(shared.subarray(0, bytes.length));
      shared.fill(0xee);
    }
    // Half of them are done there, half here at the end.
    for (let i = 0; i < 3; i++) place.open[0]?.settle();
    await settled();
    a.channel.close();
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(sent));
    expect(place.reused).toEqual([]);
  });

  test("are sealed here when that place refuses: nobody notices", async () => {
    const { lab, place, a, b } = await sealing();
    sendAll(a, MIXED);
    while (place.open.length > 0) {
      place.open.at(-1)?.refuse();
      await settled();
    }
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED));
    expect(place.reused).toEqual([]);
  });

  test("end the channel when that place throws, behind what was sent, and no counter is used twice", async () => {
    const { lab, place, a, b } = await sealing();
    sendAll(a, MIXED.slice(0, 4));
    place.throws = true;
    expect(a.channel.send(record(50, 5000))).toBe(false);
    expect(a.code).toBe("ERR_CLOSED_ABORTED");
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED.slice(0, 4)));
    expect(b.code).toBe("clean");
    expect(place.reused).toEqual([]);
  });

  test("are sent before the channel closes, without waiting for anybody: a page that is left has no later", async () => {
    const { lab, place, a, b } = await sealing();
    sendAll(a, MIXED);
    const before = lab.wire.forth.length;
    a.channel.close();
    expect(a.closed).toEqual([null]);
    expect(lab.wire.forth.length).toBe(before + MIXED.length - 1);
    expect(place.open.length).toBe(4);
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED));
    expect(b.closed).toEqual([null]);
    // The answers that come too late change nothing.
    await settleBackwards(place);
    expect(lab.wire.forth.length).toBe(before + MIXED.length - 1);
    expect(place.reused).toEqual([]);
  });

  test("are forgotten when the link is gone", async () => {
    const { lab, place, a } = await sealing();
    sendAll(a, MIXED);
    const before = lab.wire.forth.length;
    lab.wire.cut();
    await lab.run(1);
    expect(a.code).toBe("ERR_CLOSED_ABORTED");
    await settleBackwards(place);
    expect(lab.wire.forth.length).toBe(before);
    expect(a.closed.length).toBe(1);
  });

  test("end the channel once when their link throws", async () => {
    const { lab, place, a } = await sealing();
    sendAll(a, MIXED);
    let calls = 0;
    lab.wire.dialling.send = () => {
      calls++;
      throw new Error("a custom transport with a fault");
    };
    await settleBackwards(place);
    expect(calls).toBe(1);
    expect(a.closed.map((error) => error?.code)).toEqual(["ERR_CLOSED_ABORTED"]);
    expect(a.channel.isOpen).toBe(false);
  });

  test("make send ask for a pause when 256 KiB wait, and tell of room once, at 128 KiB", async () => {
    const { lab, place, a, b } = await sealing({ highWaterBytes: Number.POSITIVE_INFINITY });
    const answers = [1, 2, 3, 4, 5].map((number) => a.channel.send(record(number, 60_000)));
    expect(answers).toEqual([true, true, true, true, false]);
    for (const waiting of [240_000, 180_000]) {
      place.open[0]?.settle();
      await settled();
      expect([waiting, a.drained]).toEqual([waiting, 0]);
    }
    place.open[0]?.settle();
    await settled();
    expect(a.drained).toBe(1);
    place.open[0]?.settle();
    await settled();
    expect(a.drained).toBe(1);
    expect(a.channel.send(Uint8Array.of(1))).toBe(true);
    await settleBackwards(place);
    expect(a.drained).toBe(1);
    await lab.run(10);
    expect(b.records.length).toBe(6);
  });

  test("pass on that the link wants a pause, and that it goes on", async () => {
    const { lab, place, a } = await sealing({ bytesPerMs: 1000, highWaterBytes: 10_000 });
    expect(a.channel.send(record(1, 20_000))).toBe(true);
    expect(a.channel.send(record(2, 2000))).toBe(true);
    place.open[0]?.settle();
    await settled();
    // The link is full by now, and the second record still waits.
    expect(a.channel.send(record(3, 5))).toBe(false);
    place.open[0]?.settle();
    await settled();
    expect(a.drained).toBe(0);
    await lab.run(30);
    expect(a.drained).toBe(1);
    expect(a.channel.send(record(4, 5))).toBe(true);
  });

  test("leave the pauses of the link as they are when none of them waits", async () => {
    const { lab, place, a } = await sealing({ bytesPerMs: 1000, highWaterBytes: 10_000 });
    a.channel.send(record(1, 2000));
    await settleBackwards(place);
    await lab.run(10);
    let sent = 0;
    while (a.channel.send(record(2, 900))) sent++;
    expect([sent, a.drained]).toEqual([10, 0]);
    await lab.run(30);
    expect(a.drained).toBe(1);
  });

  test("tell of no room as long as many wait here, though the link has some", async () => {
    const { lab, place, a } = await sealing({ bytesPerMs: 1000, highWaterBytes: 10_000 });
    expect(a.channel.send(record(1, 60_000))).toBe(true);
    place.open[0]?.settle();
    await settled();
    for (let i = 0; i < 3; i++) expect(a.channel.send(record(2 + i, 60_000))).toBe(false);
    await lab.run(100);
    expect(a.drained).toBe(0);
    await settleBackwards(place);
    await lab.run(300);
    expect(a.drained).toBe(1);
  });

  test("never take more than 512 KiB, whoever goes on sending and however slow that place is", async () => {
    const { lab, place, a, b } = await sealing({ highWaterBytes: Number.POSITIVE_INFINITY });
    const sent = Array.from({ length: 20 }, (_, i) => record(i, 60_000));
    sendAll(a, sent);
    expect(place.open.length).toBe(20);
    await lab.run(10);
    // Eight wait; the others were sealed here.
    expect(digests(b.records)).toEqual(digests(sent.slice(0, 12)));
    await settleBackwards(place);
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(sent));
    expect(place.reused).toEqual([]);
  });
});

describe("records that are opened elsewhere", () => {
  test("are handed on in the order in which they arrived, whichever is ready first", async () => {
    const { lab, place, a, b } = await opening();
    sendAll(a, MIXED);
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED.slice(0, 1)));
    await settleBackwards(place);
    expect(digests(b.records)).toEqual(digests(MIXED));
    expect(b.code).toBe("open");
  });

  test("may arrive in a buffer that is used again in the next turn", async () => {
    const { lab, place, a, b } = await opening();
    const shared = new Uint8Array(65_535);
    const frames: Uint8Array[] = [];
    lab.wire.tapForth((frame) => {
      frames.push(frame);
      return [];
    });
    sendAll(a, MIXED);
    for (const frame of frames) {
      shared.set(frame);
      Reflect.apply(Reflect.get(lab.wire.accepting, "deliver"), lab.wire.accepting, [shared.subarray(0, frame.length)]);
      shared.fill(0xee);
    }
    place.open[0]?.settle();
    await settled();
    a.channel.close();
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED));
  });

  test.each([
    ["a big one", 6, true],
    ["a small one behind big ones", 7, true],
    ["the first big one", 1, true],
    ["a big one that nobody has looked at when the link ends", 6, false],
  ])("end the channel at %s that was altered, and nothing behind it is handed on", async (_name, at, answered) => {
    const { lab, place, a, b } = await opening();
    const first = lab.wire.forth.length;
    lab.wire.tapForth((frame, i) => [i === first + at ? flip(frame) : frame]);
    sendAll(a, MIXED);
    await lab.run(10);
    if (answered) await settleBackwards(place);
    else a.channel.close();
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED.slice(0, at)));
    expect(b.closed.map((error) => error?.code)).toEqual(["ERR_CRYPTO_TAG"]);
    await settleBackwards(place);
    expect(b.records.length).toBe(at);
  });

  test("are handed on before the end that the other side makes", async () => {
    const { lab, place, a, b } = await opening();
    const order: string[] = [];
    b.records.push = (...records) => order.push(...records.map((bytes) => String(bytes.length)));
    b.closed.push = (...errors) => order.push(...errors.map((error) => error?.code ?? "clean"));
    sendAll(a, MIXED);
    a.channel.close();
    await lab.run(10);
    expect(order).toEqual([...MIXED.map((bytes) => String(bytes.length)), "clean"]);
    await settleBackwards(place);
    expect(order.length).toBe(MIXED.length + 1);
  });

  test("are handed on before a cut is told, as far as they have come", async () => {
    const { lab, a, b } = await opening();
    sendAll(a, MIXED);
    await lab.run(10);
    lab.wire.cut();
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(MIXED));
    expect(b.code).toBe("ERR_CLOSED_ABORTED");
  });

  test("are forgotten when this side closes", async () => {
    const { lab, place, a, b } = await opening();
    sendAll(a, MIXED);
    await lab.run(10);
    b.channel.close();
    await settleBackwards(place);
    expect(digests(b.records)).toEqual(digests(MIXED.slice(0, 1)));
    expect(b.closed).toEqual([null]);
  });

  test("are forgotten when the receiver of one of them closes the channel", async () => {
    const { lab, place, a, b } = await opening();
    const taken: number[] = [];
    b.records.push = (bytes) => {
      if (taken.push(bytes.length) === 5) b.channel.close();
      return 0;
    };
    sendAll(a, MIXED);
    await lab.run(10);
    await settleBackwards(place);
    expect(taken).toEqual(MIXED.slice(0, 5).map((bytes) => bytes.length));
    expect(b.closed).toEqual([null]);
  });

  test("are opened here when that place refuses: nobody notices", async () => {
    const { lab, place, a, b } = await opening();
    sendAll(a, MIXED);
    await lab.run(10);
    while (place.open.length > 0) {
      place.open.at(-1)?.refuse();
      await settled();
    }
    expect(digests(b.records)).toEqual(digests(MIXED));
    expect(b.code).toBe("open");
  });

  test("never take more than 512 KiB, as a link cannot be pressed back: the first ones are opened here", async () => {
    const { lab, place, a, b } = await opening({ highWaterBytes: Number.POSITIVE_INFINITY });
    const sent = Array.from({ length: 20 }, (_, i) => record(i, i % 5 === 4 ? 10 : 60_000));
    sendAll(a, sent);
    await lab.run(10);
    expect(digests(b.records)).toEqual(digests(sent.slice(0, 10)));
    await settleBackwards(place);
    expect(digests(b.records)).toEqual(digests(sent));
  });

  test("never take more than 512 KiB when one is followed by tiny ones without end", async () => {
    const { lab, a, b } = await opening({ highWaterBytes: Number.POSITIVE_INFINITY });
    a.channel.send(record(1, 60_000));
    for (let i = 0; i < 5000; i++) a.channel.send(Uint8Array.of(1));
    await lab.run(10);
    // 464,000 bytes of 129 each had room behind it; then it was opened here, and the others with it.
    expect(b.records.length).toBe(5001);
  });
});

describe("rekeying with records under way", () => {
  test("takes place at the same record on both sides", { timeout: 30_000 }, async () => {
    const lab = new LaterLab({ highWaterBytes: Number.POSITIVE_INFINITY });
    const { a, b } = await lab.open();
    const keys = [lab.atAlice.keys, lab.atBob.keys];
    const tiny = Uint8Array.of(7);
    for (let sent = 0; sent < REKEY_AFTER_RECORDS - 4; sent++) {
      a.channel.send(tiny);
      if (sent % 512 === 0) lab.clock.advance(2);
    }
    const rest = Array.from({ length: 9 }, (_, i) => record(i, i % 3 === 1 ? 3 : 4000));
    sendAll(a, rest);
    expect(lab.atAlice.keys).toBe((keys[0] as number) + 1);
    expect(lab.atAlice.open.map((work) => work.nonce - REKEY_AFTER_RECORDS)).toEqual([-4, -2, -1, 1, 2, 4]);
    await settleBackwards(lab.atAlice);
    await lab.run(10);
    expect(lab.atBob.keys).toBe((keys[1] as number) + 1);
    expect(lab.atBob.open.length).toBe(6);
    await settleBackwards(lab.atBob);
    expect(digests(b.records.slice(-9))).toEqual(digests(rest));
    expect(b.records.length).toBe(REKEY_AFTER_RECORDS + 5);
    expect([a.code, b.code]).toEqual(["open", "open"]);
    expect(lab.atAlice.reused).toEqual([]);
  });
});

describe("a channel whose key has no such place", () => {
  test("sends and hands on at once", async () => {
    const lab = new ChannelLab();
    const { a, b } = await lab.open();
    const before = lab.wire.forth.length;
    for (const [i, bytes] of MIXED.entries()) {
      a.channel.send(bytes);
      expect(lab.wire.forth.length).toBe(before + i + 1);
    }
    lab.clock.advance(5);
    expect(digests(b.records)).toEqual(digests(MIXED));
  });
});
