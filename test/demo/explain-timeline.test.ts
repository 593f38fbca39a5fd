// The timeline of a path: positions on an axis that leaves out the time in which nothing happened.

import { describe, expect, test } from "vitest";
import { attemptLabel, labelOrder, timelineOf } from "../../demo-web/chat/explain-timeline.js";
import { attempt, MOVED, RELAYED } from "./reports.js";

describe("a timeline", () => {
  test("holds bars in their order, inside of the axis, and all of a kind and target in one lane", () => {
    const { lanes, hidden } = timelineOf(RELAYED);
    expect(hidden).toBe(0);
    expect(lanes.map(({ label, bars }) => [label, bars.length])).toEqual([
      ["TCP to 10.0.0.2:1000", 2],
      ["UDP, begun by us", 1],
      ["TCP, begun by us", 2],
    ]);
    for (const { from, to } of lanes.flatMap(({ bars }) => bars)) {
      expect(from).toBeGreaterThanOrEqual(0);
      expect(to).toBeGreaterThanOrEqual(from);
      expect(to).toBeLessThanOrEqual(1);
    }
    // What still runs ends now.
    expect(lanes[2]?.bars[1]?.to).toBe(1);
  });

  test("is to scale where something happened, and leaves out where nothing did", () => {
    const { lanes, folds } = timelineOf(RELAYED);
    const [dialled, punched] = [lanes[0]?.bars[0], lanes[1]?.bars[0]];
    const scale = ((dialled?.to ?? 0) - (dialled?.from ?? 0)) / 125;
    expect(((punched?.to ?? 0) - (punched?.from ?? 0)) / 1_500).toBeCloseTo(scale, 6);
    // Eight seconds of silence take six hundredths of the axis.
    expect(folds).toHaveLength(1);
    expect((folds[0]?.to ?? 0) - (folds[0]?.from ?? 0)).toBeCloseTo(0.06, 6);
  });

  test("joins the paths that were in use, with gaps where there was none", () => {
    const { paths } = timelineOf(MOVED);
    expect(paths.map(({ label }) => label)).toEqual(["Relay", "WebRTC", "", "Relay", "WebRTC"]);
    for (const [i, span] of paths.entries()) expect(span.to).toBeCloseTo(paths[i + 1]?.from ?? 1, 9);
  });

  test("has ticks from the beginning to now, at round times, none of them twice in words", () => {
    const { ticks } = timelineOf(RELAYED);
    expect(ticks[0]).toEqual({ at: 0, text: "0 ms" });
    expect(ticks.at(-1)).toEqual({ at: 1, text: "now" });
    expect(ticks.map(({ text }) => text)).toContain("500 ms");
    const order = labelOrder(timelineOf(MOVED).ticks).map(({ text }) => text);
    expect(order[0]).toBe("now");
    expect(new Set(order).size).toBe(order.length);
  });

  test("stays readable when an hour of retries lies in it", () => {
    const attempts = Array.from({ length: 32 }, (_, i) =>
      attempt({ kind: "tcp", target: "tcp://10.0.0.2:1", startedMs: i * 60_000, endedMs: i * 60_000 + 50, outcome: "failed" }),
    );
    const { lanes, folds, ticks } = timelineOf({ ...RELAYED, attempts, nowMs: 32 * 60_000 });
    const folded = folds.reduce((sum, { from, to }) => sum + to - from, 0);
    expect(folded).toBeLessThanOrEqual(0.4001);
    for (const { from, to } of lanes[0]?.bars ?? []) expect(to - from).toBeGreaterThan(0.01);
    expect(ticks.length).toBeLessThan(100);
  });

  test("shows ten lanes at most, the newest", () => {
    const attempts = Array.from({ length: 16 }, (_, i) =>
      attempt({ kind: "tcp", target: `tcp://10.0.0.${i}:1`, startedMs: i, endedMs: i + 5, outcome: "failed" }),
    );
    const { lanes, hidden } = timelineOf({ ...RELAYED, attempts });
    expect([lanes.length, hidden]).toEqual([10, 6]);
    expect(lanes.map(({ label }) => label)).toEqual(Array.from({ length: 10 }, (_, i) => `TCP to 10.0.0.${i + 6}:1`));
  });

  test("of a session that just began has nothing but now", () => {
    const fresh = { ...RELAYED, nowMs: 0, attempts: [], changes: [] };
    expect(timelineOf(fresh)).toMatchObject({ lanes: [], paths: [], folds: [], hidden: 0, ticks: [{ text: "now" }] });
  });
});

test("an attempt is named by what was tried", () => {
  expect(attemptLabel({ kind: "websocket", way: "dial", target: "ws://192.0.2.2:8080/" })).toBe("WebSocket to 192.0.2.2:8080");
  expect(attemptLabel({ kind: "webrtc", way: "answer", target: null })).toBe("WebRTC, begun by them");
  expect(attemptLabel({ kind: "carrier-pigeon", way: "dial", target: null })).toBe("carrier-pigeon");
});
