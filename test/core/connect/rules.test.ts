// The small rules of connecting: racing, sharing, dialling, and which addresses are dialled at all.

import { describe, expect, test } from "vitest";
import { Dialer } from "../../../src/core/connect/dialer.js";
import { decodePathMessage, encodePathMessage, MAX_ADDRESSES } from "../../../src/core/connect/path-message.js";
import { type Attempt, race } from "../../../src/core/connect/race.js";
import { SharedAttempts } from "../../../src/core/connect/shared-attempts.js";
import { type ErrorCode, NetworkError } from "../../../src/core/errors.js";
import { encodeCbor } from "../../../src/core/message/cbor.js";
import { isDialable } from "../../../src/core/path/dialable.js";
import type { Transport } from "../../../src/core/path/transport.js";
import { run, settled } from "../../sim/flush.js";
import { MemoryWire } from "../../sim/memory-link.js";
import { VirtualClock } from "../../sim/virtual-clock.js";
import { refusal } from "../refusal.js";

const never = new AbortController().signal;

/** What became of a promise, as of now. */
function watch<T>(promise: Promise<T>): { value?: T; error?: unknown } {
  const outcome: { value?: T; error?: unknown } = {};
  promise.then(
    (value) => {
      outcome.value = value;
    },
    (error: unknown) => {
      outcome.error = error;
    },
  );
  return outcome;
}

describe("a race", () => {
  function lab() {
    const clock = new VirtualClock();
    const started: [string, number][] = [];
    const aborted: string[] = [];
    const way =
      (name: string, ms: number, code?: ErrorCode): Attempt<string> =>
      (signal) =>
        new Promise((resolve, reject) => {
          started.push([name, clock.now()]);
          signal.addEventListener("abort", () => aborted.push(name));
          clock.after(ms, () => (code ? reject(new NetworkError(code)) : resolve(name)));
        });
    return { clock, started, aborted, way };
  }

  test("starts its attempts 250 ms apart, and the first to arrive aborts the others", async () => {
    const { clock, started, aborted, way } = lab();
    const outcome = watch(race([way("a", 900), way("b", 300), way("c", 900), way("d", 1)], clock, never));
    await run(clock, 600);
    expect(started).toEqual([
      ["a", 0],
      ["b", 250],
      ["c", 500],
    ]);
    expect(outcome.value).toBe("b");
    expect(aborted).toContain("a");
    expect(aborted).toContain("c");
    await run(clock, 5_000);
    expect(started.length).toBe(3);
  });

  test("starts the next at once when one fails", async () => {
    const { clock, started, way } = lab();
    const outcome = watch(race([way("a", 10, "ERR_DIAL_REFUSED"), way("b", 10)], clock, never));
    await run(clock, 30);
    expect(started).toEqual([
      ["a", 0],
      ["b", 10],
    ]);
    expect(outcome.value).toBe("b");
  });

  test.each<[ErrorCode[], ErrorCode]>([
    [["ERR_DIAL_REFUSED", "ERR_DIAL_TIMEOUT"], "ERR_DIAL_REFUSED"],
    [["ERR_DIAL_REFUSED", "ERR_HANDSHAKE_AUTH", "ERR_HANDSHAKE_VERSION"], "ERR_HANDSHAKE_AUTH"],
    [["ERR_DIAL_TIMEOUT", "ERR_HANDSHAKE_VERSION"], "ERR_HANDSHAKE_VERSION"],
  ])("of %s rejects with %s", async (codes, expected) => {
    const { clock, way } = lab();
    const outcome = watch(
      race(
        codes.map((code, i) => way(String(i), 5, code)),
        clock,
        never,
      ),
    );
    await run(clock, 5_000);
    expect((outcome.error as NetworkError).code).toBe(expected);
  });

  test("ends with the signal's reason, and starts nothing when it was aborted before", async () => {
    const { clock, started, aborted, way } = lab();
    const controller = new AbortController();
    const outcome = watch(race([way("a", 900)], clock, controller.signal));
    controller.abort("enough");
    await settled();
    expect(outcome.error).toBe("enough");
    expect(aborted).toEqual(["a"]);
    await expect(race([way("b", 1)], clock, controller.signal)).rejects.toBe("enough");
    expect(started.length).toBe(1);
  });

  test("without a way is refused", async () => {
    await expect(race([], new VirtualClock(), never)).rejects.toMatchObject({ code: "ERR_ADDRESS_UNSUPPORTED" });
  });
});

describe("shared attempts", () => {
  test("serve two callers with one piece of work, which goes on when one of them gives up", async () => {
    const shared = new SharedAttempts<string>();
    let starts = 0;
    let stopped = false;
    let finish: (value: string) => void = () => {};
    const start = (signal: AbortSignal): Promise<string> => {
      starts++;
      signal.addEventListener("abort", () => {
        stopped = true;
      });
      return new Promise((resolve) => {
        finish = resolve;
      });
    };
    const first = new AbortController();
    const one = watch(shared.run("bob", first.signal, start));
    const two = watch(shared.run("bob", never, start));
    const other = watch(shared.run("carol", never, () => Promise.resolve("carol")));
    first.abort("tired");
    await settled();
    expect([one.error, stopped, other.value]).toEqual(["tired", false, "carol"]);
    finish("bob");
    await settled();
    expect([two.value, starts]).toEqual(["bob", 1]);
  });

  test("stop when the last caller gives up, and the next caller starts afresh", async () => {
    const shared = new SharedAttempts<string>();
    const signals: AbortSignal[] = [];
    const start = (signal: AbortSignal): Promise<string> => {
      signals.push(signal);
      return new Promise(() => {});
    };
    const controllers = [new AbortController(), new AbortController()];
    for (const controller of controllers) watch(shared.run("bob", controller.signal, start));
    for (const controller of controllers) controller.abort("tired");
    await settled();
    expect(signals.map((signal) => signal.aborted)).toEqual([true]);
    watch(shared.run("bob", never, start));
    expect(signals.length).toBe(2);
  });
});

describe("the dialer", () => {
  const clock = new VirtualClock();
  const transport = (rank: number, schemes: string[], dial: Transport["dial"]): Transport =>
    dial ? { kind: `k${rank}`, rank, schemes, dial } : { kind: `k${rank}`, rank, schemes };

  test("knows which transport dials what, best first", () => {
    const dial = (): Promise<never> => Promise.reject(new Error("no"));
    const dialer = new Dialer(
      [transport(30, ["ws", "wss"], dial), transport(20, ["tcp"], dial), transport(1, ["x"], undefined)],
      clock,
      100,
    );
    expect(dialer.schemes).toEqual(["tcp", "ws", "wss"]);
    expect([dialer.rankOf("TCP://h:1"), dialer.rankOf("wss://h"), dialer.rankOf("x:y"), dialer.rankOf("h")]).toEqual([
      20,
      30,
      null,
      null,
    ]);
  });

  test("refuses what no transport dials, and wraps what a transport throws", async () => {
    const dialer = new Dialer([transport(1, ["a"], () => Promise.reject(new Error("boom")))], clock, 100);
    await expect(dialer.dial("b://h", never)).rejects.toMatchObject({ code: "ERR_ADDRESS_UNSUPPORTED" });
    await expect(dialer.dial("a://h", never)).rejects.toMatchObject({ code: "ERR_DIAL_FAILED" });
    expect(clock.pendingTimers).toBe(0);
  });

  test.each(["its time is up", "the caller gives up"])(
    "closes the late link of a transport that ignores that %s",
    async (why) => {
      const wire = new MemoryWire(clock);
      let arrive: () => void = () => {};
      const dialer = new Dialer(
        [transport(1, ["a"], () => new Promise((resolve) => (arrive = () => resolve(wire.dialling))))],
        clock,
        100,
      );
      const controller = new AbortController();
      const outcome = watch(dialer.dial("a://h", controller.signal));
      if (why === "the caller gives up") controller.abort("enough");
      else await run(clock, 101);
      await settled();
      if (why === "the caller gives up") expect(outcome.error).toBe("enough");
      else expect((outcome.error as NetworkError).code).toBe("ERR_DIAL_TIMEOUT");
      arrive();
      await settled();
      expect(wire.dialling.ended).toBe(true);
    },
  );
});

describe("an address that somebody else names", () => {
  const strict = { allowLoopback: false };
  test.each([
    "tcp://192.0.2.1:8080",
    "ws://10.0.0.7:1",
    "tcp://172.16.3.4:65535/",
    "tcp://[2001:db8::1]:8080",
    "tcp://[::ffff:192.0.2.1]:8080",
    "tcp://[fd00::1]:9000",
    "tcp://223.255.255.255:8080",
  ])("is dialled: %s", (url) => {
    expect(isDialable(url, strict)).toBe(true);
  });

  test.each([
    "tcp://0.0.0.0:8080",
    "tcp://0.1.2.3:8080",
    "tcp://224.0.0.1:8080",
    "tcp://239.255.255.250:8080",
    "tcp://240.0.0.1:8080",
    "tcp://255.255.255.255:8080",
    "tcp://169.254.1.1:8080",
    "tcp://192.0.2.1:0",
    "tcp://192.0.2.1:22",
    "tcp://192.0.2.1:53",
    "tcp://192.0.2.1:65536",
    "tcp://192.0.2.1:99999",
    "tcp://192.0.2.1",
    "tcp://192.0.2.1:-1",
    "tcp://example.com:8080",
    "tcp://localhost:8080",
    "tcp://192.0.2.256:8080",
    "tcp://192.0.2:8080",
    "tcp://3221225985:8080",
    "tcp://0x7f.0.0.1:8080",
    "tcp://0177.0.0.1:8080",
    "tcp://127.1:8080",
    "tcp://user@192.0.2.1:8080",
    "tcp://192.0.2.1:8080/path",
    "tcp://192.0.2.1:8080#x",
    "192.0.2.1:8080",
    "",
    "tcp://[::]:8080",
    "tcp://[fe80::1]:8080",
    "tcp://[fe80::1%eth0]:8080",
    "tcp://[febf::1]:8080",
    "tcp://[ff02::1]:8080",
    "tcp://[::127.0.0.1]:8080",
    "tcp://[::ffff:0.0.0.0]:8080",
    "tcp://[::ffff:224.0.0.1]:8080",
    "tcp://[::ffff:e000:1]:8080",
    "tcp://[1::2::3]:8080",
    "tcp://[12345::]:8080",
    "tcp://[1:2:3:4:5:6:7]:8080",
    "tcp://[1:2:3:4:5:6:7:8:9]:8080",
    "tcp://[::ffff:999.0.0.1]:8080",
  ])("is not dialled: %s", (url) => {
    expect(isDialable(url, strict)).toBe(false);
    expect(isDialable(url, { allowLoopback: true })).toBe(false);
  });

  test.each([
    "tcp://127.0.0.1:8080",
    "tcp://127.255.255.254:8080",
    "tcp://[::1]:8080",
    "tcp://[0:0:0:0:0:0:0:1]:8080",
    "tcp://[::ffff:127.0.0.1]:8080",
    "tcp://[::ffff:7f00:1]:8080",
  ])("is dialled only where loopback is allowed: %s", (url) => {
    expect(isDialable(url, strict)).toBe(false);
    expect(isDialable(url, { allowLoopback: true })).toBe(true);
  });
});

describe("messages about paths", () => {
  test("come back as they went", () => {
    const paths = { kind: "paths", addresses: ["tcp://10.0.0.1:1"], schemes: ["tcp"], negotiable: ["webrtc"] } as const;
    const signal = { kind: "signal", link: "webrtc", attempt: 3, signal: '{"a":1}' } as const;
    expect(decodePathMessage(encodePathMessage(paths))).toEqual(paths);
    expect(decodePathMessage(encodePathMessage(signal))).toEqual(signal);
  });

  test("of a kind that a later version adds are passed over", () => {
    expect(decodePathMessage(encodeCbor({ t: "later", x: 1 }))).toBeNull();
  });

  test("name no more than a few addresses, and none that is too long", () => {
    const addresses = ["x".repeat(300), ...Array.from({ length: 3_000 }, (_, i) => `tcp://10.0.0.1:${i + 1000}`)];
    const decoded = decodePathMessage(encodeCbor({ t: "paths", a: addresses, d: Array(100).fill("tcp"), n: [] }));
    if (decoded?.kind !== "paths") expect.unreachable();
    else {
      expect(decoded.addresses.length).toBe(MAX_ADDRESSES);
      expect(decoded.addresses[0]).toBe("tcp://10.0.0.1:1000");
      expect(decoded.schemes.length).toBeLessThanOrEqual(16);
    }
  });

  test.each<[string, Uint8Array]>([
    ["no CBOR", Uint8Array.of(0xff)],
    ["nothing", new Uint8Array(0)],
    ["a number", encodeCbor(5)],
    ["a list", encodeCbor([1])],
    ["without a kind", encodeCbor({ a: [] })],
    ["with a kind that is no text", encodeCbor({ t: 1 })],
    ["with addresses that are none", encodeCbor({ t: "paths", a: [1], d: [], n: [] })],
    ["with addresses missing", encodeCbor({ t: "paths", d: [], n: [] })],
    ["with a broken attempt", encodeCbor({ t: "signal", l: "webrtc", i: 1.5, s: "" })],
    ["with 10,000 addresses", encodeCborUnchecked(10_000)],
  ])("are refused: %s", (_name, bytes) => {
    expect(refusal(() => decodePathMessage(bytes)).code).toBe("ERR_MESSAGE_MALFORMED");
  });
});

/** `{"t":"paths","a":["x", …]}` by hand: our own encoder would refuse as many items as the gate does. */
function encodeCborUnchecked(count: number): Uint8Array {
  const head = [0xa2, 0x61, 0x74, 0x65, ...new TextEncoder().encode("paths"), 0x61, 0x61, 0x99, count >> 8, count & 255];
  const bytes = new Uint8Array(head.length + 2 * count);
  bytes.set(head);
  for (let i = 0; i < count; i++) bytes.set([0x61, 0x78], head.length + 2 * i);
  return bytes;
}
