import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { browserClock } from "../../src/browser/clock.js";
import { openRelaySocket } from "../../src/browser/relay-socket.js";
import { browserRuntime } from "../../src/browser/runtime.js";
import { dialWebSocket } from "../../src/browser/websocket-transport.js";
import { Heard, live, Port, pattern } from "../node/transports/support.js";

// The WebSocket of `ws` has the browser's interface too, so the browser's files run here over real sockets.
beforeEach(() => void vi.stubGlobal("WebSocket", WebSocket));
afterEach(() => void vi.unstubAllGlobals());
const clock = browserClock();

async function pair(): Promise<{ port: Port; near: Heard; far: Heard }> {
  const port = await Port.open();
  const near = new Heard(await dialWebSocket(`ws://127.0.0.1:${port.number}`, live(), clock));
  return { port, near, far: new Heard(await port.nextLink()) };
}

describe("the browser's websocket link", () => {
  test("carries frames of all sizes whole, in order, both ways, and closes in good order", async () => {
    const { port, near, far } = await pair();
    const frames = [1, 126, 16_384, 65_535, 2].map((length, i) => pattern(length, i));
    for (const frame of frames) {
      near.link.send(frame.slice());
      far.link.send(frame.slice());
    }
    await near.until((heard) => heard.frames.length === frames.length);
    near.link.close();
    near.link.close();
    expect(await far.closed).toBeNull();
    expect(await near.closed).toBeNull();
    expect(near.frames).toEqual(frames);
    expect(far.frames).toEqual(frames);
    expect([near.ends, far.ends]).toEqual([1, 1]);
    await port.listener.close();
  });

  test("says stop at its high-water mark, and says when to go on", async () => {
    const { port, near, far } = await pair();
    let sent = 1;
    while (near.link.send(pattern(65_000))) {
      if (++sent > 2_000) throw new Error("never said stop");
    }
    await near.until((heard) => heard.drains === 1);
    await far.until((heard) => heard.frames.length === sent);
    near.link.close();
    await far.closed;
    await port.listener.close();
  });

  test.each([
    ["text", "hello", "ERR_FRAME_MALFORMED"],
    ["an empty message", new Uint8Array(0), "ERR_FRAME_MALFORMED"],
    ["65,536 bytes", new Uint8Array(65_536), "ERR_FRAME_TOO_LARGE"],
  ])("refuses %s", async (_name, message, code) => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    server.on("connection", (peer) => peer.on("message", () => peer.send(message)));
    const heard = new Heard(await dialWebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, live(), clock));
    heard.link.send(Uint8Array.of(1));
    expect(await heard.closed).toMatchObject({ code });
    expect(heard.frames).toEqual([]);
    server.close();
  });

  test("reports a cut connection as a cut, once", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    server.on("connection", (peer) => setImmediate(() => peer.terminate()));
    const heard = new Heard(await dialWebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, live(), clock));
    expect(await heard.closed).toMatchObject({ code: "ERR_CLOSED_ABORTED" });
    expect(heard.ends).toBe(1);
    server.close();
  });

  test("ends after a second even when the other side never answers the close", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    server.on("connection", (peer) => peer.pause());
    const heard = new Heard(await dialWebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, live(), clock));
    const started = performance.now();
    heard.link.close();
    expect(await heard.closed).toBeNull();
    expect(performance.now() - started).toBeLessThan(2_000);
    for (const peer of server.clients) peer.terminate();
    server.close();
  });
});

describe("dialling from a page", () => {
  test("fails with a sentence that helps", async () => {
    await expect(dialWebSocket("ws://127.0.0.1:1", live(), clock)).rejects.toMatchObject({
      code: "ERR_DIAL_FAILED",
      message: expect.stringContaining("ws://127.0.0.1:1"),
    });
    await expect(dialWebSocket("ws://127.0.0.1:0", live(), clock)).rejects.toMatchObject({ code: "ERR_PORT_INVALID" });
    await expect(dialWebSocket("tcp://127.0.0.1:80", live(), clock)).rejects.toMatchObject({ code: "ERR_ADDRESS_INVALID" });
  });

  test("explains what a page from https may not do", async () => {
    vi.stubGlobal("WebSocket", function refuses() {
      throw new DOMException("An insecure WebSocket connection may not be initiated", "SecurityError");
    });
    await expect(dialWebSocket("ws://192.0.2.1:80", live(), clock)).rejects.toMatchObject({
      code: "ERR_DIAL_FORBIDDEN",
      message: expect.stringContaining("https://"),
    });
  });

  test("rejects with the signal's reason", async () => {
    const silent = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const abort = new AbortController();
    const dial = dialWebSocket(`ws://127.0.0.1:${(silent.address() as AddressInfo).port}`, { signal: abort.signal }, clock);
    abort.abort(new Error("too slow"));
    await expect(dial).rejects.toThrow("too slow");
    silent.close();
  });
});

describe("the browser's relay socket", () => {
  test("passes frames and the close code on", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    server.on("connection", (peer) => {
      peer.on("message", (data) => {
        peer.send(data);
        peer.close(4001, "enough");
      });
    });
    const frames: Uint8Array[] = [];
    const closed = new Promise<[number, string]>((resolve) => {
      const handlers = {
        frame: (frame: Uint8Array) => frames.push(frame),
        closed: (code: number, reason: string) => resolve([code, reason]),
      };
      void openRelaySocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, handlers, live().signal).then((socket) =>
        socket.send(Uint8Array.of(1, 2)),
      );
    });
    expect(await closed).toEqual([4001, "enough"]);
    expect(frames).toEqual([Uint8Array.of(1, 2)]);
    server.close();
    await expect(openRelaySocket("ws://127.0.0.1:1", { frame: vi.fn(), closed: vi.fn() }, live().signal)).rejects.toMatchObject({
      code: "ERR_RELAY_UNAVAILABLE",
    });
  });
});

describe("the browser runtime", () => {
  test("brings websocket, and webrtc only where there is one", () => {
    const runtime = browserRuntime();
    expect(runtime.transports.map(({ kind }) => kind)).toEqual(["websocket"]);
    expect(runtime.transports[0]?.listen).toBeUndefined();
    expect(browserRuntime({ disableTransports: ["websocket"] }).transports).toEqual([]);
    expect(runtime.localAddresses()).toEqual([]);
    expect(runtime.random.bytes(200_000).length).toBe(200_000);
    expect(runtime.random.bytes(0).length).toBe(0);
  });

  test("asks the WebRTC that it is given, unless that is switched off", () => {
    const transport = { kind: "webrtc", schemes: [], rank: 40 };
    const iceServers = [{ urls: "stun:stun.example" }];
    const webrtc = vi.fn(() => transport);
    expect(browserRuntime({ iceServers }, webrtc).transports).toContain(transport);
    expect(webrtc).toHaveBeenCalledWith(expect.objectContaining({ iceServers }));
    expect(browserRuntime({}, () => null).transports.map(({ kind }) => kind)).toEqual(["websocket"]);
    webrtc.mockClear();
    browserRuntime({ disableTransports: ["webrtc"] }, webrtc);
    expect(webrtc).not.toHaveBeenCalled();
  });

  test("defers until after the promises of this turn, in order, and one that throws holds back none", async () => {
    const order: string[] = [];
    const caught = new Promise<unknown>((resolve) => {
      const listeners = process.listeners("uncaughtException");
      process.removeAllListeners("uncaughtException");
      process.once("uncaughtException", (error) => {
        for (const listener of listeners) process.on("uncaughtException", listener);
        resolve(error);
      });
    });
    const done = new Promise<void>((resolve) => {
      clock.defer(() => {
        order.push("first");
        throw new Error("a fault of the first");
      });
      clock.defer(() => {
        order.push("second");
        resolve();
      });
    });
    await Promise.resolve();
    order.push("promise");
    await done;
    expect(order).toEqual(["promise", "first", "second"]);
    expect(await caught).toMatchObject({ message: "a fault of the first" });
  });
});
