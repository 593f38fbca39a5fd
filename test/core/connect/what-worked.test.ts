import { describe, expect, test } from "vitest";
import { encodePathMessage } from "../../../src/core/connect/path-message.js";
import { PathUpgrader } from "../../../src/core/connect/path-upgrader.js";
import { WhatWorked } from "../../../src/core/connect/what-worked.js";
import type { PeerSession } from "../../../src/core/session/peer-session.js";
import { SeededRandom } from "../../sim/seeded-random.js";
import { VirtualClock } from "../../sim/virtual-clock.js";

/** A session on the relay that could have WebRTC, and whose other side can be dialled in vain. */
function upgrader(worked: WhatWorked, clock: VirtualClock) {
  const session = { peerId: "b", status: "connected", path: "relay", pathRank: 90, sendControl: () => undefined };
  let offers = 0;
  const one = new PathUpgrader(session as unknown as PeerSession, {
    clock,
    random: new SeededRandom(1),
    ownId: "a",
    dialer: { schemes: [], rankOf: () => 30, kindOf: () => "websocket", dial: () => new Promise(() => undefined) } as never,
    negotiators: [
      {
        kind: "webrtc",
        schemes: [],
        rank: 40,
        negotiate: () => {
          offers++;
          return { link: new Promise(() => undefined), receiveSignal: () => undefined };
        },
      },
    ],
    stunServers: () => [],
    worked,
    ownAddresses: () => [],
    allowLoopback: () => false,
    open: () => new Promise(() => undefined),
    onError: () => undefined,
  });
  return {
    one,
    session,
    offers: () => offers,
    meet: () =>
      one.receive(encodePathMessage({ kind: "paths", addresses: ["ws://192.0.2.7:8080"], schemes: [], negotiable: ["webrtc"] })),
  };
}

describe("what led to a peer before", () => {
  test("is tried without delay when the peer is met again, in another session", async () => {
    const worked = new WhatWorked();
    const clock = new VirtualClock();
    const first = upgrader(worked, clock);
    first.meet();
    clock.advance(999);
    expect(first.offers()).toBe(0);
    clock.advance(1);
    await Promise.resolve();
    expect(first.offers()).toBe(1);
    Object.assign(first.session, { path: "webrtc", pathRank: 40 });
    first.one.pathChanged();
    first.one.stop();

    const second = upgrader(worked, clock);
    second.meet();
    expect(second.offers()).toBe(1);
    second.one.stop();
  });

  test("is kept for a thousand peers: those that were reached last", () => {
    const worked = new WhatWorked();
    for (let i = 0; i < 1_000; i++) worked.set(`p${i}`, "webrtc");
    worked.set("p0", "udp");
    worked.set("one more", "tcp");
    expect(worked.get("p0")).toBe("udp");
    expect(worked.get("p1")).toBeUndefined();
    expect(worked.get("p2")).toBe("webrtc");
  });
});
