// The relay over real sockets: who may come in, and what happens to frames.

import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, test } from "vitest";
import { relayAuthority } from "../../src/core/relay/relay-address.js";
import { encodePing, RELAY_PAYLOAD_BYTES, UNDELIVERED } from "../../src/core/relay/relay-frame.js";
import { createRelay, type Relay, type RelayLogEntry, type RelayOptions } from "../../src/server/index.js";
import { forwardFrame, loginFrame, newKey, pattern, RawClient, until } from "./raw-client.js";

const open: { close(): Promise<void> }[] = [];
const clients: RawClient[] = [];

async function relayWith(options: RelayOptions = {}): Promise<Relay> {
  const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false, ...options });
  open.push(relay);
  return relay;
}

function client(url: string, options?: ConstructorParameters<typeof RawClient>[1]): RawClient {
  const raw = new RawClient(url, options);
  clients.push(raw);
  return raw;
}

afterEach(async () => {
  for (const raw of clients.splice(0)) raw.ws.terminate();
  await Promise.all(open.splice(0).map((relay) => relay.close()));
});

describe("login", () => {
  test("lets in who signs the challenge, and tells the limits", async () => {
    const relay = await relayWith({ limits: { idleMs: 12_345 } });
    const alice = client(relay.url);
    const { nonce, version } = await alice.next("challenge");
    expect(version).toBe(1);
    alice.send(loginFrame(newKey(), nonce, relayAuthority(relay.url)));
    expect(await alice.next("welcome")).toEqual({ kind: "welcome", maxPayloadBytes: 65_600, idleMs: 12_345, stunPort: 0 });
    expect(relay.clients).toBe(1);
  });

  test("refuses an answer to the challenge of another connection", async () => {
    const relay = await relayWith();
    const key = newKey();
    const first = client(relay.url);
    const { nonce } = await first.next("challenge");
    const answer = loginFrame(key, nonce.slice(), relayAuthority(relay.url));
    const second = client(relay.url);
    await second.next("challenge");
    second.send(answer);
    expect((await second.next("error")).reason).toBe("login");
    expect((await second.closed).code).toBe(4002);
    // And once more after it was used where it belongs.
    first.send(answer);
    await first.next("welcome");
    const third = client(relay.url);
    await third.next("challenge");
    third.send(answer);
    expect((await third.closed).code).toBe(4002);
    expect(relay.clients).toBe(1);
  });

  test("refuses the PeerId of somebody else", async () => {
    const relay = await relayWith();
    const mallory = client(relay.url);
    const { nonce } = await mallory.next("challenge");
    const forged = loginFrame(newKey(), nonce, relayAuthority(relay.url));
    forged.set(newKey().publicKey, 1);
    mallory.send(forged);
    expect((await mallory.closed).code).toBe(4002);
    expect(relay.clients).toBe(0);
  });

  test("refuses a login that was signed for another relay", async () => {
    const relay = await relayWith();
    const victim = newKey();
    const evil = client(relay.url);
    const { nonce } = await evil.next("challenge");
    evil.send(loginFrame(victim, nonce, "evil.example:443"));
    const error = await evil.next("error");
    expect(error.reason).toBe("origin");
    expect(error.sentence).toContain("publicUrls");
    expect((await evil.closed).code).toBe(4003);
    // The name is ours, but the signature is over the other one.
    const second = client(relay.url);
    const challenge = await second.next("challenge");
    const frame = loginFrame(victim, challenge.nonce, `127.0.0.2:${relay.port}`);
    const ours = loginFrame(victim, challenge.nonce, `127.0.0.1:${relay.port}`);
    ours.set(frame.subarray(33, 97), 33);
    second.send(ours);
    expect((await second.closed).code).toBe(4002);
  });

  test("accepts its public URLs, and its local names only where none is given", async () => {
    const relay = await relayWith({ publicUrls: ["wss://Relay.Example/path"] });
    const direct = `ws://127.0.0.1:${relay.port}`;
    expect(relay.url).toBe("wss://Relay.Example/path");
    await client(direct).login(newKey(), "relay.example:443");
    const local = client(direct);
    const { nonce } = await local.next("challenge");
    local.send(loginFrame(newKey(), nonce, `127.0.0.1:${relay.port}`));
    expect((await local.closed).code).toBe(4003);

    const plain = await relayWith();
    await client(`ws://127.0.0.1:${plain.port}`).login(newKey(), `localhost:${plain.port}`);
  });

  test("closes who sends anything before the login", async () => {
    const relay = await relayWith();
    const key = newKey();
    for (const frame of [encodePing(new Uint8Array(8)), forwardFrame(key.publicKey, pattern(10)), new Uint8Array(0)]) {
      const early = client(relay.url);
      await early.next("challenge");
      early.send(frame);
      expect((await early.next("error")).reason).toBe("protocol");
      expect((await early.closed).code).toBe(4001);
    }
  });

  test("closes who does not log in before the deadline, although it trickles bytes", async () => {
    const relay = await relayWith({ limits: { loginTimeoutMs: 150 } });
    const slow = client(relay.url);
    await slow.next("challenge");
    const trickle = setInterval(() => slow.ws.ping(), 20);
    expect((await slow.closed).code).toBe(4005);
    clearInterval(trickle);
  });

  test("gives the id to the newest login and tells the older one", async () => {
    const relay = await relayWith();
    const key = newKey();
    const older = client(relay.url);
    await older.login(key);
    const newer = client(relay.url);
    await newer.login(key);
    expect((await older.next("error")).reason).toBe("replaced");
    expect((await older.closed).code).toBe(4004);
    expect(relay.clients).toBe(1);
    const friend = client(relay.url);
    await friend.login();
    friend.send(forwardFrame(key.publicKey, pattern(5)));
    expect((await newer.next("forward")).payload).toEqual(pattern(5));
  });

  test("refuses a second login on one connection", async () => {
    const relay = await relayWith();
    const raw = client(relay.url);
    const { nonce } = await raw.next("challenge");
    const frame = loginFrame(newKey(), nonce, relayAuthority(relay.url));
    raw.send(frame);
    await raw.next("welcome");
    raw.send(frame);
    expect((await raw.closed).code).toBe(4001);
  });
});

describe("forwarding", () => {
  test.each([0, 1, 1000, RELAY_PAYLOAD_BYTES])("carries a payload of %i bytes unchanged and names the sender", async (length) => {
    const seen: Uint8Array[] = [];
    const relay = await relayWith({ onForward: (_from, _to, payload) => seen.push(payload.slice()) });
    const [alice, bob] = [client(relay.url), client(relay.url)];
    const [a, b] = [await alice.login(), await bob.login()];
    const payload = pattern(length);
    alice.send(forwardFrame(b.publicKey, payload));
    const got = await bob.next("forward");
    expect(got.peerId).toEqual(a.publicKey);
    expect(Buffer.compare(got.payload, payload)).toBe(0);
    expect(seen).toHaveLength(1);
    expect(Buffer.compare(seen[0] as Uint8Array, payload)).toBe(0);
  });

  test("keeps the order of many frames in both directions", async () => {
    const relay = await relayWith();
    const [alice, bob] = [client(relay.url), client(relay.url)];
    const [a, b] = [await alice.login(), await bob.login()];
    for (let i = 0; i < 300; i++) {
      alice.send(forwardFrame(b.publicKey, pattern(50, i)));
      bob.send(forwardFrame(a.publicKey, pattern(60, i)));
    }
    for (let i = 0; i < 300; i++) {
      expect((await bob.next("forward")).payload).toEqual(pattern(50, i));
      expect((await alice.next("forward")).payload).toEqual(pattern(60, i));
    }
  });

  test("drops nothing of a burst when the destination takes it, however short the queue is", async () => {
    const relay = await relayWith({ limits: { queueFrames: 4 } });
    const [alice, bob] = [client(relay.url), client(relay.url)];
    let socket: Socket | undefined;
    alice.ws.once("upgrade", (response) => {
      socket = response.socket;
    });
    const [, b] = [await alice.login(), await bob.login()];
    // One write, so that the relay reads many of them at once.
    socket?.cork();
    for (let i = 0; i < 500; i++) alice.send(forwardFrame(b.publicKey, pattern(20, i)));
    socket?.uncork();
    for (let i = 0; i < 500; i++) expect((await bob.next("forward")).payload).toEqual(pattern(20, i));
    expect(alice.frames).toEqual([]);
  });

  test("tells the sender when the destination is not here", async () => {
    const relay = await relayWith();
    const alice = client(relay.url);
    await alice.login();
    const nobody = newKey();
    alice.send(forwardFrame(nobody.publicKey, pattern(10)));
    expect(await alice.next("undelivered")).toEqual({
      kind: "undelivered",
      peerId: nobody.publicKey,
      reason: UNDELIVERED.NOT_HERE,
    });
  });

  test("drops frames for a client that does not read, tells the sender and keeps its memory bounded", async () => {
    const limits = { queueFrames: 64, queueBytes: 1024 * 1024, bytesBurst: 1024 * 1024 * 1024 };
    const relay = await relayWith({ limits });
    const [alice, bob, carol] = [client(relay.url), client(relay.url), client(relay.url)];
    const [, b, c] = [await alice.login(), await bob.login(), await carol.login()];
    bob.ws.pause();
    const before = heldBytes();
    // Far more than the queue and both kernels' socket buffers hold together.
    const frame = forwardFrame(b.publicKey, pattern(60_000));
    for (let i = 0; i < 1000; i++) {
      alice.send(frame);
      if (i % 50 === 0) await until(() => alice.ws.bufferedAmount < 1024 * 1024);
    }
    const notice = await alice.next("undelivered");
    expect(notice).toEqual({ kind: "undelivered", peerId: b.publicKey, reason: UNDELIVERED.QUEUE_FULL });
    await until(() => alice.ws.bufferedAmount === 0);
    await until(() => heldBytes() - before < 32 * 1024 * 1024);
    // Others are not held up by it.
    alice.send(forwardFrame(c.publicKey, pattern(7)));
    expect((await carol.next("forward")).payload).toEqual(pattern(7));
  });

  test("does not keep the chunks alive that small waiting frames were read with", async () => {
    const relay = await relayWith({ limits: { framesPerSecond: 1_000_000, framesBurst: 1_000_000 } });
    const [alice, bob] = [client(relay.url), client(relay.url)];
    const [, b] = [await alice.login(), await bob.login()];
    bob.ws.pause();
    const [big, small, ballast] = [pattern(60_000), pattern(10), pattern(64_000)];
    // First fill what the kernels hold, so that the small ones wait in our memory, each read together with 64 KB for nobody.
    while (alice.frames.every((frame) => frame.kind !== "undelivered")) {
      alice.send(forwardFrame(b.publicKey, big));
      await until(() => alice.ws.bufferedAmount === 0);
    }
    const nobody = newKey();
    alice.frames.splice(0);
    const before = heldBytes();
    for (let i = 0; i < 500; i++) {
      alice.send(forwardFrame(b.publicKey, small));
      alice.send(forwardFrame(nobody.publicKey, ballast));
      await until(() => alice.ws.bufferedAmount < 256 * 1024);
    }
    await until(
      () => alice.ws.bufferedAmount === 0 && alice.frames.filter((frame) => frame.kind === "undelivered").length >= 500,
    );
    alice.frames.splice(0);
    // What a collection has found free is given back a little later, by another thread.
    await until(() => heldBytes() - before < 4 * 1024 * 1024);
    bob.ws.resume();
    await bob.next("forward");
  });

  test("closes with 1009 on a frame over the bound, and goes on with the others", async () => {
    const entries: RelayLogEntry[] = [];
    const relay = await relayWith({ log: (entry) => entries.push(entry) });
    const [alice, bob] = [client(relay.url), client(relay.url)];
    const [a] = [await alice.login(), await bob.login()];
    bob.send(forwardFrame(a.publicKey, new Uint8Array(RELAY_PAYLOAD_BYTES + 1)));
    expect((await bob.closed).code).toBe(1009);
    await until(() => relay.clients === 1);
    expect(entries.some((entry) => entry.reason === "too-large")).toBe(true);
    alice.send(encodePing(pattern(8)));
    expect((await alice.next("pong")).token).toEqual(pattern(8));
  });

  test("closes on a text frame and on an unknown kind", async () => {
    const relay = await relayWith();
    const texter = client(relay.url);
    await texter.login();
    texter.ws.send("hello");
    expect((await texter.closed).code).toBe(4001);
    for (const frame of [[99], [4, 1, 2], [6, 0], [6, 65, ...pattern(65)], [12, 1], [1, 1], []]) {
      const raw = client(relay.url);
      await raw.login();
      raw.send(new Uint8Array(frame));
      expect((await raw.closed).code).toBe(4001);
    }
  });

  test("slows a flood down without losing a frame or closing", async () => {
    const relay = await relayWith({ limits: { framesPerSecond: 1000, framesBurst: 100, queueFrames: 10_000 } });
    const [alice, bob] = [client(relay.url), client(relay.url)];
    const [, b] = [await alice.login(), await bob.login()];
    const began = performance.now();
    for (let i = 0; i < 400; i++) alice.send(forwardFrame(b.publicKey, pattern(2000, i)));
    for (let i = 0; i < 400; i++) expect(Buffer.compare((await bob.next("forward")).payload, pattern(2000, i))).toBe(0);
    // One chunk of 64 KiB, some 32 frames, may be ahead of the 100 at once and 1 per ms.
    expect(performance.now() - began).toBeGreaterThan(200);
    expect(alice.ws.readyState).toBe(alice.ws.OPEN);
  });

  test("closes a client that is a whole burst over its rate", async () => {
    const relay = await relayWith({ limits: { framesPerSecond: 10, framesBurst: 100 } });
    const raw = client(relay.url);
    await raw.login();
    for (let i = 0; i < 2000; i++) raw.send(encodePing(pattern(8, i)));
    expect((await raw.closed).code).toBe(4008);
  });

  test("bounds the answers to pings of a client that does not read", async () => {
    const relay = await relayWith({ limits: { framesPerSecond: 1_000_000, framesBurst: 10_000_000, queueFrames: 16 } });
    const [deaf, friend] = [client(relay.url), client(relay.url)];
    const [d] = [await deaf.login(), await friend.login()];
    deaf.ws.pause();
    // First fill what the kernels hold, so that the answers wait in our memory.
    while (friend.frames.every((frame) => frame.kind !== "undelivered")) {
      friend.send(forwardFrame(d.publicKey, pattern(60_000)));
      await until(() => friend.ws.bufferedAmount === 0);
    }
    let answers = 0;
    deaf.ws.on("pong", () => answers++);
    for (let i = 0; i < 100; i++) deaf.ws.ping();
    await until(() => deaf.ws.bufferedAmount === 0);
    expect(relay.clients).toBe(2);
    for (let i = 0; i < 100; i++) deaf.send(encodePing(pattern(8)));
    await until(() => relay.clients === 1);
    // Those of WebSocket are dropped, as an unanswered one harms nobody.
    deaf.ws.resume();
    await deaf.closed;
    expect(answers).toBeLessThan(16);
  });

  test("answers the pings of WebSocket itself, in their place between the frames", async () => {
    const relay = await relayWith();
    const raw = client(relay.url);
    const key = await raw.login();
    const heard: string[] = [];
    raw.ws.on("pong", (data) => heard.push(data.toString()));
    raw.ws.on("message", (data) => heard.push((data as Buffer).subarray(33).toString()));
    for (let i = 0; i < 3; i++) {
      raw.ws.ping(`ping ${i}`);
      raw.send(forwardFrame(key.publicKey, Buffer.from(`frame ${i}`)));
    }
    await until(() => heard.length === 6);
    expect(heard).toEqual(["ping 0", "frame 0", "ping 1", "frame 1", "ping 2", "frame 2"]);
  });

  test("closes who is silent, and keeps who pings", async () => {
    const relay = await relayWith({ limits: { idleMs: 200 } });
    const [silent, alive] = [client(relay.url), client(relay.url)];
    await silent.login();
    await alive.login();
    const pings = setInterval(() => alive.send(encodePing(pattern(8))), 40);
    expect((await silent.closed).code).toBe(4006);
    expect(alive.ws.readyState).toBe(alive.ws.OPEN);
    clearInterval(pings);
  });
});

describe("connections", () => {
  test("tells the one too many in all, and from one address", async () => {
    const full = await relayWith({ limits: { connections: 2 } });
    await client(full.url).login();
    await client(full.url).login();
    const third = client(full.url);
    expect((await third.next("error")).reason).toBe("connections");
    expect((await third.closed).code).toBe(4009);

    const perSource = await relayWith({ limits: { connectionsPerSource: 1 } });
    const first = client(perSource.url);
    await first.login();
    expect((await client(perSource.url).closed).code).toBe(4009);
    first.ws.close();
    await first.closed;
    await until(() => perSource.clients === 0);
    await client(perSource.url).login();
  });

  test("counts the connections of one address on a shared server as well, until they are gone", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const relay = await relayWith({ server, limits: { connectionsPerSource: 1 } });
    for (let i = 0; i < 3; i++) {
      const first = client(relay.url);
      await first.login();
      expect((await client(relay.url).closed).code).toBe(4009);
      first.ws.close();
      await first.closed;
      await until(() => relay.clients === 0);
    }
    server.close();
  });

  test("refuses new connections that come too fast", async () => {
    const relay = await relayWith({ limits: { newConnectionsPerSource: 3 } });
    const codes = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const raw = client(relay.url);
        return Promise.race([raw.closed.then(({ code }) => code), raw.login().then(() => 0)]).catch(() =>
          raw.closed.then(({ code }) => code),
        );
      }),
    );
    expect(codes.filter((code) => code === 0).length).toBeGreaterThanOrEqual(3);
    expect(codes.filter((code) => code === 4009).length).toBeGreaterThanOrEqual(2);
  });

  test("answers HTTP with little and nonsense with 4xx, and lives on", async () => {
    const relay = await relayWith();
    const http = `http://127.0.0.1:${relay.port}`;
    expect(await (await fetch(`${http}/`)).text()).toBe("LinkNet relay\n");
    expect(await (await fetch(`${http}/healthz`)).text()).toBe("ok\n");
    expect((await fetch(`${http}/other`)).status).toBe(404);
    expect((await fetch(`${http}/`, { method: "POST", body: "x" })).status).toBe(405);
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    const nonsense = [
      "\0\0\0garbage\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      `GET / HTTP/1.1\r\nHost: x\r\n${upgrade}Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(70_000)}\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: x\r\n${upgrade}X: ${"y".repeat(70_000)}\r\n\r\n`,
    ];
    // Many small headers are within the bound of 8 KiB: Node keeps the first 2,000 and answers.
    expect(await exchange(relay.port, `GET / HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(2500)}\r\n`)).toMatch(/^HTTP\/1\.1 /);
    for (const text of nonsense) expect(await exchange(relay.port, text)).toMatch(/^HTTP\/1\.1 4\d\d /);
    await client(relay.url).login();
  });

  test("survives bytes after the upgrade that are no WebSocket frames", async () => {
    const relay = await relayWith();
    const socket = connect(relay.port, "127.0.0.1");
    socket.write(
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    await once(socket, "data");
    socket.on("error", () => {});
    socket.write(Buffer.alloc(70_000, 0xff));
    socket.resume();
    await once(socket, "close");
    await client(relay.url).login();
  });

  test("cuts a client that trickles its HTTP header", async () => {
    const relay = await relayWith({ limits: { loginTimeoutMs: 100 } });
    const socket = connect(relay.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.write("GET / HTTP/1.1\r\n");
    const trickle = setInterval(() => socket.write("a: b\r\n"), 20);
    await once(socket, "close");
    clearInterval(trickle);
  });

  test("lets pages of listed origins in only", async () => {
    const relay = await relayWith({ allowedOrigins: ["https://app.example"] });
    await client(relay.url, { origin: "https://app.example" }).login();
    await client(relay.url).login();
    const evil = client(relay.url, { origin: "https://evil.example" });
    const [, response] = (await once(evil.ws, "unexpected-response")) as [unknown, { statusCode: number }];
    expect(response.statusCode).toBe(403);
  });

  test("listens on IPv4 and IPv6 under the name localhost where no host is given", async () => {
    const relay = await relayWith({ host: undefined });
    expect(relay.url).toBe(`ws://localhost:${relay.port}`);
    await client(relay.url).login();
    await client(`ws://127.0.0.1:${relay.port}`).login();
  });

  test("keeps nothing of the request that a client came with", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const requests: WeakRef<object>[] = [];
    server.on("upgrade", (request) => requests.push(new WeakRef(request)));
    const relay = await relayWith({ server });
    const clients = [client(relay.url), client(relay.url)];
    for (const raw of clients) await raw.login();
    await until(() => {
      heldBytes();
      return requests.length === 2 && requests.every((request) => request.deref() === undefined);
    });
    for (const raw of clients) raw.ws.close();
    await until(() => relay.clients === 0);
    server.close();
  });

  test("tells clients when it stops, frees its port and can be started again there", async () => {
    const relay = await relayWith();
    const { port } = relay;
    const raw = client(relay.url);
    await raw.login();
    await relay.close();
    expect((await raw.closed).code).toBe(4010);
    await relay.close();
    const again = await relayWith({ port });
    expect(again.port).toBe(port);
  });

  test("refuses options that make no sense, and a port in use", async () => {
    const relay = await relayWith();
    await expect(relayWith({ port: relay.port })).rejects.toMatchObject({ code: "ERR_LISTEN_IN_USE" });
    await expect(relayWith({ port: 70_000 })).rejects.toMatchObject({ code: "ERR_PORT_INVALID" });
    await expect(relayWith({ publicUrls: ["relay.example"] })).rejects.toMatchObject({ code: "ERR_OPTION_INVALID" });
    await expect(relayWith({ limits: { idleMs: -1 } })).rejects.toThrow(/limits\.idleMs/);
    await expect(relayWith({ host: "203.0.113.1" })).rejects.toMatchObject({ code: "ERR_LISTEN_FAILED" });
  });
});

/** Bytes of array buffers that are still in use, after a collection. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  return process.memoryUsage().arrayBuffers;
}

/** Sends text over TCP and gives back everything until the other side closes. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  let answer = "";
  socket.on("data", (data) => {
    answer += data.toString("latin1");
  });
  socket.write(text);
  await once(socket, "close");
  return answer;
}
