import { describe, expect, test } from "vitest";
import { dtlsBinding, dtlsFingerprint } from "../../src/webrtc/fingerprint.js";
import { SignalGate } from "../../src/webrtc/signal.js";

const HEX = Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, "0").toUpperCase()).join(":");
const OTHER = HEX.replace("00:", "FF:");
const sdp = (extra = "", fingerprint = `a=fingerprint:sha-256 ${HEX}`): string =>
  `v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n${fingerprint}\r\n${extra}`;
const candidate = (text = "candidate:1 1 udp 1 192.0.2.1 4000 typ host", more: object = {}): unknown => ({
  type: "candidate",
  candidate: { candidate: text, sdpMid: "0", sdpMLineIndex: 0, ...more },
});
const refused = expect.objectContaining({ code: "ERR_WEBRTC_FAILED" });

describe("the signal gate", () => {
  test("lets one description of the right type and candidates through, as fresh objects", () => {
    const gate = new SignalGate(false);
    expect(gate.check(candidate())).toEqual(candidate());
    expect(gate.check({ type: "offer", sdp: sdp(), renegotiate: true })).toEqual({ type: "offer", sdp: sdp() });
    expect(gate.check(candidate("candidate:2 1 udp 1 x.local 9 typ host", { sdpMid: null, evil: 1 }))).toEqual(
      candidate("candidate:2 1 udp 1 x.local 9 typ host", { sdpMid: null }),
    );
    expect(gate.check(candidate(""))).toBeNull();
    expect(new SignalGate(true).check({ type: "answer", sdp: sdp() })).toEqual({ type: "answer", sdp: sdp() });
  });

  test.each([
    ["nothing", undefined],
    ["null", null],
    ["text", "offer"],
    ["an array", ["offer"]],
    ["an empty object", {}],
    ["an answer to no offer", { type: "answer", sdp: sdp() }],
    ["a request to renegotiate", { type: "renegotiate", renegotiate: true }],
    ["a request for a transceiver", { type: "transceiverRequest", transceiverRequest: { kind: "video" } }],
    ["an inherited type", Object.create({ type: "offer", sdp: sdp() })],
    ["an offer without a description", { type: "offer" }],
    ["an offer of 1 MB", { type: "offer", sdp: sdp("a=x\r\n".repeat(200_000)) }],
    ["an offer with sound", { type: "offer", sdp: sdp("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n") }],
    ["an offer without media", { type: "offer", sdp: "v=0\r\n" }],
    ["an offer with control characters", { type: "offer", sdp: sdp("a=\0\r\n") }],
    ["an offer with 65 candidates", { type: "offer", sdp: sdp("a=candidate:1 1 udp 1 192.0.2.1 4000 typ host\r\n".repeat(65)) }],
    ["a candidate without its object", { type: "candidate" }],
    ["a candidate that is a number", { type: "candidate", candidate: { candidate: 7, sdpMid: "0", sdpMLineIndex: 0 } }],
    ["a candidate of 2 KiB", candidate("a".repeat(2048))],
    ["a candidate of two lines", candidate("candidate:1\r\na=x")],
    ["a candidate of no section", candidate("candidate:1", { sdpMid: null, sdpMLineIndex: null })],
    ["a candidate of another section", candidate("candidate:1", { sdpMLineIndex: 3 })],
    ["a candidate of a long section", candidate("candidate:1", { sdpMid: "0".repeat(17) })],
  ])("refuses %s", (_name, signal) => {
    expect(() => new SignalGate(false).check(signal)).toThrow(refused);
  });

  test("refuses a second offer and the 65th candidate", () => {
    const gate = new SignalGate(false);
    gate.check({ type: "offer", sdp: sdp() });
    expect(() => gate.check({ type: "offer", sdp: sdp() })).toThrow(refused);
    const full = new SignalGate(true);
    for (let i = 0; i < 64; i++) full.check(candidate());
    expect(() => full.check(candidate())).toThrow(refused);
  });
});

describe("the DTLS fingerprint", () => {
  test("is read whatever the case, and may be repeated", () => {
    const expected = { algorithm: "sha-256", bytes: Uint8Array.from({ length: 32 }, (_, i) => i) };
    expect(dtlsFingerprint(sdp())).toEqual(expected);
    expect(dtlsFingerprint(sdp("", `a=fingerprint:SHA-256 ${HEX.toLowerCase()}`))).toEqual(expected);
    expect(dtlsFingerprint(sdp(`a=fingerprint:sha-256 ${HEX}\r\n`))).toEqual(expected);
  });

  test.each([
    ["none", ""],
    ["a weak hash", "a=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13"],
    ["the name of an inherited property", "a=fingerprint:constructor 00"],
    ["one that is too short", "a=fingerprint:sha-256 00:01"],
    ["one that is not hexadecimal", `a=fingerprint:sha-256 ${HEX.replace("00", "0G")}`],
    ["two that differ", `a=fingerprint:sha-256 ${HEX}\r\na=fingerprint:sha-256 ${OTHER}`],
  ])("is refused when there is %s", (_name, line) => {
    expect(() => dtlsFingerprint(sdp("", line))).toThrow(refused);
  });

  test("of both sides is bound in the order of offer and answer", () => {
    const offer = sdp();
    const answer = sdp("", `a=fingerprint:sha-256 ${OTHER}`);
    const binding = dtlsBinding(offer, answer);
    expect(binding.length).toBe(2 * (1 + 7 + 1 + 32));
    expect(binding).not.toEqual(dtlsBinding(answer, offer));
    expect(binding.subarray(0, 9)).toEqual(Uint8Array.from([7, ...Buffer.from("sha-256"), 32]));
  });
});
