// Many peers at one, and what happens to one too many.

import { text } from "linknet";
import { describe, expect, test } from "vitest";
import { next, portOf, record, started } from "./support.js";

const CROWD = 50;

describe("a manager with many peers", () => {
  test("50 peers of one host connect to it at the same time, and a broadcast reaches them all", { timeout: 60_000 }, async () => {
    const hub = await started();
    const errors = record(hub, "error");
    const peers = await Promise.all(Array.from({ length: CROWD }, () => started()));
    const ids = await Promise.all(peers.map((peer) => peer.connectToPeer("127.0.0.1", portOf(hub))));
    expect(new Set(ids)).toEqual(new Set([hub.peerId]));
    expect(new Set(hub.getConnectedPeers().map((peer) => peer.id))).toEqual(new Set(peers.map((peer) => peer.peerId)));

    const heard = peers.map((peer) => next(peer, "message"));
    expect(hub.broadcastMessage(text("welcome"))).toBe(CROWD);
    for (const message of await Promise.all(heard)) expect(message).toMatchObject({ payload: "welcome", senderId: hub.peerId });

    const arrivals = record(hub, "message");
    await Promise.all(peers.map((peer, i) => peer.deliver(hub.peerId, { type: "number", payload: i })));
    expect(new Set(arrivals.map((message) => message.payload))).toEqual(new Set(peers.keys()));
    expect(errors).toEqual([]);
  });

  test("a dialler beyond maxConnections gets ERR_LIMIT_CONNECTIONS, and gets in when somebody has left", async () => {
    const hub = await started({ limits: { maxConnections: 2 } });
    const first = await started();
    const second = await started();
    const third = await started();
    for (const peer of [first, second]) await peer.connectToPeer("127.0.0.1", portOf(hub));
    await expect(third.connectToPeer("127.0.0.1", portOf(hub))).rejects.toMatchObject({
      code: "ERR_LIMIT_CONNECTIONS",
      retryable: true,
    });
    expect(third.getConnectedPeers()).toEqual([]);
    expect(hub.getConnectedPeers().map((peer) => peer.id)).toEqual([first.peerId, second.peerId]);
    await first.deliver(hub.peerId, text("undisturbed"));

    const left = next(hub, "connection", ({ status }) => status === "disconnected");
    await first.disconnectFromPeer(hub.peerId);
    await left;
    expect(await third.connectToPeer("127.0.0.1", portOf(hub))).toBe(hub.peerId);
    await third.deliver(hub.peerId, text("at last"));
  });

  test("its own maxConnections keeps it from dialling one more", async () => {
    const alice = await started({ limits: { maxConnections: 1 } });
    const [bob, carol] = [await started(), await started()];
    await alice.connectToPeer("127.0.0.1", portOf(bob));
    await expect(alice.connectToPeer("127.0.0.1", portOf(carol))).rejects.toMatchObject({ code: "ERR_LIMIT_CONNECTIONS" });
    // The one there is may be dialled again.
    expect(await alice.connectToPeer("127.0.0.1", portOf(bob))).toBe(bob.peerId);
  });
});
