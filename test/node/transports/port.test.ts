import { once } from "node:events";
import { request } from "node:http";
import { createConnection, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { checkUpgrade } from "../../../src/node/http-upgrade.js";
import { sniff } from "../../../src/node/sniff.js";
import { dialTcp } from "../../../src/node/tcp-transport.js";
import { dialWebSocket } from "../../../src/node/websocket-transport.js";
import { Heard, live, onTheWire, Port, PREAMBLE, pattern, received } from "./support.js";

const ports: Port[] = [];
async function openPort(...args: Parameters<typeof Port.open>): Promise<Port> {
  const port = await Port.open(...args);
  ports.push(port);
  return port;
}
afterEach(async () => {
  for (const port of ports.splice(0)) {
    for (const link of port.links) link.close();
    await port.listener.close();
  }
});

/** Writes bytes to the port and gives back what it answers until it hangs up. */
async function answerTo(port: Port, bytes: string | Uint8Array): Promise<string> {
  const socket = await port.socket();
  const answer = received(socket);
  socket.write(bytes);
  return (await answer).toString("latin1");
}

/** Whether the port still serves both kinds of link. */
async function stillServes(port: Port): Promise<void> {
  const before = port.links.length;
  const raw = new Heard(await dialTcp(`tcp://127.0.0.1:${port.number}`, live()));
  raw.link.send(PREAMBLE);
  const web = new Heard(await dialWebSocket(`ws://127.0.0.1:${port.number}`, live()));
  web.link.send(PREAMBLE);
  const far = [new Heard(await port.nextLink()), new Heard(await port.nextLink())];
  for (const one of far) await one.until(({ frames }) => frames.length === 1);
  expect(far.map((one) => one.link.kind).sort()).toEqual(["tcp", "websocket"]);
  for (const one of [raw, web]) {
    one.link.close();
    expect(await one.closed).toBeNull();
  }
  for (const one of far) expect(await one.closed).toBeNull();
  expect(port.links.length).toBe(before);
}

const UPGRADE = [
  "GET / HTTP/1.1",
  "Host: x",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "",
  "",
].join("\r\n");

describe("the first bytes", () => {
  test.each([
    ["a preamble", [0, 40, 0x4c, 0x4e], "raw"],
    ["a longer first frame", [3, 0xff, 0x4c, 0x4e, 1], "raw"],
    ["half a preamble", [0, 40, 0x4c], "more"],
    ["one byte of a length", [0], "more"],
    ["GET", [0x47], "http"],
    ["a TLS ClientHello", [0x16], "refuse"],
    ["a first frame above 1,023 bytes", [4], "refuse"],
    ["zeros", [0, 0], "refuse"],
    ["another magic", [0, 40, 0x4c, 0x4f], "refuse"],
    ["a lower-case letter", [0x67], "refuse"],
  ] as const)("%s", (_name, bytes, verdict) => {
    expect(sniff(Uint8Array.from(bytes))).toBe(verdict);
  });
});

describe("one port", () => {
  test("serves raw links and WebSockets side by side", async () => {
    await stillServes(await openPort());
  });

  test("serves a WebSocket whose request comes byte by byte", async () => {
    const port = await openPort();
    const socket = await port.socket();
    for (const character of UPGRADE) {
      socket.write(character);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [head] = (await once(socket, "data")) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1\.1 101 /);
    const link = new Heard(await port.nextLink());
    socket.write(Buffer.of(0x82, 0x81, 0, 0, 0, 0, 7));
    await link.until(({ frames }) => frames.length === 1);
    expect(link.frames).toEqual([Uint8Array.of(7)]);
    socket.destroy();
    expect(await link.closed).toMatchObject({ code: "ERR_CLOSED_ABORTED" });
  });

  test("serves a WebSocket message that came along with the request", async () => {
    const port = await openPort();
    const socket = await port.socket();
    socket.write(Buffer.concat([Buffer.from(UPGRADE), Buffer.of(0x82, 0x81, 0, 0, 0, 0, 9)]));
    const link = new Heard(await port.nextLink());
    await link.until(({ frames }) => frames.length === 1);
    expect(link.frames).toEqual([Uint8Array.of(9)]);
    link.link.close();
    socket.destroy();
  });

  test("accepts only the kinds that it was asked to", async () => {
    const rawOnly = await openPort({ acceptWebSocket: false });
    expect(rawOnly.listener.addresses()).toEqual([`tcp://127.0.0.1:${rawOnly.number}`]);
    await expect(dialWebSocket(`ws://127.0.0.1:${rawOnly.number}`, live())).rejects.toMatchObject({ retryable: true });
    const webOnly = await openPort({ acceptRaw: false });
    expect(webOnly.listener.addresses()).toEqual([`ws://127.0.0.1:${webOnly.number}`]);
    expect(await answerTo(webOnly, onTheWire(PREAMBLE))).toBe("");
  });

  test("hangs up on 64 MiB of zeros, a TLS ClientHello and noise, without a byte in return", async () => {
    const port = await openPort();
    const socket = await port.socket();
    const answer = received(socket);
    const zeros = Buffer.alloc(64 * 1024);
    for (let sent = 0; sent < 64 * 1024 * 1024 && !socket.destroyed; sent += zeros.length) {
      if (!socket.write(zeros)) await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), answer]);
    }
    expect((await answer).length).toBe(0);
    expect(await answerTo(port, Buffer.from("16030100c8010000c40303", "hex"))).toBe("");
    expect(await answerTo(port, Buffer.from("ff00ff00", "hex"))).toBe("");
    expect(await answerTo(port, onTheWire(Uint8Array.of(0x4c, 0x4f, 1, 1)))).toBe("");
    expect(port.links.length).toBe(0);
    await stillServes(port);
  });

  test("answers HTTP that is no upgrade in short, and goes on", async () => {
    const port = await openPort();
    const get = await answerTo(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(get).toMatch(/^HTTP\/1\.1 426 /);
    expect(get).toMatch(/connection: close/i);
    expect(get).not.toMatch(/server:|date:|node/i);
    expect(get.length).toBeLessThan(200);
    expect(await answerTo(port, `POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello`)).toMatch(/^HTTP\/1\.1 426 /);
    expect(await answerTo(port, "GET nonsense\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await answerTo(port, "AAAAAAAA\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await answerTo(port, "G\0\0\0\0\0")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await answerTo(port, "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n")).toBe("");
    expect(await answerTo(port, UPGRADE.replace("GET / ", "GET /other "))).toMatch(/^HTTP\/1\.1 404 /);
    expect(await answerTo(port, UPGRADE.replace("Version: 13", "Version: 7"))).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(await answerTo(port, UPGRADE.replace(/Sec-WebSocket-Key.*\r\n/, ""))).toMatch(/^HTTP\/1\.1 400 /);
    expect(await answerTo(port, UPGRADE.replace("websocket", "h2c"))).toMatch(/^HTTP\/1\.1 4\d\d /);
    await stillServes(port);
  });

  test("refuses a header of 64 KiB and 2,000 headers with 431", async () => {
    const port = await openPort();
    expect(await answerTo(port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(65_536)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
    const many = Array.from({ length: 2_000 }, (_, i) => `X-${i}: y\r\n`).join("");
    expect(await answerTo(port, `GET / HTTP/1.1\r\nHost: x\r\n${many}\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
    await stillServes(port);
  });

  test("serves pages of any origin, as the handshake proves keys and not pages", async () => {
    expect(checkUpgrade({ method: "GET", url: "/", headers: { origin: "https://elsewhere.example" } })).toBeNull();
    expect(checkUpgrade({ method: "GET", url: "/admin", headers: {} })).toMatch(/^404/);
    expect(checkUpgrade({ method: "POST", url: "/", headers: {} })).toMatch(/^405/);
  });

  test.each([
    ["nothing at all", ""],
    ["one byte of a length", "\0"],
    ["half a request", "GET / HTTP/1.1\r\nHost: x\r\n"],
    ["half a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc"],
  ])("closes a socket that brings %s before the deadline", async (_name, bytes) => {
    const port = await openPort({ pendingDeadlineMs: 80 });
    const started = performance.now();
    await answerTo(port, bytes);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(port.links.length).toBe(0);
  });

  test("keeps an absolute deadline against one byte at a time", async () => {
    const port = await openPort({ pendingDeadlineMs: 150 });
    const socket = await port.socket();
    socket.write("GET / HTTP/1.1\r\nX: ");
    let dripped = 0;
    const drip = setInterval(() => {
      dripped++;
      socket.write("a");
    }, 20);
    await received(socket);
    clearInterval(drip);
    expect(dripped).toBeGreaterThan(2);
    await stillServes(port);
  });

  test("does not close a WebSocket at the deadline", async () => {
    const port = await openPort({ pendingDeadlineMs: 60 });
    const near = new Heard(await dialWebSocket(`ws://127.0.0.1:${port.number}`, live()));
    const far = new Heard(await port.nextLink());
    // Outlived by a socket that came later and was closed at its own deadline.
    await answerTo(port, "");
    near.link.send(pattern(5));
    await far.until(({ frames }) => frames.length === 1);
    near.link.close();
    await far.closed;
  });

  test("holds no more idle sockets than its limit, and still serves others", async () => {
    const port = await openPort({ maxPendingSockets: 256 });
    let closed = 0;
    const idle: Socket[] = [];
    for (let i = 0; i < 300; i++) {
      const socket = await port.socket();
      socket.on("close", () => closed++);
      socket.resume();
      idle.push(socket);
    }
    while (closed < 44) await new Promise((resolve) => setImmediate(resolve));
    expect(idle.slice(0, 44).every((socket) => socket.destroyed)).toBe(true);
    await stillServes(port);
    expect(closed).toBeLessThanOrEqual(46);
    for (const socket of idle) socket.destroy();
  });

  test("closes what was pending when it is closed", async () => {
    const port = await openPort();
    const idle = await port.socket();
    const http = await port.socket();
    http.write("GET / HTTP/1.1\r\n");
    await new Promise((resolve) => setImmediate(resolve));
    const ends = [received(idle), received(http)];
    await port.listener.close();
    await Promise.all(ends);
    const refused = createConnection({ port: port.number, host: "127.0.0.1" });
    const [error] = (await once(refused, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  });

  test("tells the error callback when the owner of a link throws, and goes on", async () => {
    const port = await openPort({
      onLink: () => {
        throw new Error("no room");
      },
    });
    const near = new Heard(await dialTcp(`tcp://127.0.0.1:${port.number}`, live()));
    near.link.send(PREAMBLE);
    await near.closed;
    expect(port.errors).toMatchObject([{ message: "no room" }]);
  });

  test("answers node's own HTTP client", async () => {
    const port = await openPort();
    const call = request({ port: port.number, host: "127.0.0.1" });
    call.end();
    const [response] = await once(call, "response");
    expect(response.statusCode).toBe(426);
    response.resume();
  });
});
