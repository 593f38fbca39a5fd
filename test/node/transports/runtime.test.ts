import { describe, expect, test } from "vitest";
import { ERROR_CODES } from "../../../src/core/errors.js";
import { formatEndpoint, parseDialUrl } from "../../../src/core/path/dial-url.js";
import type { Clock } from "../../../src/core/runtime.js";
import { nodeClock } from "../../../src/node/clock.js";
import { brokenError, dialError, listenError } from "../../../src/node/error-map.js";
import { chooseAddresses } from "../../../src/node/local-addresses.js";
import { networkChanged, watchNetwork } from "../../../src/node/network-watch.js";
import { nodeRuntime } from "../../../src/node/runtime.js";

describe("the node runtime", () => {
  test("brings tcp, websocket and udp, and webrtc only when it is given one", () => {
    expect(nodeRuntime().transports.map(({ kind, rank }) => [kind, rank])).toEqual([
      ["tcp", 20],
      ["websocket", 30],
      ["udp", 25],
    ]);
    const constructors = { RTCPeerConnection: class {}, RTCSessionDescription: class {}, RTCIceCandidate: class {} };
    expect(nodeRuntime({ wrtc: constructors }).transports.map(({ kind }) => kind)).toEqual(["tcp", "websocket", "udp", "webrtc"]);
    expect(() => nodeRuntime({ wrtc: {} })).toThrow(expect.objectContaining({ code: "ERR_OPTION_INVALID" }));
  });

  test("leaves out what is disabled; the port is opened by whichever is left", () => {
    const webOnly = nodeRuntime({ disableTransports: ["tcp", "udp"] }).transports;
    expect(webOnly.map(({ kind, listen }) => [kind, listen !== undefined])).toEqual([["websocket", true]]);
    const rawOnly = nodeRuntime({ disableTransports: ["websocket", "udp"] }).transports;
    expect(rawOnly.map(({ kind, listen }) => [kind, listen !== undefined])).toEqual([["tcp", true]]);
  });

  test("gives random bytes of any length, each time others", () => {
    const { random } = nodeRuntime();
    expect(random.bytes(0).length).toBe(0);
    expect(random.bytes(100_000).length).toBe(100_000);
    expect(random.bytes(16)).not.toEqual(random.bytes(16));
    expect(random.bytes(1).constructor).toBe(Uint8Array);
  });

  test("defers until after the promises of this turn", async () => {
    const order: string[] = [];
    const done = new Promise<void>((resolve) => {
      nodeClock.defer(() => {
        order.push("deferred");
        resolve();
      });
    });
    await Promise.resolve().then(() => order.push("promise"));
    await done;
    expect(order).toEqual(["promise", "deferred"]);
  });

  test("calls a timer off", async () => {
    let fired = false;
    const timer = nodeClock.after(1, () => {
      fired = true;
    });
    timer.cancel();
    timer.cancel();
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 5);
    });
    expect(fired).toBe(false);
  });
});

describe("the addresses of this machine", () => {
  const v4 = (address: string, internal = false) => ({ address, family: "IPv4", internal });
  const v6 = (address: string, internal = false) => ({ address, family: "IPv6", internal });

  test("are IPv4, then IPv6, then the loopback; link-local ones are left out", () => {
    const all = [v4("127.0.0.1", true), v6("::1", true), v6("2001:db8::5"), v6("fe80::1"), v4("169.254.3.4"), v4("192.168.1.5")];
    expect(chooseAddresses(all)).toEqual(["192.168.1.5", "2001:db8::5", "127.0.0.1"]);
  });

  test("are told once each, and no more than 16", () => {
    const many = Array.from({ length: 50 }, (_, i) => v4(`10.0.0.${i}`));
    expect(chooseAddresses([...many, v4("127.0.0.1", true)]).length).toBe(16);
    expect(chooseAddresses([v4("10.0.0.1"), v4("10.0.0.1")])).toEqual(["10.0.0.1"]);
  });
});

describe("the network watch", () => {
  const sight = { addresses: "10.0.0.1", now: 1_000, date: 500_000 };

  test("sees another address, and a gap in either clock; not a late timer or a calendar set back", () => {
    const later = { ...sight, now: 4_000, date: 503_000 };
    expect(networkChanged(sight, later, 3_000)).toBe(false);
    expect(networkChanged(sight, { ...later, addresses: "10.0.0.2" }, 3_000)).toBe(true);
    expect(networkChanged(sight, { ...later, date: 520_000 }, 3_000)).toBe(true);
    expect(networkChanged(sight, { ...later, now: 20_000 }, 3_000)).toBe(true);
    expect(networkChanged(sight, { ...later, now: 9_000, date: 508_000 }, 3_000)).toBe(false);
    expect(networkChanged(sight, { ...later, date: 0 }, 3_000)).toBe(false);
  });

  test("calls back once per change and stops when it is told to", () => {
    let time = 0;
    let timers: (() => void)[] = [];
    const clock: Clock = {
      now: () => time,
      date: () => time,
      after: (_delay, callback) => {
        timers.push(callback);
        return { cancel: () => (timers = timers.filter((one) => one !== callback)) };
      },
      defer: () => undefined,
    };
    const tick = (ms: number): void => {
      time += ms;
      for (const timer of timers.splice(0)) timer();
    };
    let addresses = ["10.0.0.1"];
    let calls = 0;
    const stop = watchNetwork(
      clock,
      () => addresses,
      () => calls++,
    );
    tick(3_000);
    expect(calls).toBe(0);
    addresses = ["10.0.0.2"];
    tick(3_000);
    tick(3_000);
    expect(calls).toBe(1);
    tick(60_000);
    expect(calls).toBe(2);
    stop();
    expect(timers).toEqual([]);
  });
});

describe("errors of sockets", () => {
  const system = (code: string): Error => Object.assign(new Error(`connect ${code} 10.0.0.1:80`), { code });

  test.each([
    ["ECONNREFUSED", "ERR_DIAL_REFUSED"],
    ["ENOTFOUND", "ERR_DIAL_NAME"],
    ["EAI_AGAIN", "ERR_DIAL_NAME"],
    ["EHOSTUNREACH", "ERR_DIAL_UNREACHABLE"],
    ["ENETUNREACH", "ERR_DIAL_UNREACHABLE"],
    ["ETIMEDOUT", "ERR_DIAL_TIMEOUT"],
    ["ESOMETHING", "ERR_DIAL_FAILED"],
  ])("a dial that ends with %s is %s", (from, to) => {
    const error = dialError(system(from), "10.0.0.1:80");
    expect(error.code).toBe(to);
    expect(error.message).toContain("10.0.0.1:80");
    expect(error.message).toContain(ERROR_CODES[error.code].text);
  });

  test("the first of several addresses decides", () => {
    expect(dialError(new AggregateError([system("ENETUNREACH"), system("ECONNREFUSED")]), "x:1").code).toBe(
      "ERR_DIAL_UNREACHABLE",
    );
  });

  test("of listening and of open links have codes of their own", () => {
    expect(listenError(system("EADDRINUSE"), 80).code).toBe("ERR_LISTEN_IN_USE");
    expect(listenError(system("EACCES"), 80).message).toMatch(/port 80.*EACCES/);
    expect(listenError(system("EACCES"), 80).code).toBe("ERR_LISTEN_FAILED");
    expect(brokenError(system("ECONNRESET")).code).toBe("ERR_CLOSED_ABORTED");
    expect(brokenError(system("EPIPE")).code).toBe("ERR_CLOSED_ABORTED");
    expect(brokenError(system("ETIMEDOUT")).code).toBe("ERR_CLOSED_TIMEOUT");
  });
});

describe("a dial URL", () => {
  test.each([
    ["tcp://192.0.2.1:80", { scheme: "tcp", host: "192.0.2.1", port: 80 }],
    ["WS://[2001:db8::1]:65535/", { scheme: "ws", host: "2001:db8::1", port: 65_535 }],
    ["wss://relay.example/path?x=1", { scheme: "wss", host: "relay.example", port: null }],
  ])("%s", (url, target) => {
    expect(parseDialUrl(url)).toEqual(target);
  });

  test.each([
    ["", "ERR_ADDRESS_INVALID"],
    ["192.0.2.1:80", "ERR_ADDRESS_INVALID"],
    ["tcp://:80", "ERR_ADDRESS_INVALID"],
    ["tcp://a b:80", "ERR_ADDRESS_INVALID"],
    ["tcp://user@host:80", "ERR_ADDRESS_INVALID"],
    ["tcp://host:8o", "ERR_ADDRESS_INVALID"],
    ["tcp://host:0", "ERR_PORT_INVALID"],
    ["tcp://host:65536", "ERR_PORT_INVALID"],
    [`tcp://${"a".repeat(4000)}:80`, "ERR_ADDRESS_INVALID"],
  ])("%s is refused", (url, code) => {
    expect(() => parseDialUrl(url)).toThrow(expect.objectContaining({ code }));
  });

  test("puts brackets around IPv6 only", () => {
    expect(formatEndpoint("::1", 1)).toBe("[::1]:1");
    expect(formatEndpoint("10.0.0.1", 1)).toBe("10.0.0.1:1");
  });
});
