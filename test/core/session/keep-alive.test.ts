// The rules of keep-alive, over a table of moments.

import { describe, expect, test } from "vitest";
import { answerTimeout, keepAliveAction, keepAlivePolicy, smoothRtt } from "../../../src/core/session/keep-alive.js";

describe("the policy", () => {
  test.each([
    ["udp", 5_000, 15_000],
    ["webrtc", 5_000, 15_000],
    ["tcp", 10_000, 15_000],
    ["websocket", 10_000, 15_000],
    ["relay", 10_000, 15_000],
    ["of an application", 10_000, 15_000],
  ])("for %s pings after %i ms of silence and gives up after %i ms", (kind, idleMs, deadMs) => {
    const policy = keepAlivePolicy(kind);
    expect(policy.idleMs).toBe(idleMs);
    expect(policy.idleMs + policy.answerMs).toBe(deadMs);
  });
});

describe("what to do", () => {
  const policy = { idleMs: 15_000, answerMs: 5_000 };
  const wait = (ms: number) => ({ kind: "wait", ms });
  test.each([
    // now, last heard, pinged at
    ["just heard", 100, 100, null, wait(15_000)],
    ["quiet for a while", 10_100, 100, null, wait(5_000)],
    ["a moment before the ping", 15_099, 100, null, wait(1)],
    ["quiet for long enough", 15_100, 100, null, { kind: "ping" }],
    ["asleep for an hour", 3_600_000, 100, null, { kind: "ping" }],
    ["just pinged", 15_100, 100, 15_100, wait(5_000)],
    ["waiting for the answer", 20_099, 100, 15_100, wait(1)],
    ["no answer", 20_100, 100, 15_100, { kind: "dead" }],
    ["heard after the ping", 20_100, 15_101, 15_100, wait(10_001)],
    ["heard after the ping, and quiet since", 30_101, 15_101, 15_100, { kind: "ping" }],
  ])("when %s", (_name, now, lastHeard, pingedAt, expected) => {
    expect(keepAliveAction(policy, now, lastHeard, pingedAt, null)).toEqual(expected);
  });
});

describe("the time for an answer", () => {
  const policy = { idleMs: 10_000, answerMs: 5_000 };
  test.each([
    [null, 5_000],
    [1, 3_000],
    [300, 3_000],
    [400, 4_000],
    [2_000, 5_000],
  ])("at a round trip of %s ms is %i ms", (rttMs, expected) => {
    expect(answerTimeout(policy, rttMs)).toBe(expected);
    expect(keepAliveAction(policy, 10_000 + expected - 1, 0, 10_000, rttMs)).toEqual({ kind: "wait", ms: 1 });
    expect(keepAliveAction(policy, 10_000 + expected, 0, 10_000, rttMs)).toEqual({ kind: "dead" });
  });
});

describe("the smoothed round-trip time", () => {
  test("begins with the first sample and moves by an eighth (RFC 6298 §2)", () => {
    expect(smoothRtt(null, 80)).toBe(80);
    expect(smoothRtt(80, 160)).toBe(90);
    expect(smoothRtt(80, 0)).toBe(70);
  });
});
