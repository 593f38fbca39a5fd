// One identity in several managers, and tickets that outlive the run that made them.

import { text } from "linknet";
import { createRelay } from "linknet/relay";
import { describe, expect, onTestFinished, test } from "vitest";
import { manager, next, portOf, started } from "./support.js";

const SEED = Uint8Array.from({ length: 32 }, (_, i) => i + 1);

async function relayUrl(): Promise<string> {
  const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
  onTestFinished(() => relay.close());
  return relay.url;
}

describe("one identity in two managers", () => {
  test("they have one PeerId and are nobody else to each other", async () => {
    const [one, two] = [await started({ identity: SEED }), await started({ identity: SEED })];
    expect(two.peerId).toBe(one.peerId);
    await expect(two.connectToPeer("127.0.0.1", portOf(one))).rejects.toMatchObject({ code: "ERR_DIAL_SELF" });
    expect([...one.getConnectedPeers(), ...two.getConnectedPeers()]).toEqual([]);
  });

  test("at a relay the newer one takes the place, and the older one is told", async () => {
    const relays = [await relayUrl()];
    const older = await started({ identity: SEED, relays });
    const told = next(older, "error");
    const newer = await started({ identity: SEED, relays });
    expect((await told).code).toBe("ERR_RELAY_REPLACED");
    const alice = await started({ relays });
    const heard = next(newer, "message");
    await alice.connectToPeer(newer.peerId);
    await alice.deliver(newer.peerId, text("to the newer one"));
    expect((await heard).payload).toBe("to the newer one");
    expect(older.getConnectedPeers()).toEqual([]);
  });

  test("a peer that restarts under its identity reaches who still remembers the session before", async () => {
    const bob = await started();
    const before = await started({ identity: SEED });
    await before.connectToPeer("127.0.0.1", portOf(bob));
    await before.deliver(bob.peerId, text("before"));
    await before.stop();
    const after = await started({ identity: SEED });
    await after.connectToPeer("127.0.0.1", portOf(bob));
    const heard = next(bob, "message");
    await after.deliver(bob.peerId, text("after"));
    expect(await heard).toMatchObject({ payload: "after", senderId: before.peerId });
    await bob.deliver(after.peerId, text("welcome back"));
  });
});

describe("a ticket of an earlier run", () => {
  test("dials the same identity at the same port", async () => {
    const first = await started({ identity: SEED });
    const [ticket, port] = [first.ticket(), portOf(first)];
    await first.stop();
    await started({ identity: SEED }, port);
    const alice = await started();
    expect(await alice.connectToPeer(ticket)).toBe(first.peerId);
  });

  test("finds it at another port, through the relay in the ticket", async () => {
    const relays = [await relayUrl()];
    const first = await started({ identity: SEED, relays });
    const ticket = first.ticket();
    await first.stop();
    await started({ identity: SEED, relays });
    const alice = await started();
    expect(await alice.connectToPeer(ticket)).toBe(first.peerId);
    await alice.deliver(first.peerId, text("found"));
  });

  test("refuses whoever has that port now", async () => {
    const first = await started({ identity: SEED });
    const [ticket, port] = [first.ticket(), portOf(first)];
    await first.stop();
    const stranger = await started({}, port);
    const alice = await started();
    await expect(alice.connectToPeer(ticket)).rejects.toMatchObject({ code: "ERR_HANDSHAKE_AUTH" });
    expect(stranger.getConnectedPeers()).toEqual([]);
  });

  test("can be made only by a manager that is started", () => {
    expect(() => manager().ticket()).toThrow(expect.objectContaining({ code: "ERR_STATE_NOT_STARTED" }));
  });
});
