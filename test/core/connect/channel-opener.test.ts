// From a link to a proven peer: who is let in, who is turned away, and what is left when it is over.

import { describe, expect, test } from "vitest";
import { ChannelOpener } from "../../../src/core/connect/channel-opener.js";
import { InboundGate } from "../../../src/core/connect/inbound-gate.js";
import type { NetworkError } from "../../../src/core/errors.js";
import { run } from "../../sim/flush.js";
import { MemoryWire } from "../../sim/memory-link.js";
import { VirtualClock } from "../../sim/virtual-clock.js";
import { newContext } from "../channel/support.js";

const never = new AbortController().signal;

function lab(hasRoom = true) {
  const clock = new VirtualClock();
  const adopted: string[] = [];
  const make = (seed: number) => {
    const context = newContext(clock, seed);
    const gate = new InboundGate(clock, 64, 5);
    const opener = new ChannelOpener(context, gate, (peerId) => {
      if (!hasRoom && seed === 2) return null;
      adopted.push(peerId);
      return { record() {}, datagram() {}, drain() {}, closed() {} };
    });
    return { context, gate, opener, peerId: context.identity.peerId };
  };
  return { clock, adopted, alice: make(1), bob: make(2) };
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "opened",
    (error: NetworkError) => error.code ?? String(error),
  );

describe("the opener", () => {
  test("proves both sides and frees the place at the gate", async () => {
    const { clock, adopted, alice, bob } = lab();
    const wire = new MemoryWire(clock);
    bob.opener.accept(wire.accepting, 20, "192.0.2.1");
    expect(bob.gate.unproven).toBe(1);
    const opened = alice.opener.connect(wire.dialling, 20, true, bob.peerId, never);
    await run(clock, 20);
    expect(await opened).toBe(bob.peerId);
    expect(adopted).toEqual([bob.peerId, alice.peerId]);
    expect(bob.gate.unproven).toBe(0);
  });

  test("closes the link when the caller gives up", async () => {
    const { clock, alice } = lab();
    const wire = new MemoryWire(clock);
    const controller = new AbortController();
    const code = codeOf(alice.opener.connect(wire.dialling, 20, true, null, controller.signal));
    controller.abort("enough");
    expect(await code).toBe("enough");
    expect(wire.dialling.ended).toBe(true);
    const second = new MemoryWire(clock);
    expect(await codeOf(alice.opener.connect(second.dialling, 20, true, null, controller.signal))).toBe("enough");
    expect(second.dialling.ended).toBe(true);
  });

  test("frees the place of a link that was dead on arrival", async () => {
    const { clock, bob } = lab();
    const wire = new MemoryWire(clock);
    wire.accepting.close();
    bob.opener.accept(wire.accepting, 20, "192.0.2.1");
    await run(clock, 1);
    expect(bob.gate.unproven).toBe(0);
  });

  test("closes a proven channel that there is no room for", async () => {
    const { clock, alice, bob } = lab(false);
    const wire = new MemoryWire(clock);
    bob.opener.accept(wire.accepting, 20, "192.0.2.1");
    const opened = codeOf(alice.opener.connect(wire.dialling, 20, true, null, never));
    await run(clock, 50);
    expect(await opened).toBe("opened");
    expect(wire.ended).toBe(true);
    expect(bob.gate.unproven).toBe(0);
  });

  test("that was closed ends what is under way, what waits, and what comes later", async () => {
    const { clock, adopted, bob } = lab();
    const wires = Array.from({ length: 30 }, () => new MemoryWire(clock));
    for (const wire of wires) bob.opener.accept(wire.accepting, 20, "192.0.2.1");
    bob.opener.close();
    expect(wires.every((wire) => wire.accepting.ended)).toBe(true);
    const late = new MemoryWire(clock);
    expect(await codeOf(bob.opener.connect(late.dialling, 20, true, null, never))).toBe("ERR_CLOSED");
    expect(late.dialling.ended).toBe(true);
    const inbound = new MemoryWire(clock);
    bob.opener.accept(inbound.accepting, 20, "192.0.2.9");
    expect(inbound.accepting.ended).toBe(true);
    await run(clock, 60_000);
    expect(adopted).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
    expect(bob.gate.unproven).toBe(0);
  });
});
