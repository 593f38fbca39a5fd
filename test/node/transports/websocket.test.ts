import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { openRelaySocket } from "../../../src/node/relay-socket.js";
import { dialWebSocket } from "../../../src/node/websocket-transport.js";
import { Heard, live, Port, pattern } from "./support.js";

const ports: Port[] = [];
async function openPort(): Promise<Port> {
  const port = await Port.open();
  ports.push(port);
  return port;
}
afterEach(async () => {
  for (const port of ports.splice(0)) {
    for (const link of port.links) link.close();
    await port.listener.close();
  }
});

/** A link at the port, and a bare WebSocket at its other end that misbehaves as it is told. */
async function bareClient(): Promise<{ socket: WebSocket; heard: Heard }> {
  const port = await openPort();
  const socket = new WebSocket(`ws://127.0.0.1:${port.number}`);
  socket.on("error", () => undefined);
  await once(socket, "open");
  return { socket, heard: new Heard(await port.nextLink()) };
}

describe("a websocket link", () => {
  test("carries frames of all sizes whole, in order, both ways, and closes in good order", async () => {
    const port = await openPort();
    const near = new Heard(await dialWebSocket(`ws://127.0.0.1:${port.number}`, live()));
    const far = new Heard(await port.nextLink());
    const frames = [1, 125, 126, 16_384, 65_535, 4].map((length, i) => pattern(length, i));
    for (const frame of frames) {
      near.link.send(frame.slice());
      far.link.send(frame.slice());
    }
    near.link.close();
    near.link.close();
    expect(await far.closed).toBeNull();
    expect(await near.closed).toBeNull();
    expect(far.frames).toEqual(frames);
    expect([near.ends, far.ends]).toEqual([1, 1]);
    expect(near.link.remoteAddress).toBe(`ws://127.0.0.1:${port.number}`);
    expect(far.link.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test("holds frames back until it is attached", async () => {
    const port = await openPort();
    const near = await dialWebSocket(`ws://127.0.0.1:${port.number}`, live());
    const far = new Heard(await port.nextLink());
    for (let i = 0; i < 40; i++) far.link.send(pattern(10_000, i));
    await new Promise((resolve) => setImmediate(resolve));
    const heard = new Heard(near);
    await heard.until(({ frames }) => frames.length === 40);
    heard.link.close();
    expect(await far.closed).toBeNull();
  });

  test("refuses a text message", async () => {
    const { socket, heard } = await bareClient();
    socket.send("hello");
    expect(await heard.closed).toMatchObject({ code: "ERR_FRAME_MALFORMED" });
    expect(heard.frames).toEqual([]);
    if (socket.readyState !== socket.CLOSED) expect((await once(socket, "close"))[0]).toBe(1003);
  });

  test("refuses an empty message", async () => {
    const { socket, heard } = await bareClient();
    socket.send(new Uint8Array(0));
    expect(await heard.closed).toMatchObject({ code: "ERR_FRAME_MALFORMED" });
  });

  test("refuses a message above 65,535 bytes, in one piece or in many", async () => {
    const whole = await bareClient();
    whole.socket.send(new Uint8Array(65_536));
    expect(await whole.heard.closed).toMatchObject({ code: "ERR_FRAME_TOO_LARGE" });
    const pieces = await bareClient();
    for (let i = 0; i < 3; i++) pieces.socket.send(new Uint8Array(30_000), { fin: false });
    expect(await pieces.heard.closed).toMatchObject({ code: "ERR_FRAME_TOO_LARGE" });
  });

  test("survives frames that no WebSocket would send", async () => {
    const { socket, heard } = await bareClient();
    // A frame header that announces 2^63 bytes.
    (socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(
      Buffer.from("82ff7fffffffffffffff00000000", "hex"),
    );
    expect(await heard.closed).toMatchObject({ code: expect.stringMatching(/^ERR_FRAME_/) });
  });

  test("reports a cut connection as a cut, once", async () => {
    const { socket, heard } = await bareClient();
    socket.terminate();
    expect(await heard.closed).toMatchObject({ code: "ERR_CLOSED_ABORTED" });
    expect(heard.ends).toBe(1);
  });

  test("says stop when the reader stands still, and says when to go on", async () => {
    const { socket, heard } = await bareClient();
    socket.pause();
    let sent = 1;
    while (heard.link.send(pattern(65_000))) {
      if (++sent > 2_000) throw new Error("never said stop");
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(heard.drains).toBe(0);
    let count = 0;
    socket.on("message", () => count++);
    socket.resume();
    await heard.until(({ drains }) => drains === 1);
    heard.link.close();
    expect(await heard.closed).toBeNull();
    expect(count).toBe(sent);
  });

  test("gives up on a peer that never reads when it is closed", async () => {
    const { socket, heard } = await bareClient();
    socket.pause();
    for (let i = 0; i < 2_000 && heard.link.send(pattern(65_000)); i++) await new Promise((resolve) => setImmediate(resolve));
    heard.link.close();
    expect(await heard.closed).toBeNull();
    socket.terminate();
  });
});

describe("dialling a WebSocket", () => {
  test("fails with a code of its own for each fault", async () => {
    const http = createServer((_request, response) => response.writeHead(500).end()).listen(0, "127.0.0.1");
    await once(http, "listening");
    const { port } = http.address() as AddressInfo;
    await expect(dialWebSocket(`ws://127.0.0.1:${port}`, live())).rejects.toMatchObject({ code: "ERR_DIAL_FAILED" });
    http.close();
    http.closeAllConnections();
    await once(http, "close");
    await expect(dialWebSocket(`ws://127.0.0.1:${port}`, live())).rejects.toMatchObject({ code: "ERR_DIAL_REFUSED" });
    await expect(dialWebSocket("ws://no-such-host.invalid", live())).rejects.toMatchObject({ code: "ERR_DIAL_NAME" });
    await expect(dialWebSocket("ws://127.0.0.1:0", live())).rejects.toMatchObject({ code: "ERR_PORT_INVALID" });
    await expect(dialWebSocket("ws://127.0.0.1:99999", live())).rejects.toMatchObject({ code: "ERR_PORT_INVALID" });
    await expect(dialWebSocket("http://127.0.0.1:80", live())).rejects.toMatchObject({ code: "ERR_ADDRESS_INVALID" });
  });

  test("rejects with the signal's reason and leaves nothing open", async () => {
    const silent = createServer()
      .on("upgrade", () => undefined)
      .listen(0, "127.0.0.1");
    await once(silent, "listening");
    const later = new AbortController();
    const dial = dialWebSocket(`ws://127.0.0.1:${(silent.address() as AddressInfo).port}`, { signal: later.signal });
    const [, socket] = await once(silent, "upgrade");
    later.abort(new Error("too slow"));
    await expect(dial).rejects.toThrow("too slow");
    socket.resume();
    await once(socket, "end");
    socket.destroy();
    silent.close();
  });
});

describe("a relay socket", () => {
  test("gives the first frame only once the caller holds the socket, then frames and the close code", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    server.on("connection", (peer) => {
      peer.send(Uint8Array.of(1, 2, 3));
      peer.on("message", (data) => {
        peer.send(data);
        peer.close(4001, "enough");
      });
    });
    const frames: Uint8Array[] = [];
    let held = false;
    let early = false;
    const closed = new Promise<[number, string]>((resolve) => {
      void openRelaySocket(
        `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
        {
          frame: (frame) => {
            early ||= !held;
            frames.push(frame);
          },
          closed: (code, reason) => resolve([code, reason]),
        },
        live().signal,
      ).then((socket) => {
        held = true;
        socket.send(Uint8Array.of(9));
        expect(socket.bufferedBytes).toBeGreaterThanOrEqual(0);
      });
    });
    expect(await closed).toEqual([4001, "enough"]);
    expect(early).toBe(false);
    expect(frames).toEqual([Uint8Array.of(1, 2, 3), Uint8Array.of(9)]);
    server.close();
  });

  test("says that the relay is unavailable when it is down", async () => {
    const handlers = { frame: () => undefined, closed: () => undefined };
    await expect(openRelaySocket("ws://127.0.0.1:1", handlers, live().signal)).rejects.toMatchObject({
      code: "ERR_RELAY_UNAVAILABLE",
    });
    const gone = AbortSignal.abort(new Error("stopped"));
    await expect(openRelaySocket("ws://127.0.0.1:1", handlers, gone)).rejects.toThrow("stopped");
  });

  test.each([
    ["a text frame", "text", 1003],
    ["a message above its limit", new Uint8Array(200_000), 1009],
  ])("closes on %s", async (_name, message, code) => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    const seen = new Promise<number>((resolve) => {
      server.on("connection", (peer) => {
        peer.on("close", resolve);
        peer.send(message);
      });
    });
    let frames = 0;
    const closed = new Promise<void>((resolve) => {
      const handlers = { frame: () => frames++, closed: () => resolve() };
      void openRelaySocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, handlers, live().signal);
    });
    expect(await seen).toBe(code);
    await closed;
    expect(frames).toBe(0);
    server.close();
  });
});
