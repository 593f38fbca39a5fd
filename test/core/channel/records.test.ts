// SecureChannel once it is open: records pass whole, once and in order, or the channel ends.

import { describe, expect, test } from "vitest";
import { REKEY_AFTER_RECORDS } from "../../../src/core/channel/secure-channel.js";
import { NetworkError } from "../../../src/core/errors.js";
import type { CryptoProvider } from "../../../src/core/runtime.js";
import { nodeProvider } from "../../crypto/providers.js";
import { ChannelLab, newContext } from "./support.js";

describe("an open channel", () => {
  test("carries records of every size up to its largest, both ways", async () => {
    for (const maxFrameBytes of [16 * 1024, 65_535, 1_000_000]) {
      const lab = new ChannelLab({ maxFrameBytes });
      const { a, b } = await lab.open();
      const largest = Math.min(maxFrameBytes, 65_535) - 16;
      expect(a.channel.maxRecordBytes).toBe(largest);
      const sizes = [0, 1, 15, 16, 17, largest - 1, largest];
      for (const size of sizes) {
        a.channel.send(new Uint8Array(size).fill(1));
        b.channel.send(new Uint8Array(size).fill(2));
      }
      await lab.run(10);
      expect(b.records.map((record) => record.length)).toEqual(sizes);
      expect(a.records.map((record) => record.length)).toEqual(sizes);
      expect(lab.wire.forth.every((frame) => frame.length <= maxFrameBytes)).toBe(true);
    }
  });

  test("tells when its link wants a pause, and when it goes on", async () => {
    const lab = new ChannelLab({ bytesPerMs: 1000, highWaterBytes: 10_000 });
    const { a } = await lab.open();
    expect(a.channel.send(new Uint8Array(5_000))).toBe(true);
    expect(a.channel.send(new Uint8Array(6_000))).toBe(false);
    expect(a.drained).toBe(0);
    await lab.run(12);
    expect(a.drained).toBe(1);
  });

  test("closes in good order on both sides, and sends nothing after that", async () => {
    const lab = new ChannelLab();
    const { a, b } = await lab.open();
    a.channel.send(Uint8Array.of(1));
    a.channel.close();
    a.channel.close();
    expect(a.closed).toEqual([null]);
    await lab.run(10);
    expect(b.records).toEqual([Uint8Array.of(1)]);
    expect(b.closed).toEqual([null]);
    for (const end of [a, b]) expect(() => end.channel.send(Uint8Array.of(2))).toThrow(NetworkError);
  });

  test("tells a cut from a farewell", async () => {
    const lab = new ChannelLab();
    const { a, b } = await lab.open();
    lab.wire.cut();
    await lab.run(1);
    expect([a.code, b.code]).toEqual(["ERR_CLOSED_ABORTED", "ERR_CLOSED_ABORTED"]);
  });

  test("ends instead of throwing into a timer when its link throws", async () => {
    const lab = new ChannelLab();
    const { a } = await lab.open();
    lab.wire.dialling.send = () => {
      throw new Error("a custom transport with a fault");
    };
    expect(a.channel.send(Uint8Array.of(1))).toBe(false);
    expect(a.code).toBe("ERR_CLOSED_ABORTED");
  });
});

/** Lets Alice send three records, of which the second is treated on the way. */
async function tamper(treat: (frames: readonly Uint8Array[]) => readonly Uint8Array[]) {
  const lab = new ChannelLab();
  const { a, b } = await lab.open();
  const first = lab.wire.forth.length;
  const kept: Uint8Array[] = [];
  lab.wire.tapForth((frame, i) => {
    kept.push(frame);
    return i === first + 2 ? treat(kept) : [];
  });
  for (const value of [1, 2, 3]) a.channel.send(new Uint8Array(40).fill(value));
  await lab.run(10);
  return { a, b, received: b.records.map((record) => record[0]) };
}

describe("tampering with records", () => {
  test("is what the cases below do, and nothing else: untouched records pass", async () => {
    const { b, received } = await tamper((frames) => frames);
    expect(received).toEqual([1, 2, 3]);
    expect(b.code).toBe("open");
  });

  test.each<readonly [string, (frames: readonly Uint8Array[]) => readonly Uint8Array[], number[]]>([
    ["flipped in its text", ([a, b, c]) => [a!, flipped(b!, 3), c!], [1]],
    ["flipped in its tag", ([a, b, c]) => [a!, flipped(b!, 55), c!], [1]],
    ["cut by a byte", ([a, b, c]) => [a!, b!.subarray(0, 55), c!], [1]],
    ["cut to less than a tag", ([a, b, c]) => [a!, b!.subarray(0, 15), c!], [1]],
    ["emptied", ([a, , c]) => [a!, new Uint8Array(0), c!], [1]],
    ["made longer", ([a, b, c]) => [a!, Uint8Array.of(...b!, 0), c!], [1]],
    ["left out", ([a, , c]) => [a!, c!], [1]],
    ["sent twice", ([a, b, c]) => [a!, b!, b!, c!], [1, 2]],
    ["swapped with the next", ([a, b, c]) => [a!, c!, b!], [1]],
  ])("closes the channel when one is %s, and nothing after it is handed on", async (_name, treat, expected) => {
    const { a, b, received } = await tamper(treat);
    expect(received).toEqual(expected);
    expect(b.code).toBe("ERR_CRYPTO_TAG");
    expect(b.closed.length).toBe(1);
    expect(a.code).not.toBe("open");
  });

  test("of the other direction, reflected to its sender, does not open there", async () => {
    const lab = new ChannelLab();
    const { a } = await lab.open();
    a.channel.send(Uint8Array.of(1));
    lab.wire.accepting.send(lab.wire.forth.at(-1) as Uint8Array);
    await lab.run(10);
    expect(a.code).toBe("ERR_CRYPTO_TAG");
    expect(a.records).toEqual([]);
  });
});

function flipped(frame: Uint8Array, at: number): Uint8Array {
  const altered = frame.slice();
  altered[at] = (altered[at] as number) ^ 1;
  return altered;
}

describe("rekeying", () => {
  /** Counts the keys that were made. */
  function counting(): { crypto: CryptoProvider; keys: () => number } {
    let keys = 0;
    const crypto = Object.create(nodeProvider) as CryptoProvider;
    crypto.aead = (name, key) => {
      keys++;
      return nodeProvider.aead(name, key);
    };
    return { crypto, keys: () => keys };
  }

  test("happens after 65,536 records in each direction by itself, and nobody notices", { timeout: 30_000 }, async () => {
    const lab = new ChannelLab({ highWaterBytes: Number.POSITIVE_INFINITY });
    const { crypto, keys } = counting();
    lab.alice = newContext(lab.clock, 1, crypto);
    const { a, b } = await lab.open();
    const before = keys();
    let got = 0;
    const record = Uint8Array.of(7);
    for (let sent = 0; sent < REKEY_AFTER_RECORDS; sent++) {
      a.channel.send(record);
      if (sent % 512 === 0) lab.clock.advance(2);
      if (sent === REKEY_AFTER_RECORDS - 2) expect(keys()).toBe(before);
    }
    expect(keys()).toBe(before + 1);
    a.channel.send(record);
    lab.clock.advance(2);
    got = b.records.length;
    expect(got).toBe(REKEY_AFTER_RECORDS + 1);
    // The other direction counts for itself.
    for (let sent = 0; sent < REKEY_AFTER_RECORDS + 1; sent++) {
      b.channel.send(record);
      if (sent % 512 === 0) lab.clock.advance(2);
    }
    lab.clock.advance(2);
    expect(a.records.length).toBe(REKEY_AFTER_RECORDS + 1);
    expect(keys()).toBe(before + 2);
    expect([a.code, b.code]).toEqual(["open", "open"]);
  });
});
