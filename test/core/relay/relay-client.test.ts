// The relay client against a real relay on loopback, and against relays that misbehave.

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import type { NetworkError } from "../../../src/core/errors.js";
import { encodePeerId } from "../../../src/core/identity.js";
import { RelayClient } from "../../../src/core/relay/relay-client.js";
import { encodeChallenge, encodePing, encodePong, encodeWelcome } from "../../../src/core/relay/relay-frame.js";
import type { RelayLink } from "../../../src/core/relay/relay-link.js";
import type { Runtime, SigningKey } from "../../../src/core/runtime.js";
import { nodeClock } from "../../../src/node/clock.js";
import { nodeCrypto } from "../../../src/node/node-crypto.js";
import { openRelaySocket } from "../../../src/node/relay-socket.js";
import { createRelay, type Relay, type RelayOptions } from "../../../src/server/index.js";
import { pattern, RawClient, until } from "../../server/raw-client.js";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

interface Peer {
  readonly client: RelayClient;
  readonly id: string;
  readonly key: SigningKey;
  readonly inbound: RelayLink[];
  readonly got: Uint8Array[];
  readonly events: string[];
  readonly networkChanged: () => void;
}

function peer(
  url: string,
  options: { readonly key?: SigningKey; readonly baseMs?: number; readonly runtime?: Partial<Runtime> } = {},
): Peer {
  const cryptoProvider = nodeCrypto();
  let changed: (() => void) | null = null;
  const runtime: Runtime = {
    name: "node",
    clock: nodeClock,
    random: { bytes: randomBytes },
    crypto: cryptoProvider,
    transports: [],
    openRelaySocket,
    localAddresses: () => [],
    onNetworkChange: (callback) => {
      changed = callback;
      return () => {
        changed = null;
      };
    },
    maxConnections: 10,
    ...options.runtime,
  };
  const key = options.key ?? cryptoProvider.signingKeyFrom(randomBytes(32));
  const inbound: RelayLink[] = [];
  const got: Uint8Array[] = [];
  const events: string[] = [];
  const client = new RelayClient({
    url,
    runtime,
    signingKey: key,
    reconnectBaseMs: options.baseMs ?? 20,
    reconnectMaxMs: Math.max(100, options.baseMs ?? 0),
    handlers: {
      link: (link) => {
        inbound.push(link);
        link.attach({
          frame: (frame) => got.push(frame.slice()),
          drain: () => {},
          closed: (error) => events.push(`in ${error?.code ?? "closed"}`),
        });
      },
      status: (connected, error) => events.push(connected ? "on" : `off ${error?.code ?? ""}`.trim()),
      member: (room, peerId, event) => events.push(`${event} ${room} ${peerId.slice(0, 4)}`),
    },
  });
  cleanups.push(() => client.stop());
  return { client, id: encodePeerId(key.publicKey), key, inbound, got, events, networkChanged: () => changed?.() };
}

async function relayWith(options: RelayOptions = {}): Promise<Relay> {
  const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false, ...options });
  cleanups.push(() => relay.close());
  return relay;
}

async function online(url: string, options?: Parameters<typeof peer>[1]): Promise<Peer> {
  const one = peer(url, options);
  one.client.start();
  await one.client.whenConnected();
  return one;
}

/** Opens a link that records. */
function dial(from: Peer, to: string): { link: RelayLink; got: Uint8Array[]; ended: Promise<NetworkError | null> } {
  const link = from.client.dial(to);
  const got: Uint8Array[] = [];
  const ended = new Promise<NetworkError | null>((resolve) => {
    link.attach({ frame: (frame) => got.push(frame.slice()), drain: () => {}, closed: resolve });
  });
  return { link, got, ended };
}

/** A clock that stands still until it is told to go on. */
function standingClock() {
  let now = 0;
  const timers = new Set<{ at: number; run(): void }>();
  const clock = {
    ...nodeClock,
    now: () => now,
    after: (delayMs: number, run: () => void) => {
      const timer = { at: now + delayMs, run };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
  };
  const advance = (ms: number): void => {
    now += ms;
    for (const timer of [...timers]) if (timer.at <= now && timers.delete(timer)) timer.run();
  };
  return { clock, advance };
}

describe("links over a relay", () => {
  test("carry frames of every size between two clients, byte for byte", async () => {
    const relay = await relayWith();
    const [alice, bob] = [await online(relay.url), await online(relay.url)];
    const { link, got } = dial(alice, bob.id);
    const sizes = [0, 1, 5000, 65_535];
    for (const size of sizes) expect(link.send(pattern(size))).toBe(true);
    await until(() => bob.got.length === sizes.length);
    for (const [i, frame] of bob.got.entries()) expect(Buffer.compare(frame, pattern(sizes[i] as number))).toBe(0);
    expect(bob.inbound[0]?.claimedPeerId).toBe(alice.id);
    bob.inbound[0]?.send(pattern(300));
    await until(() => got.length === 1);
    expect(got[0]).toEqual(pattern(300));
    link.close();
    await until(() => bob.events.includes("in closed"));
  });

  test("end with ERR_PEER_UNREACHABLE when nobody is there, and cannot be dialled while offline", async () => {
    const relay = await relayWith();
    const alice = await online(relay.url);
    const { link, ended } = dial(alice, peer(relay.url).id);
    link.send(pattern(10));
    expect((await ended)?.code).toBe("ERR_PEER_UNREACHABLE");
    const offline = peer(relay.url);
    expect(() => offline.client.dial(alice.id)).toThrow(expect.objectContaining({ code: "ERR_RELAY_UNAVAILABLE" }));
    expect(() => alice.client.dial("nobody")).toThrow(expect.objectContaining({ code: "ERR_PEER_ID_INVALID" }));
  });

  test("end with ERR_RELAY_UNAVAILABLE when the relay dies, and the other side hears of a stop", async () => {
    const relay = await relayWith();
    const [alice, bob, carol] = [await online(relay.url), await online(relay.url), await online(relay.url)];
    const toBob = dial(alice, bob.id);
    toBob.link.send(pattern(3));
    dial(carol, bob.id).link.send(pattern(4));
    await until(() => bob.got.length === 2);
    carol.client.stop();
    await until(() => bob.events.includes("in closed"));
    await relay.close();
    expect((await toBob.ended)?.code).toBe("ERR_RELAY_UNAVAILABLE");
    expect(bob.events).toContain("in ERR_RELAY_UNAVAILABLE");
  });

  test("slow down when the relay does not read", async () => {
    const relay = await relayWith({ limits: { bytesPerSecond: 4 * 1024 * 1024, bytesBurst: 1024 * 1024 } });
    const [alice, bob] = [await online(relay.url), await online(relay.url)];
    const link = alice.client.dial(bob.id);
    let drained = 0;
    link.attach({ frame: () => {}, drain: () => drained++, closed: () => {} });
    const frame = pattern(60_000);
    let sent = 0;
    while (sent < 400 && link.send(frame)) sent++;
    expect(sent).toBeLessThan(400);
    await until(() => drained > 0);
    await until(() => bob.got.length === sent + 1);
    expect(bob.got.every((got) => Buffer.compare(got, frame) === 0)).toBe(true);
  });
});

describe("a lasting connection", () => {
  test("comes back after the relay restarted on the same port, and tells each change once", async () => {
    const relay = await relayWith();
    const { port } = relay;
    const alice = await online(relay.url);
    await relay.close();
    await until(() => alice.events.length === 2);
    // A few attempts fail meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 150));
    await relayWith({ port });
    await alice.client.whenConnected();
    expect(alice.events).toEqual(["on", "off ERR_RELAY_UNAVAILABLE", "on"]);
    expect(alice.client.connected).toBe(true);
  });

  test("goes on trying while nothing listens, tells it once, and tries at once when the network changes", async () => {
    const relay = await relayWith();
    const { url, port } = relay;
    await relay.close();
    const alice = peer(url, { baseMs: 3_600_000 });
    alice.client.start();
    const abort = new AbortController();
    const waiting = alice.client.whenConnected(abort.signal);
    await until(() => alice.events.length === 1);
    expect(alice.events).toEqual(["off ERR_RELAY_UNAVAILABLE"]);
    const reason = new Error("enough");
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await relayWith({ port });
    // The next attempt by itself would be most of an hour away.
    alice.networkChanged();
    await alice.client.whenConnected();
    expect(alice.events).toEqual(["off ERR_RELAY_UNAVAILABLE", "on"]);
  });

  test("ends for good when the identity logs in elsewhere", async () => {
    const relay = await relayWith();
    const older = await online(relay.url);
    await online(relay.url, { key: older.key });
    await until(() => older.events.length === 2);
    expect(older.events).toEqual(["on", "off ERR_RELAY_REPLACED"]);
    await expect(older.client.whenConnected()).rejects.toMatchObject({ code: "ERR_RELAY_REPLACED" });
    await expect(older.client.join("x")).rejects.toMatchObject({ code: "ERR_RELAY_REPLACED" });
    older.networkChanged();
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(relay.clients).toBe(1);
    expect(older.events).toHaveLength(2);
  });

  test("ends for good when the relay does not know itself by the name that was dialled", async () => {
    const relay = await relayWith({ publicUrls: ["wss://relay.example"] });
    const alice = peer(`ws://127.0.0.1:${relay.port}`);
    alice.client.start();
    await expect(alice.client.whenConnected()).rejects.toMatchObject({ code: "ERR_RELAY_ORIGIN" });
    expect(alice.events).toEqual(["off ERR_RELAY_ORIGIN"]);
  });

  test("rejects who waits when it is stopped, and a URL that is none", async () => {
    const alice = peer("ws://127.0.0.1:9");
    const waiting = alice.client.whenConnected();
    const joining = alice.client.join("room");
    alice.client.start();
    alice.client.stop();
    await expect(waiting).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await expect(joining).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await expect(alice.client.whenConnected()).rejects.toMatchObject({ code: "ERR_CLOSED" });
    expect(() => peer("https://relay.example")).toThrow(expect.objectContaining({ code: "ERR_OPTION_INVALID" }));
  });
});

describe("a relay that misbehaves", () => {
  function sendAll(ws: WebSocket, ...frames: readonly Uint8Array[]): void {
    for (const frame of frames) ws.send(frame);
  }

  async function fakeRelay(talk: (ws: WebSocket) => void): Promise<string> {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    server.on("connection", talk);
    cleanups.push(() => {
      for (const ws of server.clients) ws.terminate();
      server.close();
    });
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const challenge = encodeChallenge(new Uint8Array(32));
  const welcome = encodeWelcome({ maxPayloadBytes: 65_600, idleMs: 60_000, stunPort: 0 });

  test.each<[string, (ws: WebSocket) => void]>([
    ["speaks another version", (ws) => ws.send(Uint8Array.of(1, 2, 0))],
    ["sends nonsense", (ws) => ws.send(Uint8Array.of(200))],
    ["welcomes before it challenges", (ws) => ws.send(welcome)],
    ["challenges twice", (ws) => sendAll(ws, challenge, challenge)],
    ["forwards before the login", (ws) => sendAll(ws, challenge, new Uint8Array(40).fill(4))],
    [
      "carries frames that are too small",
      (ws) => {
        ws.send(challenge);
        ws.once("message", () => ws.send(encodeWelcome({ maxPayloadBytes: 100, idleMs: 1, stunPort: 0 })));
      },
    ],
  ])("is refused for good when it %s", async (_name, talk) => {
    const alice = peer(await fakeRelay(talk));
    alice.client.start();
    await expect(alice.client.whenConnected()).rejects.toMatchObject({ code: "ERR_RELAY_PROTOCOL" });
    expect(alice.client.connected).toBe(false);
  });

  test("knows how long the relay takes to answer: the login first, then each ping; and why it is not connected", async () => {
    const { clock, advance } = standingClock();
    const sockets: WebSocket[] = [];
    const url = await fakeRelay((ws) => {
      sockets.push(ws);
      ws.send(challenge);
      ws.once("message", () => {
        advance(40);
        ws.send(welcome);
        ws.once("message", () => {
          advance(70);
          ws.send(encodePong(pattern(8)));
        });
      });
    });
    const alice = await online(url, { runtime: { clock } });
    expect([alice.client.rttMs, alice.client.problem]).toEqual([40, null]);
    advance(15_000);
    await until(() => alice.client.rttMs === 70);
    for (const ws of sockets) ws.terminate();
    await until(() => !alice.client.connected);
    expect(alice.client.rttMs).toBeNull();
    expect(alice.client.problem).toMatchObject({ code: "ERR_RELAY_UNAVAILABLE" });
    advance(100);
    await until(() => alice.client.connected);
    expect([alice.client.rttMs, alice.client.problem]).toEqual([40, null]);
  });

  test("answers pings, and takes a silent relay for dead 5 s after its own ping", async () => {
    const { clock, advance } = standingClock();
    const frames: Buffer[] = [];
    const sockets: WebSocket[] = [];
    const url = await fakeRelay((ws) => {
      sockets.push(ws);
      ws.on("message", (data) => frames.push(data as Buffer));
      ws.send(challenge);
      ws.once("message", () => sendAll(ws, welcome, encodePing(pattern(8))));
    });
    const alice = await online(url, { runtime: { clock } });
    await until(() => frames.length === 2);
    expect(frames[1]?.[0]).toBe(13);
    advance(14_999);
    advance(1);
    await until(() => frames.length === 3);
    expect(frames[2]?.[0]).toBe(12);
    advance(4_999);
    expect(alice.client.connected).toBe(true);
    advance(1);
    expect(alice.client.connected).toBe(false);
    expect(alice.events).toEqual(["on", "off ERR_RELAY_UNAVAILABLE"]);
  });

  test("takes it for dead 2.5 s after the network has changed, however often that is said", async () => {
    const { clock, advance } = standingClock();
    let frames = 0;
    const url = await fakeRelay((ws) => {
      ws.on("message", () => frames++);
      ws.send(challenge);
      ws.once("message", () => sendAll(ws, welcome));
    });
    const alice = await online(url, { runtime: { clock } });
    for (let i = 0; i < 4; i++) {
      alice.networkChanged();
      advance(i < 3 ? 800 : 99);
    }
    await until(() => frames === 2);
    expect(alice.client.connected).toBe(true);
    advance(1);
    expect(alice.client.connected).toBe(false);
  });

  test("is given up after 10 s when it says nothing at all", async () => {
    const server = createServer(() => {});
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => server.close());
    const delays: number[] = [];
    const pending: (() => void)[] = [];
    const clock = {
      ...nodeClock,
      after: (delayMs: number, run: () => void) => {
        delays.push(delayMs);
        pending.push(run);
        return { cancel: () => {} };
      },
    };
    const alice = peer(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { runtime: { clock } });
    alice.client.start();
    expect(delays).toEqual([10_000]);
    await new Promise((resolve) => server.once("connection", resolve));
    pending[0]?.();
    expect(alice.events).toEqual(["off ERR_RELAY_UNAVAILABLE"]);
  });
});

describe("rooms", () => {
  test("show who is there and what changes, and are joined again after the relay restarted", async () => {
    const relay = await relayWith();
    const { port } = relay;
    const [alice, bob] = [await online(relay.url), await online(relay.url)];
    expect(await alice.client.join("blue")).toEqual([]);
    expect(await bob.client.join("blue")).toEqual([alice.id]);
    await until(() => alice.events.length === 2);
    expect(alice.events[1]).toBe(`join blue ${bob.id.slice(0, 4)}`);
    expect(await alice.client.join("blue")).toEqual([bob.id]);
    await relay.close();
    bob.client.stop();
    await relayWith({ port });
    await until(() => alice.events.includes(`leave blue ${bob.id.slice(0, 4)}`));
    const carol = await online(alice.client.url);
    expect(await carol.client.join("blue")).toEqual([alice.id]);
    await until(() => alice.events.at(-1) === `join blue ${carol.id.slice(0, 4)}`);
    expect(alice.events.filter((event) => event.startsWith("join"))).toHaveLength(2);
    carol.client.leave("blue");
    await until(() => alice.events.at(-1) === `leave blue ${carol.id.slice(0, 4)}`);
  });

  test("are kept apart by name, and the relay never sees the name", async () => {
    const relay = await relayWith();
    const [alice, bob] = [await online(relay.url), await online(relay.url)];
    expect(await alice.client.join("blue")).toEqual([]);
    expect(await bob.client.join("green")).toEqual([]);
    expect(await bob.client.join("Blue")).toEqual([]);
    expect(relay.rooms).toBe(3);
  });

  test("that were asked for offline are joined when the relay is there", async () => {
    const relay = await relayWith();
    const alice = peer(relay.url);
    const joined = alice.client.join("early");
    alice.client.start();
    expect(await joined).toEqual([]);
  });

  test("refuse bad names at once, and say when they are full", async () => {
    const relay = await relayWith({ limits: { membersPerRoom: 1 } });
    const [alice, bob] = [await online(relay.url), await online(relay.url)];
    for (const name of ["", "x".repeat(129), "é".repeat(65)]) {
      await expect(alice.client.join(name)).rejects.toMatchObject({ code: "ERR_ROOM_INVALID" });
    }
    await alice.client.join("é".repeat(64));
    await alice.client.join("full");
    await expect(bob.client.join("full")).rejects.toMatchObject({ code: "ERR_ROOM_LIMIT" });
    alice.client.leave("full");
    await until(() => relay.rooms === 1);
    expect(await bob.client.join("full")).toEqual([]);
  });
});

test("a full queue at the relay ends the sender's link with ERR_RELAY_LIMIT", async () => {
  const relay = await relayWith({ limits: { queueFrames: 1, queueBytes: 64 * 1024 } });
  const alice = await online(relay.url);
  const deaf = new RawClient(relay.url);
  const { peerId } = await deaf.login();
  deaf.ws.pause();
  const { link, ended } = dial(alice, peerId);
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const frame = pattern(60_000);
  while (!over) {
    // What the client itself still holds is no matter of the relay.
    if (!link.send(frame)) await new Promise((resolve) => setTimeout(resolve, 1));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await ended)?.code).toBe("ERR_RELAY_LIMIT");
});
