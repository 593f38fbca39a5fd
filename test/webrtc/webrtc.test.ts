import wrtc from "@roamhq/wrtc";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Link } from "../../src/core/path/link.js";
import type { Negotiation } from "../../src/core/path/transport.js";
import { nodeClock } from "../../src/node/clock.js";
import { webrtcImplementation } from "../../src/webrtc/webrtc-implementation.js";
import { webrtcTransport } from "../../src/webrtc/webrtc-transport.js";
import { quietContext } from "../fixtures/quiet-context.js";
import { Heard, pattern } from "../node/transports/support.js";

const transport = webrtcTransport({ clock: nodeClock, iceServers: [], wrtc: webrtcImplementation(wrtc) });
const aborts: AbortController[] = [];
const links: Link[] = [];
afterEach(async () => {
  for (const abort of aborts.splice(0)) abort.abort(new Error("the test is over"));
  for (const link of links.splice(0)) link.close();
});

function negotiate(
  initiator: boolean,
  sendSignal: (signal: unknown) => void,
): { negotiation: Negotiation; abort: AbortController } {
  const abort = new AbortController();
  aborts.push(abort);
  const negotiation = transport.negotiate?.({ ...quietContext, initiator, signal: abort.signal, sendSignal });
  if (!negotiation) throw new Error("webrtc negotiates");
  return { negotiation, abort };
}

/** Two negotiations wired back to back, each signal passed on as JSON; `change` may alter it, or inject others before it. */
async function connect(
  change: (signal: unknown, inject: (signal: unknown) => void) => unknown = (signal) => signal,
): Promise<[Heard, Heard]> {
  const pass = (to: () => Negotiation) => (signal: unknown) => {
    const signals: unknown[] = [];
    signals.push(change(JSON.parse(JSON.stringify(signal)), (extra) => signals.push(extra)));
    queueMicrotask(() => {
      for (const one of signals) to().receiveSignal(one);
    });
  };
  const b = negotiate(
    false,
    pass(() => a.negotiation),
  );
  const a = negotiate(
    true,
    pass(() => b.negotiation),
  );
  const both = await Promise.all([a.negotiation.link, b.negotiation.link]);
  links.push(...both);
  return [new Heard(both[0]), new Heard(both[1])];
}

/** Sends a datagram as soon as the channel for them is open: each of the two opens by itself. */
async function sendDatagram(link: Link, datagram: Uint8Array): Promise<void> {
  await vi.waitFor(() => expect(link.datagrams?.send(datagram)).toBe(true), { interval: 5 });
}

/** Takes part in the making of every data channel. @returns how to stop that */
function onCreate(make: (create: () => RTCDataChannel, settings: RTCDataChannelInit | undefined) => RTCDataChannel): () => void {
  const { prototype } = (wrtc as { RTCPeerConnection: typeof RTCPeerConnection }).RTCPeerConnection;
  const original = prototype.createDataChannel;
  prototype.createDataChannel = function (label, settings) {
    return make(() => original.call(this, label, settings), settings);
  };
  return () => {
    prototype.createDataChannel = original;
  };
}

/** The other end of a link's channel for datagrams. */
function datagramChannelOf(connection: RTCPeerConnection): RTCDataChannel {
  return connection.createDataChannel("", { negotiated: true, id: 10, ordered: false, maxRetransmits: 0 });
}

/** The data channel below a link's other end, for sending what no link would send. */
function rawPair(): Promise<{ connection: RTCPeerConnection; channel: RTCDataChannel; heard: Heard }> {
  const connection = new (wrtc as { RTCPeerConnection: typeof RTCPeerConnection }).RTCPeerConnection({ iceServers: [] });
  const channel = connection.createDataChannel("raw");
  channel.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    const { negotiation } = negotiate(false, (signal) => {
      const one = signal as { type: string; sdp: string; candidate: RTCIceCandidateInit };
      if (one.type === "answer") void connection.setRemoteDescription({ type: "answer", sdp: one.sdp });
      else if (connection.remoteDescription) void connection.addIceCandidate(one.candidate);
    });
    connection.onicecandidate = ({ candidate }) => {
      if (candidate) negotiation.receiveSignal({ type: "candidate", candidate: candidate.toJSON() });
    };
    void connection.createOffer().then(async (offer) => {
      await connection.setLocalDescription(offer);
      negotiation.receiveSignal({ type: "offer", sdp: connection.localDescription?.sdp });
    });
    negotiation.link.then((link) => {
      links.push(link);
      const heard = new Heard(link);
      void heard.closed.then(() => connection.close());
      if (channel.readyState === "open") resolve({ connection, channel, heard });
      else channel.onopen = () => resolve({ connection, channel, heard });
    }, reject);
  });
}

describe("a webrtc link", () => {
  test("carries frames of all sizes whole, in order, both ways, and knows both fingerprints", async () => {
    const [a, b] = await connect();
    expect(a.link.kind).toBe("webrtc");
    expect(a.link.maxFrameBytes).toBe(65_535);
    expect(a.link.binding.length).toBe(82);
    expect(a.link.binding).toEqual(b.link.binding);
    expect(a.link.remoteAddress).toMatch(/^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):\d+$/);
    const frames = [1, 2, 1200, 16_384, 16_385, 65_534, 65_535, 5].map((length, i) => pattern(length, i));
    for (const frame of frames) {
      a.link.send(frame);
      b.link.send(frame);
    }
    await a.until((heard) => heard.frames.length === frames.length);
    await b.until((heard) => heard.frames.length === frames.length);
    expect(a.frames).toEqual(frames);
    expect(b.frames).toEqual(frames);
    expect(a.frames[0]?.constructor).toBe(Uint8Array);
  });

  test("has another binding on each connection", async () => {
    const [a] = await connect();
    const [b] = await connect();
    expect(a.link.binding).not.toEqual(b.link.binding);
  });

  test("delivers what was sent before close, and tells the end once on both sides", async () => {
    const [a, b] = await connect();
    for (let i = 0; i < 30; i++) a.link.send(pattern(60_000, i));
    a.link.close();
    a.link.close();
    expect(await b.closed).toBeNull();
    expect(await a.closed).toBeNull();
    expect(b.frames.length).toBe(30);
    expect([a.ends, b.ends]).toEqual([1, 1]);
    expect(a.link.send(pattern(1))).toBe(false);
  });

  test("says stop at its high-water mark, and says when to go on", async () => {
    const [a, b] = await connect();
    const frame = pattern(60_000);
    let sent = 1;
    while (a.link.send(frame)) if (++sent > 2_000) throw new Error("never said stop");
    expect(sent).toBeLessThan(2_000);
    await a.until((heard) => heard.drains === 1);
    expect(a.link.send(pattern(10))).toBe(true);
    await b.until((heard) => heard.frames.length === sent + 1);
  });

  test("has datagrams beside its frames, each at most once and whole, both ways, and they are no frames", async () => {
    const [a, b] = await connect();
    const sizes = [1, 20, 1_100];
    // One by one: nothing is lost over the loopback as long as nothing piles up.
    for (const [i, size] of sizes.entries()) {
      await sendDatagram(a.link, pattern(size, i));
      await sendDatagram(b.link, pattern(size, i + 1));
      await b.until((heard) => heard.datagrams.length > i);
      await a.until((heard) => heard.datagrams.length > i);
    }
    expect(b.datagrams).toEqual(sizes.map((size, i) => pattern(size, i)));
    expect(a.datagrams).toEqual(sizes.map((size, i) => pattern(size, i + 1)));
    expect(a.datagrams[0]?.constructor).toBe(Uint8Array);
    a.link.send(pattern(5));
    await b.until((heard) => heard.frames.length === 1);
    expect(b.datagrams.length).toBe(sizes.length);
    a.link.close();
    await b.closed;
    expect(b.link.datagrams?.send(pattern(5))).toBe(false);
  });

  test("drops a datagram when more wait to leave than would come in time, and queues nothing", async () => {
    const channels: RTCDataChannel[] = [];
    const restore = onCreate((create) => {
      const channel = create();
      channels.push(channel);
      return channel;
    });
    const [a, b] = await connect().finally(restore);
    const second = channels.filter((channel) => channel.negotiated);
    expect(second.map(({ ordered, maxRetransmits }) => [ordered, maxRetransmits])).toEqual([
      [false, 0],
      [false, 0],
    ]);
    await sendDatagram(a.link, pattern(1));
    const holds = (bytes: number): void => {
      for (const channel of second) Object.defineProperty(channel, "bufferedAmount", { value: bytes, configurable: true });
    };
    holds(16 * 1024 + 1);
    expect(a.link.datagrams?.send(pattern(5))).toBe(false);
    holds(16 * 1024);
    expect(a.link.datagrams?.send(pattern(4))).toBe(true);
    await b.until((heard) => heard.datagrams.length === 2);
    expect(b.datagrams.map(({ length }) => length)).toEqual([1, 4]);
  });

  test("carries frames as ever where the other side has no second channel", async () => {
    const { channel, heard } = await rawPair();
    channel.send(pattern(9).slice());
    await heard.until(({ frames }) => frames.length === 1);
    await sendDatagram(heard.link, pattern(9));
    heard.link.send(pattern(7));
    const back = await new Promise((resolve) => {
      channel.onmessage = ({ data }) => resolve(new Uint8Array(data as ArrayBuffer));
    });
    expect(back).toEqual(pattern(7));
  });

  test("has no datagrams where the implementation refuses a second channel, and is a link all the same", async () => {
    const restore = onCreate((create, settings) => {
      if (settings?.negotiated) throw new TypeError("one channel is all there is");
      return create();
    });
    const [a, b] = await connect().finally(restore);
    expect([a.link.datagrams, b.link.datagrams]).toEqual([undefined, undefined]);
    a.link.send(pattern(9));
    await b.until((heard) => heard.frames.length === 1);
  });

  test("takes no notice of text, and of what is too long, on its channel for datagrams", async () => {
    const { connection, channel, heard } = await rawPair();
    const second = datagramChannelOf(connection);
    await vi.waitFor(() => expect(second.readyState).toBe("open"));
    second.send("hello");
    second.send(pattern(1_101).slice());
    second.send(pattern(1_100).slice());
    await heard.until(({ datagrams }) => datagrams.length > 0);
    expect(heard.datagrams).toEqual([pattern(1_100)]);
    channel.send(pattern(9).slice());
    await heard.until(({ frames }) => frames.length === 1);
  });

  test("refuses a text message", async () => {
    const { channel, heard } = await rawPair();
    channel.send("hello");
    expect(await heard.closed).toMatchObject({ code: "ERR_FRAME_MALFORMED" });
    expect(heard.frames).toEqual([]);
  });

  test("refuses a message above 65,535 bytes", async () => {
    const { channel, heard } = await rawPair();
    channel.send(new Uint8Array(65_536));
    expect(await heard.closed).toMatchObject({ code: "ERR_FRAME_TOO_LARGE" });
  });
});

describe("a webrtc negotiation", () => {
  test.each([
    ["garbage", () => ({ type: "offer", sdp: "garbage" })],
    ["null", () => null],
    [
      "an offer that is well-formed and makes no sense",
      () => ({ type: "offer", sdp: "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" }),
    ],
  ])("fails on %s", async (_name, signal) => {
    const { negotiation } = negotiate(false, () => undefined);
    negotiation.receiveSignal(signal());
    await expect(negotiation.link).rejects.toMatchObject({ code: "ERR_WEBRTC_FAILED" });
    negotiation.receiveSignal({ type: "offer", sdp: "after the end" });
    negotiation.receiveSignal({ type: "candidate", candidate: { candidate: "candidate:1", sdpMid: "0" } });
  });

  test("passes over candidates that WebRTC does not take, without a word on the console", async () => {
    const warn = vi.spyOn(console, "warn");
    const [a, b] = await connect((signal, inject) => {
      inject({ type: "candidate", candidate: { candidate: "nonsense", sdpMid: "0", sdpMLineIndex: 0 } });
      return signal;
    });
    a.link.send(pattern(9));
    await b.until((heard) => heard.frames.length === 1);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  test("fails when a fingerprint was changed on the way: DTLS itself refuses", async () => {
    const dial = connect((signal) => {
      const one = signal as { type: string; sdp?: string };
      return one.sdp ? { ...one, sdp: one.sdp.replace(/(a=fingerprint:sha-256 )../, "$100") } : one;
    });
    await expect(dial).rejects.toMatchObject({ code: "ERR_WEBRTC_FAILED" });
  });

  test("ends with the signal's reason when it is aborted, at once or later", async () => {
    const { negotiation, abort } = negotiate(true, () => undefined);
    abort.abort(new Error("too slow"));
    await expect(negotiation.link).rejects.toThrow("too slow");
    negotiation.receiveSignal({ type: "answer", sdp: "late" });
    const gone = transport.negotiate?.({
      ...quietContext,
      initiator: true,
      signal: AbortSignal.abort(new Error("gone")),
      sendSignal: () => undefined,
    });
    await expect(gone?.link).rejects.toThrow("gone");
  });

  test("fails when its signals cannot be sent", async () => {
    const { negotiation } = negotiate(true, () => {
      throw new Error("the session is over");
    });
    await expect(negotiation.link).rejects.toThrow("the session is over");
  });

  test("says so where there is no WebRTC", async () => {
    const without = webrtcTransport({ clock: nodeClock, iceServers: [] });
    const { link } =
      without.negotiate?.({
        ...quietContext,
        initiator: true,
        signal: new AbortController().signal,
        sendSignal: () => undefined,
      }) ?? {};
    await expect(link).rejects.toMatchObject({ code: "ERR_WEBRTC_UNAVAILABLE" });
  });

  test("fails on ICE servers that WebRTC does not take", async () => {
    const bad = webrtcTransport({ clock: nodeClock, iceServers: [{ urls: "nonsense" }], wrtc: webrtcImplementation(wrtc) });
    const { link } =
      bad.negotiate?.({ ...quietContext, initiator: true, signal: new AbortController().signal, sendSignal: () => undefined }) ??
      {};
    await expect(link).rejects.toMatchObject({ code: "ERR_WEBRTC_FAILED" });
  });
});

test("the wrtc option takes a module or its default export, and nothing else", () => {
  expect(webrtcImplementation(wrtc)).toBe(wrtc);
  expect(webrtcImplementation({ default: wrtc })).toBe(wrtc);
  for (const bad of [null, 1, "wrtc", {}, { RTCPeerConnection: class {} }]) {
    expect(() => webrtcImplementation(bad)).toThrow(expect.objectContaining({ code: "ERR_OPTION_INVALID" }));
  }
});
