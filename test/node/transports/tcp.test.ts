import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { dialTcp, tcpTransport } from "../../../src/node/tcp-transport.js";
import { Heard, live, onTheWire, Port, PREAMBLE, pattern } from "./support.js";

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

/** Both ends of one raw link; the first frame, which opens it, has been read. */
async function pair(): Promise<{ near: Heard; far: Heard }> {
  const port = await openPort();
  const near = new Heard(await dialTcp(`tcp://127.0.0.1:${port.number}`, live()));
  near.link.send(PREAMBLE);
  const far = new Heard(await port.nextLink());
  await far.until(({ frames }) => frames.length === 1);
  far.frames.length = 0;
  return { near, far };
}

describe("a tcp link", () => {
  test("carries frames of all sizes whole, in order, both ways", async () => {
    const { near, far } = await pair();
    const frames = [1, 2, 255, 256, 1024, 16_384, 65_534, 65_535, 3].map((length, i) => pattern(length, i));
    for (const frame of frames) {
      near.link.send(frame);
      far.link.send(frame);
    }
    await near.until((heard) => heard.frames.length === frames.length);
    await far.until((heard) => heard.frames.length === frames.length);
    expect(near.frames).toEqual(frames);
    expect(far.frames).toEqual(frames);
    expect(far.frames[0]?.constructor).toBe(Uint8Array);
    near.link.close();
    expect(await near.closed).toBeNull();
    expect(await far.closed).toBeNull();
  });

  test("delivers what was sent before close, and tells the end once", async () => {
    const { near, far } = await pair();
    for (let i = 0; i < 20; i++) near.link.send(pattern(60_000, i));
    near.link.close();
    near.link.close();
    expect(await far.closed).toBeNull();
    expect(far.frames.length).toBe(20);
    expect(await near.closed).toBeNull();
    expect([near.ends, far.ends]).toEqual([1, 1]);
    expect(near.link.send(pattern(1))).toBe(false);
  });

  test("accepts a first frame that comes byte by byte", async () => {
    const port = await openPort();
    const socket = await port.socket();
    const frames = [PREAMBLE, pattern(40, 2)];
    for (const byte of Buffer.concat(frames.map(onTheWire))) {
      socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const heard = new Heard(await port.nextLink());
    await heard.until((one) => one.frames.length === 2);
    expect(heard.frames).toEqual(frames);
    socket.end();
    expect(await heard.closed).toBeNull();
  });

  test("reports an end inside a frame as a cut, and gives no partial frame", async () => {
    const port = await openPort();
    for (const cut of [1, 2, 3, 9]) {
      const socket = await port.socket();
      socket.write(onTheWire(PREAMBLE));
      const heard = new Heard(await port.nextLink());
      await heard.until((one) => one.frames.length === 1);
      socket.end(onTheWire(pattern(10)).subarray(0, cut));
      expect(await heard.closed).toMatchObject({ code: "ERR_CLOSED_ABORTED" });
      expect(heard.frames.length).toBe(1);
      expect(heard.ends).toBe(1);
    }
  });

  test("reports a reset as a cut, once", async () => {
    const port = await openPort();
    const socket = await port.socket();
    socket.write(onTheWire(PREAMBLE));
    const heard = new Heard(await port.nextLink());
    await heard.until((one) => one.frames.length === 1);
    socket.resetAndDestroy();
    expect(await heard.closed).toMatchObject({ code: "ERR_CLOSED_ABORTED" });
    expect(heard.ends).toBe(1);
  });

  test("refuses a frame of length 0 and closes", async () => {
    const port = await openPort();
    const socket = await port.socket();
    socket.write(Buffer.concat([onTheWire(PREAMBLE), Buffer.of(0, 0), onTheWire(pattern(5))]));
    const heard = new Heard(await port.nextLink());
    expect(await heard.closed).toMatchObject({ code: "ERR_FRAME_MALFORMED" });
    expect(heard.frames.length).toBe(1);
    if (!socket.closed) await once(socket, "close");
  });

  test("says stop when the reader stands still, holds a bounded amount, and says when to go on", async () => {
    const port = await openPort();
    const socket = await port.socket();
    socket.pause();
    socket.write(onTheWire(PREAMBLE));
    const heard = new Heard(await port.nextLink());
    const frame = pattern(65_000);
    let sent = 0;
    // The kernel's buffers take a few MiB before the link notices.
    while (heard.link.send(frame)) {
      if (++sent > 2_000) throw new Error("never said stop");
      await new Promise((resolve) => setImmediate(resolve));
    }
    sent++;
    expect(heard.drains).toBe(0);
    let bytes = 0;
    socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    socket.resume();
    await heard.until((one) => one.drains === 1);
    expect(heard.link.send(frame)).toBe(true);
    heard.link.close();
    await once(socket, "end");
    expect(bytes).toBe((sent + 1) * 65_002);
  });

  test("gives up on a peer that never reads when it is closed", async () => {
    const port = await openPort();
    const socket = await port.socket();
    socket.pause();
    socket.write(onTheWire(PREAMBLE));
    const heard = new Heard(await port.nextLink());
    for (let i = 0; i < 2_000 && heard.link.send(pattern(65_000)); i++) await new Promise((resolve) => setImmediate(resolve));
    heard.link.close();
    expect(await heard.closed).toBeNull();
    socket.destroy();
  });

  test("names the other end", async () => {
    const { near, far } = await pair();
    expect(near.link.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(far.link.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(near.link.binding.length).toBe(0);
    near.link.close();
  });
});

describe("dialling tcp", () => {
  test("fails with a code of its own for each fault", async () => {
    const closed: Server = createServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port } = closed.address() as { port: number };
    closed.close();
    await expect(dialTcp(`tcp://127.0.0.1:${port}`, live())).rejects.toMatchObject({ code: "ERR_DIAL_REFUSED" });
    await expect(dialTcp("tcp://no-such-host.invalid:80", live())).rejects.toMatchObject({ code: "ERR_DIAL_NAME" });
    await expect(dialTcp("tcp://127.0.0.1:0", live())).rejects.toMatchObject({ code: "ERR_PORT_INVALID" });
    await expect(dialTcp("tcp://127.0.0.1:65536", live())).rejects.toMatchObject({ code: "ERR_PORT_INVALID" });
    await expect(dialTcp("tcp://127.0.0.1", live())).rejects.toMatchObject({ code: "ERR_ADDRESS_INVALID" });
    await expect(dialTcp("tcp://", live())).rejects.toMatchObject({ code: "ERR_ADDRESS_INVALID" });
  });

  test("tries the other addresses of a name when one refuses", async () => {
    const port = await openPort({ host: "127.0.0.1" });
    const link = await dialTcp(`tcp://localhost:${port.number}`, live());
    expect(link.remoteAddress).toBe(`127.0.0.1:${port.number}`);
    link.close();
  });

  test("rejects with the signal's reason, before and during the dial", async () => {
    const gone = AbortSignal.abort(new Error("changed my mind"));
    await expect(dialTcp("tcp://127.0.0.1:1", { signal: gone })).rejects.toThrow("changed my mind");
    const later = new AbortController();
    const dial = dialTcp("tcp://127.0.0.1:9", { signal: later.signal });
    later.abort(new Error("too slow"));
    await expect(dial).rejects.toThrow("too slow");
  });

  test("opens an IPv6 address in brackets", async () => {
    const port = await openPort({ host: "::1" });
    expect(port.listener.addresses()).toEqual([`tcp://[::1]:${port.number}`, `ws://[::1]:${port.number}`]);
    const link = await dialTcp(`tcp://[::1]:${port.number}`, live());
    expect(link.remoteAddress).toBe(`[::1]:${port.number}`);
    link.close();
  });
});

describe("listening", () => {
  test("fails with a code of its own for each fault", async () => {
    const port = await openPort();
    const transport = tcpTransport({ acceptWebSocket: true });
    const listen = (number: number, host = "127.0.0.1"): Promise<unknown> =>
      transport.listen?.({ port: number, host, onLink: () => undefined, onError: () => undefined }) ?? Promise.resolve();
    await expect(listen(port.number)).rejects.toMatchObject({ code: "ERR_LISTEN_IN_USE" });
    await expect(listen(70_000)).rejects.toMatchObject({ code: "ERR_PORT_INVALID" });
    await expect(listen(-1)).rejects.toMatchObject({ code: "ERR_PORT_INVALID" });
    await expect(listen(1.5)).rejects.toMatchObject({ code: "ERR_PORT_INVALID" });
    await expect(listen(0, "203.0.113.77")).rejects.toMatchObject({ code: "ERR_LISTEN_FAILED" });
  });

  test("frees the port at once while links that were handed over live on", async () => {
    const { near, far } = await pair();
    const [port] = ports;
    await port?.listener.close();
    const again = await openPort({ port: port?.number ?? 0 });
    expect(again.number).toBe(port?.number);
    near.link.send(pattern(10));
    await far.until((heard) => heard.frames.length === 1);
    near.link.close();
    expect(await far.closed).toBeNull();
  });

  test("tells the addresses of all interfaces when it is bound to none", async () => {
    const port = await openPort({ host: undefined });
    const addresses = port.listener.addresses();
    expect(addresses).toContain(`tcp://127.0.0.1:${port.number}`);
    expect(addresses).toContain(`ws://127.0.0.1:${port.number}`);
    expect(addresses.some((address) => address.includes("fe80"))).toBe(false);
  });
});
