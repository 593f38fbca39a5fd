// Punching by TCP with real sockets on the loopback, where nothing delays the packets: most dials are refused, and some meet.

import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Link } from "../../../src/core/path/link.js";
import type { NegotiateContext, Negotiation } from "../../../src/core/path/transport.js";
import type { DialFailure } from "../../../src/nat/tcp-punch-port.js";
import { nodeClock } from "../../../src/node/clock.js";
import type { LinkStream } from "../../../src/node/tcp-punch.js";
import { freeTcpPort, nodeTcpPunch, openPunchPort } from "../../../src/node/tcp-punch-port.js";
import { tcpTransport } from "../../../src/node/tcp-transport.js";
import { createRelay, type Relay } from "../../../src/server/index.js";
import { Heard, pattern } from "./support.js";

const random = { bytes: (length: number) => randomFillSync(new Uint8Array(length)) };
const transport = tcpTransport({ acceptWebSocket: false, punch: nodeTcpPunch(nodeClock, random) });

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function openRelay(): Promise<Relay> {
  const relay = await createRelay({ host: "127.0.0.1", port: 0 });
  closers.push(() => relay.close());
  return relay;
}

interface Side {
  readonly negotiation: Negotiation;
  readonly abort: AbortController;
  readonly notes: readonly string[];
}

function negotiate(initiator: boolean, stunServers: readonly string[], sendSignal: (signal: unknown) => void): Side {
  const abort = new AbortController();
  closers.push(() => abort.abort(new Error("the test is over")));
  const notes: string[] = [];
  const context: NegotiateContext = {
    ...{ initiator, stunServers, sendSignal, signal: abort.signal },
    mayContact: (url) => url.startsWith("tcp://127.0.0.1:"),
    note: (step) => notes.push(step),
  };
  const negotiation = transport.negotiate?.(context);
  if (!negotiation) throw new Error("tcp negotiates");
  return { negotiation, abort, notes };
}

/** Two sides, each signal passed on as JSON. */
function pair(stunServers: readonly string[]): { a: Side; b: Side } {
  const pass = (to: () => Side) => (signal: unknown) => {
    const text = JSON.stringify(signal);
    setImmediate(() => to().negotiation.receiveSignal(JSON.parse(text)));
  };
  const b: Side = negotiate(
    false,
    stunServers,
    pass(() => a),
  );
  const a: Side = negotiate(
    true,
    stunServers,
    pass(() => b),
  );
  return { a, b };
}

/** As the handshake does: the initiator speaks first, and only then the other side knows which connection it is. */
async function connect(stunServers: readonly string[]): Promise<{ near: Heard; far: Heard; a: Side; b: Side }> {
  const { a, b } = pair(stunServers);
  const first = await a.negotiation.link;
  closers.push(() => first.close());
  first.send(pattern(40, 1));
  const second: Link = await b.negotiation.link;
  closers.push(() => second.close());
  return { near: new Heard(first), far: new Heard(second), a, b };
}

const TCP_WRAPS = /^TCP(Server|Socket)?Wrap$/;
const openSockets = (): number => process.getActiveResourcesInfo().filter((name) => TCP_WRAPS.test(name)).length;

describe("a punched tcp link", () => {
  test("carries frames of all sizes whole, in order, both ways", async () => {
    const relay = await openRelay();
    const { near, far } = await connect([`stun:127.0.0.1:${relay.port}`]);
    await far.until(({ frames }) => frames.length === 1);
    expect(far.frames.splice(0)).toEqual([pattern(40, 1)]);
    const frames = [1, 2, 255, 1024, 16_384, 65_535, 3].map((length, i) => pattern(length, i));
    for (const frame of frames) {
      near.link.send(frame);
      far.link.send(frame);
    }
    await near.until((heard) => heard.frames.length === frames.length);
    await far.until((heard) => heard.frames.length === frames.length);
    expect([near.frames, far.frames]).toEqual([frames, frames]);
    expect([near.link.kind, far.link.kind]).toEqual(["tcp", "tcp"]);
    expect(near.link.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    near.link.close();
    expect(await near.closed).toBeNull();
    expect(await far.closed).toBeNull();
  });

  test("comes about without any delay in between, each time, and nothing else stays open", async () => {
    const relay = await openRelay();
    for (let i = 0; i < 10; i++) {
      const before = openSockets();
      const { near, far } = await connect([`stun:127.0.0.1:${relay.port}`]);
      near.link.close();
      expect(await near.closed).toBeNull();
      expect(await far.closed).toBeNull();
      await expect.poll(openSockets, { timeout: 5_000 }).toBeLessThanOrEqual(before);
    }
  });

  test("does not come about when it is aborted, and nothing stays open", async () => {
    const relay = await openRelay();
    for (const ms of [0, 5, 20, 60]) {
      const before = openSockets();
      const { a, b } = pair([`stun:127.0.0.1:${relay.port}`]);
      // Without the first word of the handshake, the responder waits in any case.
      await new Promise((resolve) => setTimeout(resolve, ms));
      const reason = new Error("no longer wanted");
      a.abort.abort(reason);
      b.abort.abort(reason);
      const outcomes = await Promise.allSettled([a.negotiation.link, b.negotiation.link]);
      for (const outcome of outcomes) if (outcome.status === "fulfilled") outcome.value.close();
      expect(outcomes[1]).toEqual({ status: "rejected", reason });
      await expect.poll(openSockets, { timeout: 5_000 }).toBeLessThanOrEqual(before);
    }
  });
});

/** Dials once. */
function dial(port: ReturnType<typeof openPunchPort>, to: number): Promise<LinkStream | DialFailure> {
  return new Promise((resolve) => {
    const cancel = port.connect({ host: "127.0.0.1", port: to }, resolve);
    closers.push(cancel);
  });
}

async function openServer(): Promise<{ server: Server; port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => undefined).resume();
    sockets.push(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { server, port: (server.address() as { port: number }).port, sockets };
}

function expectStream(outcome: LinkStream | DialFailure): LinkStream {
  if (typeof outcome === "string") throw new Error(`not connected: ${outcome}`);
  closers.push(() => outcome.destroy());
  return outcome;
}

describe("a port that punches", () => {
  test("dials several at once, and listens beside them", async () => {
    const [one, two] = [await openServer(), await openServer()];
    const number = await freeTcpPort(random);
    const port = openPunchPort(number, null);
    for (const server of [one, two]) {
      expectStream(await dial(port, server.port));
      expect(server.sockets[0]?.remotePort).toBe(number);
    }
    const accepted = new Promise<LinkStream>((resolve, reject) => {
      closers.push(port.listen(resolve, () => reject(new Error("cannot listen"))));
    });
    const other = openPunchPort(await freeTcpPort(random), null);
    expectStream(await dial(other, number));
    expect((await accepted).remote.host).toBe("127.0.0.1");
    (await accepted).destroy();
  });

  test("cannot dial while it listens, and can again afterwards", async () => {
    const server = await openServer();
    const number = await freeTcpPort(random);
    const port = openPunchPort(number, null);
    const stop = port.listen(
      () => undefined,
      () => undefined,
    );
    const other = openPunchPort(await freeTcpPort(random), null);
    expectStream(await dial(other, number));
    expect(await dial(port, server.port)).toBe("in-use");
    stop();
    expectStream(await dial(port, server.port));
  });

  test("says why a dial failed", async () => {
    const port = openPunchPort(await freeTcpPort(random), null);
    expect(await dial(port, await freeTcpPort(random))).toBe("refused");
    const server = await openServer();
    expectStream(await dial(port, server.port));
    expect(await dial(port, server.port)).toBe("in-use");
  });

  test("gives a connection up by a reset, so that the same address can be dialled again at once", async () => {
    const server = await openServer();
    const stream = expectStream(await dial(openPunchPort(await freeTcpPort(random), null), server.port));
    await expect.poll(() => server.sockets.length).toBe(1);
    const error = once(server.sockets[0] as Socket, "error");
    stream.destroy();
    expect(await error).toMatchObject([{ code: "ECONNRESET" }]);
  });

  test("says nothing more of a dial that was given up", async () => {
    const server = await openServer();
    const port = openPunchPort(await freeTcpPort(random), null);
    let told = 0;
    const cancel = port.connect({ host: "127.0.0.1", port: server.port }, () => told++);
    cancel();
    // Another dial from the same port: by its end, the first one would have been told of.
    expectStream(await dial(port, server.port));
    expect(told).toBe(0);
  });

  test("hands over what came behind the part that was read, whole", async () => {
    const server = await openServer();
    const stream = expectStream(await dial(openPunchPort(await freeTcpPort(random), null), server.port));
    await expect.poll(() => server.sockets.length).toBe(1);
    server.sockets[0]?.write(Uint8Array.of(1, 2, 3, 0, 2, 7));
    const bytes = await new Promise<Uint8Array>((resolve) => stream.read(resolve, () => undefined));
    stream.release(bytes.subarray(3));
    const heard = new Heard(stream.link());
    server.sockets[0]?.write(Uint8Array.of(8));
    await heard.until(({ frames }) => frames.length === 1);
    expect(heard.frames).toEqual([Uint8Array.of(7, 8)]);
    heard.link.close();
  });

  test("tells once when the other side hangs up, by an end or by a reset", async () => {
    for (const hangUp of [(socket?: Socket) => socket?.end(), (socket?: Socket) => socket?.resetAndDestroy()]) {
      const server = await openServer();
      const stream = expectStream(await dial(openPunchPort(await freeTcpPort(random), null), server.port));
      let ends = 0;
      const ended = new Promise<void>((resolve) => {
        stream.read(
          () => undefined,
          () => {
            ends++;
            resolve();
          },
        );
      });
      await expect.poll(() => server.sockets.length).toBe(1);
      hangUp(server.sockets[0]);
      await ended;
      stream.destroy();
      await new Promise((resolve) => setImmediate(resolve));
      expect(ends).toBe(1);
    }
  });

  test("is one that nobody listens on", async () => {
    const first = await freeTcpPort(random);
    const server = createServer().listen(first);
    await once(server, "listening");
    closers.push(() => server.close());
    // Bytes that lead to the port: from 20 000 upwards.
    const again = Uint8Array.of((first - 20_000) >> 8, (first - 20_000) & 0xff);
    let draws = 0;
    const second = await freeTcpPort({ bytes: (length) => (draws++ === 0 ? again : random.bytes(length)) });
    expect(second).not.toBe(first);
    expect(draws).toBeGreaterThan(1);
    await expect(freeTcpPort({ bytes: () => again })).rejects.toMatchObject({ code: "ERR_LISTEN_IN_USE" });
  });
});
