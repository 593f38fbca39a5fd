// Proven peers that try to make us hold more and more.

import { describe, expect, test } from "vitest";
import { BufferPool } from "../../../src/core/buffer-pool.js";
import { ByteWriter } from "../../../src/core/bytes.js";
import { encodePathMessage } from "../../../src/core/connect/path-message.js";
import { PathUpgrader } from "../../../src/core/connect/path-upgrader.js";
import { WhatWorked } from "../../../src/core/connect/what-worked.js";
import { PartialBudget } from "../../../src/core/session/partial-budget.js";
import type { PeerSession } from "../../../src/core/session/peer-session.js";
import { ReceiveLane } from "../../../src/core/session/receive-lane.js";
import { writeData } from "../../../src/core/session/record.js";
import { Traffic } from "../../../src/core/session/traffic.js";
import { encodeStreamControl } from "../../../src/core/stream/stream-control.js";
import { SeededRandom } from "../../sim/seeded-random.js";
import { SimNetwork } from "../../sim/sim-node.js";
import { VirtualClock } from "../../sim/virtual-clock.js";

describe("a peer that opens streams and takes none of our answers", () => {
  test("is cut off after a quarter of a MiB of answers, whatever it goes on to send", () => {
    const nothing = (): void => undefined;
    const limits = {
      clock: new VirtualClock(),
      receiveBufferBytes: 64 * 1024 * 1024,
      maxMessageBytes: 1024,
      partials: new PartialBudget(1_000_000),
      buffers: new BufferPool(16_384, 0),
      idAt: () => null,
    };
    const traffic = new Traffic(
      "evil",
      true,
      limits,
      { bytes: 0 },
      {
        message: nothing,
        control: nothing,
        hearsDelivered: () => false,
        delivered: nothing,
        failed: nothing,
        acknowledged: nothing,
        windowGrew: nothing,
        wake: nothing,
        stream: () => false,
      },
    );
    let offset = 0;
    let opened = 0;
    const open = (): void => {
      const body = encodeStreamControl({ op: "open", id: 1 + 2 * opened++, window: 0, name: "" });
      const message = new Uint8Array(4 + 1 + body.length);
      new DataView(message.buffer).setUint32(0, 1 + body.length);
      message[4] = 1;
      message.set(body, 5);
      const record = new ByteWriter(64);
      writeData(record, 0, offset, message.length).set(message);
      traffic.accept(0, offset, message);
      offset += message.length;
    };
    expect(() => {
      for (let i = 0; i < 100_000; i++) open();
    }).toThrow(expect.objectContaining({ code: "ERR_LIMIT_QUEUE" }));
    expect(opened).toBeLessThan(20_000);
  });
});

describe("peers that begin large messages and never end them", () => {
  test("share one budget: who passes it is refused, and what is dropped or done is free again", () => {
    const budget = new PartialBudget(1024 * 1024);
    const done: number[] = [];
    const lanes = Array.from(
      { length: 3 },
      () => new ReceiveLane(1024 * 1024, 8 * 1024 * 1024, (bytes) => done.push(bytes.length), budget),
    );
    const [first, second, third] = lanes as [ReceiveLane, ReceiveLane, ReceiveLane];
    const begin = (lane: ReceiveLane, announced: number, bytes: number): void => {
      const data = new Uint8Array(4 + bytes);
      new DataView(data.buffer).setUint32(0, announced);
      lane.accept(lane.received, data);
    };
    begin(first, 600_000, 500_000);
    begin(second, 600_000, 500_000);
    expect(() => begin(third, 600_000, 100_000)).toThrow(expect.objectContaining({ code: "ERR_LIMIT_QUEUE" }));
    second.drop();
    first.accept(first.received, new Uint8Array(100_000));
    expect(done).toEqual([600_000]);
    expect(budget.take(1024 * 1024)).toBe(true);
  });
});

describe("a peer that offers WebRTC again and again", () => {
  test("makes us begin one negotiation a second at most", () => {
    const clock = new VirtualClock();
    let begun = 0;
    const session = { peerId: "a", status: "connected", pathRank: 90, sendControl: () => undefined } as unknown as PeerSession;
    const upgrader = new PathUpgrader(session, {
      clock,
      random: new SeededRandom(1),
      ownId: "b",
      dialer: { schemes: [], rankOf: () => null, kindOf: () => null } as never,
      negotiators: [
        {
          kind: "webrtc",
          schemes: [],
          rank: 40,
          negotiate: () => {
            begun++;
            return { link: new Promise(() => undefined), receiveSignal: () => undefined };
          },
        },
      ],
      stunServers: () => [],
      worked: new WhatWorked(),
      ownAddresses: () => [],
      allowLoopback: () => false,
      open: () => new Promise(() => undefined),
      onError: () => undefined,
    });
    for (let attempt = 1; attempt <= 1_000; attempt++) {
      upgrader.receive(encodePathMessage({ kind: "signal", link: "webrtc", attempt, signal: "{}" }));
    }
    expect(begun).toBe(1);
    clock.advance(1_000);
    upgrader.receive(encodePathMessage({ kind: "signal", link: "webrtc", attempt: 1_001, signal: "{}" }));
    expect(begun).toBe(2);
    upgrader.stop();
  });
});

describe("a peer that fills our window and comes back with a new session", () => {
  test("finds the window as it left it", async () => {
    const network = new SimNetwork([{ kind: "near", rank: 20, delayMs: 5 }]);
    const alice = await network.node("alice");
    const bob = await network.node("bob", { dial: [] }, { limits: { receiveBufferBytes: 256 * 1024 } });
    bob.manager.setMessageCallback(() => new Promise(() => undefined), { awaited: true });
    let arrived = 0;
    bob.manager.on("message", () => arrived++);
    for (let round = 0; round < 6; round++) {
      const connecting = alice.manager.connectToPeer("near://10.0.0.2:1000");
      await network.run(200);
      const bobId = await connecting;
      for (let i = 0; i < 20; i++) alice.manager.sendMessage(bobId, { type: "b", payload: new Uint8Array(30_000) });
      await network.run(2_000);
      void alice.manager.disconnectFromPeer(bobId);
      await network.run(5_000);
    }
    // What one window holds, and the message that passed its end.
    expect(arrived).toBeLessThanOrEqual(10);
  });
});
