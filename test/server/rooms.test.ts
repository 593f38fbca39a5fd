// Rooms over real sockets, as the relay keeps them.

import { afterEach, describe, expect, test } from "vitest";
import { encodeRoomJoin, encodeRoomLeave, ROOM_REFUSED } from "../../src/core/relay/relay-frame.js";
import { createRelay, type Relay, type RelayLimits } from "../../src/server/index.js";
import { pattern, RawClient, type TestKey, until } from "./raw-client.js";

const open: { close(): Promise<void> }[] = [];

async function relayWith(limits: Partial<RelayLimits> = {}): Promise<Relay> {
  const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false, limits });
  open.push(relay);
  return relay;
}

async function member(relay: Relay): Promise<{ raw: RawClient; key: TestKey }> {
  const raw = new RawClient(relay.url);
  return { raw, key: await raw.login() };
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((relay) => relay.close()));
});

const ROOM = pattern(32);

describe("rooms", () => {
  test("tell who is there, who joins and who leaves, by word or by going away", async () => {
    const relay = await relayWith();
    const [alice, bob, carol] = [await member(relay), await member(relay), await member(relay)];
    alice.raw.send(encodeRoomJoin(ROOM));
    expect(await alice.raw.next("room-members")).toEqual({ kind: "room-members", room: ROOM, members: [] });
    bob.raw.send(encodeRoomJoin(ROOM));
    expect((await bob.raw.next("room-members")).members).toEqual([alice.key.publicKey]);
    expect(await alice.raw.next("member-joined")).toEqual({ kind: "member-joined", room: ROOM, peerId: bob.key.publicKey });
    carol.raw.send(encodeRoomJoin(ROOM));
    expect((await carol.raw.next("room-members")).members).toEqual([alice.key.publicKey, bob.key.publicKey]);
    expect((await bob.raw.next("member-joined")).peerId).toEqual(carol.key.publicKey);

    bob.raw.send(encodeRoomLeave(ROOM));
    expect(await alice.raw.next("member-left")).toEqual({ kind: "member-left", room: ROOM, peerId: bob.key.publicKey });
    carol.raw.ws.terminate();
    expect((await alice.raw.next("member-joined")).peerId).toEqual(carol.key.publicKey);
    expect((await alice.raw.next("member-left")).peerId).toEqual(carol.key.publicKey);
    expect(relay.rooms).toBe(1);
    alice.raw.send(encodeRoomLeave(ROOM));
    await until(() => relay.rooms === 0);
    expect(bob.raw.frames).toEqual([]);
  });

  test("answer a second join with the members, and tell nobody", async () => {
    const relay = await relayWith();
    const [alice, bob] = [await member(relay), await member(relay)];
    alice.raw.send(encodeRoomJoin(ROOM));
    await alice.raw.next("room-members");
    for (let i = 0; i < 2; i++) {
      bob.raw.send(encodeRoomJoin(ROOM));
      expect((await bob.raw.next("room-members")).members).toEqual([alice.key.publicKey]);
    }
    bob.raw.send(encodeRoomLeave(ROOM));
    await alice.raw.next("member-left");
    expect(alice.raw.frames.filter((frame) => frame.kind === "member-joined")).toHaveLength(1);
  });

  test("refuse the one member too many, the one room too many and an id that is too long", async () => {
    const relay = await relayWith({ membersPerRoom: 1, roomsPerClient: 2, roomIdBytes: 32 });
    const [alice, bob] = [await member(relay), await member(relay)];
    alice.raw.send(encodeRoomJoin(ROOM));
    await alice.raw.next("room-members");
    bob.raw.send(encodeRoomJoin(ROOM));
    expect(await bob.raw.next("room-refused")).toEqual({ kind: "room-refused", room: ROOM, reason: ROOM_REFUSED.ROOM_FULL });
    bob.raw.send(encodeRoomJoin(pattern(33)));
    expect((await bob.raw.next("room-refused")).reason).toBe(ROOM_REFUSED.INVALID);
    for (let i = 2; i < 5; i++) bob.raw.send(encodeRoomJoin(pattern(8, i)));
    expect((await bob.raw.next("room-refused")).reason).toBe(ROOM_REFUSED.TOO_MANY_ROOMS);
    expect(relay.rooms).toBe(3);
    bob.raw.ws.terminate();
    alice.raw.ws.terminate();
    await until(() => relay.rooms === 0);
  });

  test("count what a join sends to others against the one who joins", async () => {
    const relay = await relayWith({ framesPerSecond: 100, framesBurst: 50 });
    const members = await Promise.all(Array.from({ length: 12 }, () => member(relay)));
    for (const { raw } of members) raw.send(encodeRoomJoin(ROOM));
    for (const { raw } of members) await raw.next("room-members");
    const { raw } = members[0] as { raw: RawClient };
    // 23 frames each time, to 11 others twice and to itself; it may be 50 of them over its burst of 50.
    for (let i = 0; i < 40; i++) {
      raw.send(encodeRoomLeave(ROOM));
      raw.send(encodeRoomJoin(ROOM));
    }
    expect((await raw.closed).code).toBe(4008);
    expect(relay.clients).toBe(11);
  });
});
