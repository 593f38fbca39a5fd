import { createSocket } from "node:dgram";
import { once } from "node:events";
import UDX from "udx-native";
import { afterEach, describe, expect, test } from "vitest";
import type { Link } from "../../../src/core/path/link.js";
import type { NegotiateContext, Negotiation } from "../../../src/core/path/transport.js";
import { nodeClock } from "../../../src/node/clock.js";
import { nodeCrypto } from "../../../src/node/node-crypto.js";
import { UdpLink } from "../../../src/node/udp-link.js";
import { UdpPort } from "../../../src/node/udp-port.js";
import { UdpTransport } from "../../../src/node/udp-transport.js";
import { quietContext } from "../../fixtures/quiet-context.js";
import { SeededRandom } from "../../sim/seeded-random.js";
import { Heard, pattern } from "./support.js";

const atEnd: (() => Promise<unknown> | undefined)[] = [];
afterEach(async () => {
  for (const end of atEnd.splice(0)) await end();
});

function transport(loadUdx = async () => UDX): UdpTransport {
  const random = new SeededRandom(1);
  return new UdpTransport({ clock: nodeClock, random, crypto: nodeCrypto(), localAddresses: () => ["127.0.0.1"], loadUdx });
}

async function listening(port = 0, one = transport()): Promise<{ one: UdpTransport; port: number | null }> {
  const listener = await one.listen({ port, host: "127.0.0.1", onLink: () => undefined, onError: () => undefined });
  atEnd.push(() => listener.close());
  return { one, port: listener.port };
}

/** Both sides of a negotiation, whose signals take a turn of the event loop. */
function negotiate(a: UdpTransport, b: UdpTransport, context: Partial<NegotiateContext> = {}): [Negotiation, Negotiation] {
  const { signal } = new AbortController();
  const start = (one: UdpTransport, initiator: boolean, other: () => Negotiation | undefined): Negotiation => {
    const negotiation = one.negotiate?.({
      ...quietContext,
      signal,
      ...context,
      initiator,
      sendSignal: (value) => setImmediate(() => other()?.receiveSignal(JSON.parse(JSON.stringify(value)))),
    });
    if (!negotiation) throw new Error("udp negotiates once it listens");
    return negotiation;
  };
  const near: Negotiation = start(a, true, () => far);
  const far: Negotiation = start(b, false, () => near);
  return [near, far];
}

async function pair(): Promise<{ near: Heard; far: Heard }> {
  const [a, b] = [await listening(), await listening()];
  const links = await Promise.all(negotiate(a.one, b.one).map(({ link }) => link));
  const [near, far] = links.map((link) => new Heard(link)) as [Heard, Heard];
  atEnd.push(async () => {
    for (const link of links) link.close();
    await Promise.all([near.closed, far.closed]);
  });
  return { near, far };
}

describe("a udp link", () => {
  test("carries frames of all sizes whole, in order, both ways, over sockets that were punched", async () => {
    const { near, far } = await pair();
    expect([near.link.kind, far.link.kind]).toEqual(["udp", "udp"]);
    const frames = [1, 2, 255, 256, 1_024, 16_384, 65_534, 65_535, 3].map((length, i) => pattern(length, i));
    for (const frame of frames) {
      near.link.send(frame);
      far.link.send(frame);
    }
    await near.until((heard) => heard.frames.length === frames.length);
    await far.until((heard) => heard.frames.length === frames.length);
    expect(near.frames).toEqual(frames);
    expect(far.frames).toEqual(frames);
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

  test("carries what was written into its own memory, each frame as it was when it was sent", async () => {
    const { near, far } = await pair();
    const { output } = near.link;
    if (!output) throw new Error("a udp link has memory of its own");
    const frames = Array.from({ length: 150 }, (_, i) => pattern([65_535, 40_000, 32_768, 32_767, 100][i % 5] as number, i));
    for (const frame of frames) {
      const { bytes, at } = output.room(frame.length) ?? { bytes: new Uint8Array(0), at: 0 };
      bytes.set(frame, at);
      const { drains } = near;
      if (!output.send()) await near.until((heard) => heard.drains > drains);
      // What was sent stays as it is, also when more is written before the end of this turn.
      output.room(200)?.bytes.fill(0xee);
    }
    await far.until((heard) => heard.frames.length === frames.length);
    // By the bytes as a whole: comparing millions of numbers one by one takes half a minute.
    expect(Buffer.compare(Buffer.concat(far.frames), Buffer.concat(frames))).toBe(0);
    output.room(10);
    near.link.close();
    expect(output.send()).toBe(false);
    expect(output.room(10)).toBeNull();
    expect(await far.closed).toBeNull();
  });

  test("says stop when too much waits, and when to go on", async () => {
    const { near, far } = await pair();
    let sent = 0;
    while (near.link.send(pattern(65_000))) {
      if (++sent > 2_000) throw new Error("never said stop");
    }
    await near.until((heard) => heard.drains > 0);
    expect(near.link.send(pattern(65_000))).toBe(true);
    await far.until((heard) => heard.frames.length === sent + 2);
  });

  test("refuses frames that are empty or too long", async () => {
    const { near } = await pair();
    for (const length of [0, 65_536]) {
      expect(() => near.link.send(new Uint8Array(length))).toThrow(expect.objectContaining({ code: "ERR_FRAME_TOO_LARGE" }));
    }
  });

  test("closes on a frame of length 0, and on an end inside a frame", async () => {
    const udx = new UDX();
    for (const [bytes, code] of [
      [[0, 0], "ERR_FRAME_MALFORMED"],
      [[0, 9, 1], "ERR_CLOSED_ABORTED"],
    ] as const) {
      const sockets = [udx.createSocket(), udx.createSocket()];
      for (const socket of sockets) socket.bind(0, "127.0.0.1");
      const [near, far] = sockets.map((socket) => new UdpPort(socket)) as [UdpPort, UdpPort];
      const plain = udx.createStream(1);
      const stream = udx.createStream(2);
      plain.on("error", () => undefined);
      plain.connect(near.socket, 2, far.port, "127.0.0.1");
      stream.connect(far.socket, 1, near.port, "127.0.0.1");
      const heard = new Heard(new UdpLink(stream, { host: "127.0.0.1", port: near.port }, () => undefined));
      plain.write(Uint8Array.from(bytes));
      if (code === "ERR_CLOSED_ABORTED") plain.end();
      expect(await heard.closed).toMatchObject({ code });
      plain.destroy();
      heard.link.close();
      near.close();
      far.close();
    }
  });
});

describe("the udp transport", () => {
  test("without udx-native is there and does nothing", async () => {
    const { one, port } = await listening(
      0,
      transport(() => Promise.reject(new Error("not installed"))),
    );
    expect(port).toBeNull();
    expect(one.negotiate).toBeUndefined();
  });

  test("takes the number it is asked for, or any where that is taken", async () => {
    const other = createSocket("udp4");
    other.bind(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address();
    const first = await listening(port);
    expect(first.port).not.toBe(port);
    expect(first.port).toBeGreaterThan(0);
    other.close();
    await once(other, "close");
    expect((await listening(port)).port).toBe(port);
  });

  test("negotiates no more once it is closed, while its links live on", async () => {
    const one = transport();
    const listener = await one.listen({ port: 0, host: "127.0.0.1", onLink: () => undefined, onError: () => undefined });
    const other = await listening();
    const [near, far] = (await Promise.all(negotiate(one, other.one).map(({ link }) => link))).map(
      (link: Link) => new Heard(link),
    ) as [Heard, Heard];
    await listener.close();
    expect(one.negotiate).toBeUndefined();
    near.link.send(pattern(1_000));
    await far.until((heard) => heard.frames.length === 1);
    near.link.close();
    expect(await far.closed).toBeNull();
  });

  test("gives up at once when the signal says so, and sends to nobody that it may not contact", async () => {
    const [a, b] = [await listening(), await listening()];
    const stranger = createSocket("udp4");
    stranger.bind(0, "127.0.0.1");
    await once(stranger, "listening");
    atEnd.push(async () => stranger.close());
    let heard = 0;
    stranger.on("message", () => heard++);
    const abort = new AbortController();
    const asked: string[] = [];
    const mayContact = (url: string): boolean => {
      asked.push(url);
      return false;
    };
    const [near] = negotiate(a.one, b.one, { signal: abort.signal, mayContact });
    near.receiveSignal({ tag: "00".repeat(8), stream: 1, hosts: [`127.0.0.1:${stranger.address().port}`] });
    expect(asked).toEqual([`udp://127.0.0.1:${stranger.address().port}`]);
    abort.abort(new Error("enough"));
    await expect(near.link).rejects.toThrow("enough");
    expect(heard).toBe(0);
  });
});
