// The rules behind the relay's limits, with time as an argument.

import { describe, expect, test } from "vitest";
import { isLoopback, sourceKey, unmapAddress } from "../../src/core/path/ip-address.js";
import { OwnAuthorities } from "../../src/server/own-authority.js";
import { RELAY_LIMITS, resolveRelayLimits } from "../../src/server/relay-limits.js";
import { SourceLimiter } from "../../src/server/source-limiter.js";
import { TokenBucket } from "../../src/server/token-bucket.js";

describe("TokenBucket", () => {
  test("gives the burst at once, then so many per second, and never more than the burst", () => {
    const bucket = new TokenBucket(10, 5, 0);
    expect(bucket.spend(5, 0)).toBe(0);
    expect(bucket.spend(1, 0)).toBe(100);
    expect(bucket.spend(0, 100)).toBe(0);
    expect(bucket.tryTake(150)).toBe(false);
    expect(bucket.tryTake(200)).toBe(true);
    expect(bucket.isFull(100_000)).toBe(true);
    expect(bucket.spend(6, 100_000)).toBe(100);
  });

  test("takes no harm from a clock that goes backwards", () => {
    const bucket = new TokenBucket(10, 1, 1000);
    expect(bucket.tryTake(0)).toBe(true);
    expect(bucket.tryTake(0)).toBe(false);
  });
});

describe("sourceKey", () => {
  test.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8:0:1::5", "2001:db8:0:1::/64"],
    ["2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"],
    ["2001:DB8::1", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["nonsense", "unknown"],
    [undefined, "unknown"],
  ])("counts %s as %s", (address, key) => {
    expect(sourceKey(address)).toBe(key);
  });

  test("knows loopback in every spelling", () => {
    for (const address of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) expect(isLoopback(address)).toBe(true);
    for (const address of ["10.0.0.1", "::2", "::ffff:10.0.0.1", "localhost"]) expect(isLoopback(address)).toBe(false);
    expect(unmapAddress("::FFFF:10.0.0.1")).toBe("10.0.0.1");
  });
});

describe("SourceLimiter", () => {
  test("counts what is open, forgets who is gone and quiet, and never grows past its bound", () => {
    const limiter = new SourceLimiter(1, 2, 100);
    expect(limiter.open("192.0.2.1", 0)).toBe(1);
    expect(limiter.open("192.0.2.1", 0)).toBe(2);
    expect([limiter.allow("192.0.2.1", 0), limiter.allow("192.0.2.1", 0), limiter.allow("192.0.2.1", 0)]).toEqual([
      true,
      true,
      false,
    ]);
    limiter.close("192.0.2.1");
    expect(limiter.count("192.0.2.1")).toBe(1);
    for (let i = 0; i < 1000; i++) limiter.allow(`198.51.${i >> 8}.${i & 255}`, 0);
    expect(limiter.size).toBe(100);
    expect(limiter.count("192.0.2.1")).toBe(1);
    limiter.close("192.0.2.1");
    limiter.sweep(10_000);
    expect(limiter.size).toBe(0);
  });
});

describe("OwnAuthorities", () => {
  const local = { localAddress: "::ffff:10.0.0.5", localPort: 8787, remoteAddress: "::ffff:10.0.0.9" };
  const loopback = { localAddress: "::1", localPort: 8787, remoteAddress: "::1" };

  test("accepts this machine's names on the port that was dialled, and localhost from this machine only", () => {
    const own = new OwnAuthorities([], true);
    expect(own.accepts("10.0.0.5:8787", local)).toBe(true);
    expect(own.accepts("10.0.0.5:8788", local)).toBe(false);
    expect(own.accepts("10.0.0.6:8787", local)).toBe(false);
    expect(own.accepts("localhost:8787", local)).toBe(false);
    expect(own.accepts("localhost:8787", loopback)).toBe(true);
    expect(own.accepts("[::1]:8787", loopback)).toBe(true);
    expect(own.accepts("relay.example:8787", loopback)).toBe(false);
    for (const text of ["", ":", "10.0.0.5", "10.0.0.5:08787", "10.0.0.5:8787 ", "x@10.0.0.5:8787", "LOCALHOST:8787"]) {
      expect(own.accepts(text, local) || own.accepts(text, loopback)).toBe(false);
    }
  });

  test("accepts public URLs whatever the socket says, and only them where told so", () => {
    const own = new OwnAuthorities(["wss://relay.example", "ws://relay.example:8080/x"], false);
    expect(own.accepts("relay.example:443", local)).toBe(true);
    expect(own.accepts("relay.example:8080", local)).toBe(true);
    expect(own.accepts("relay.example:80", local)).toBe(false);
    expect(own.accepts("10.0.0.5:8787", local)).toBe(false);
  });
});

describe("resolveRelayLimits", () => {
  test("fills in every default and names what is out of bounds", () => {
    const limits = resolveRelayLimits({ queueFrames: 7 });
    expect(limits).toEqual({
      ...Object.fromEntries(Object.entries(RELAY_LIMITS).map(([name, entry]) => [name, entry.default])),
      queueFrames: 7,
    });
    for (const bad of [{ queueFrames: 0 }, { idleMs: Number.NaN }, { connections: 1.5 }, { nothing: 1 }]) {
      expect(() => resolveRelayLimits(bad)).toThrow(new RegExp(`limits\\.${Object.keys(bad)[0]}`));
    }
  });
});
