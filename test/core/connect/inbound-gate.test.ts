// Who may begin a handshake, and when.

import { describe, expect, test } from "vitest";
import { InboundGate } from "../../../src/core/connect/inbound-gate.js";
import { VirtualClock } from "../../sim/virtual-clock.js";

function lab(max = 64, perSecond = 5) {
  const clock = new VirtualClock();
  const gate = new InboundGate(clock, max, perSecond);
  const started: string[] = [];
  const refused: string[] = [];
  const leaves: ((proven: boolean) => void)[] = [];
  const enter = (source: string): boolean => {
    const leave = gate.enter(
      source,
      () => started.push(source),
      () => refused.push(source),
    );
    if (leave) leaves.push(leave);
    return leave !== null;
  };
  return { clock, gate, started, refused, leaves, enter };
}

describe("the gate", () => {
  test("lets a burst of 20 through, then 5 a second", () => {
    const { clock, started, enter } = lab();
    for (let i = 0; i < 40; i++) enter("a");
    expect(started.length).toBe(20);
    clock.advance(1_000);
    expect(started.length).toBe(25);
    clock.advance(10_000);
    expect(started.length).toBe(40);
  });

  test("gives the token back to whoever proves a key, so that honest peers behind one address never wait", () => {
    const { started, leaves, enter } = lab();
    for (let i = 0; i < 500; i++) {
      expect(enter("a")).toBe(true);
      leaves.at(-1)?.(true);
    }
    expect(started.length).toBe(500);
  });

  test("slows down whoever never proves one", () => {
    const { started, leaves, enter } = lab();
    for (let i = 0; i < 40; i++) {
      enter("a");
      leaves.at(-1)?.(false);
    }
    expect(started.length).toBe(20);
  });

  test("holds no more than its bound, from however many sources", () => {
    const { gate, enter } = lab();
    let taken = 0;
    for (let i = 0; i < 10_000; i++) if (enter(`10.0.${i >> 8}.${i & 255}`)) taken++;
    expect(taken).toBe(64);
    expect(gate.unproven).toBe(64);
  });

  test("one source that fills all places, in line or in handshakes, does not keep another out", () => {
    const { clock, gate, started, refused, enter } = lab();
    // Half-open handshakes that never end: after some seconds all 64 places are handshakes of one source.
    for (let i = 0; i < 1_000; i++) {
      enter("greedy");
      clock.advance(10);
    }
    expect(started.length).toBeGreaterThanOrEqual(64);
    for (let i = 0; i < 5; i++) {
      expect(enter("honest")).toBe(true);
      expect(started.at(-1)).toBe("honest");
    }
    expect(refused.filter((source) => source === "greedy").length).toBe(5);
    expect(refused).not.toContain("honest");
    expect(gate.unproven).toBe(64);
  });

  test("counts a link that was turned out only once", () => {
    const { gate, leaves, refused, enter } = lab(2);
    enter("a");
    enter("a");
    expect(enter("b")).toBe(true);
    expect(refused).toEqual(["a"]);
    for (const leave of [...leaves, ...leaves]) leave(false);
    expect(gate.unproven).toBe(0);
  });

  test("remembers no more than 4,096 sources", () => {
    const { started, leaves, enter } = lab();
    for (let i = 0; i < 20; i++) {
      enter("a");
      leaves.at(-1)?.(false);
    }
    for (let i = 0; i < 5_000; i++) {
      enter(`s${i}`);
      leaves.at(-1)?.(false);
    }
    // "a" was forgotten: bounded memory is worth more than a grudge.
    enter("a");
    expect(started.at(-1)).toBe("a");
  });

  test("when closed refuses who waits and whoever comes, and leaves no timer", () => {
    const { clock, gate, started, refused, enter } = lab();
    for (let i = 0; i < 30; i++) enter("a");
    gate.close();
    expect(refused.length).toBe(10);
    expect(enter("b")).toBe(false);
    clock.advance(60_000);
    expect(started.length).toBe(20);
    expect(clock.pendingTimers).toBe(0);
  });
});
