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

/** The data channel below a link's other end, for sending what no link would send. */
function rawPair(): Promise<{ channel: RTCDataChannel; heard: Heard }> {
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
      if (channel.readyState === "open") resolve({ channel, heard });
      else channel.onopen = () => resolve({ channel, heard });
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
