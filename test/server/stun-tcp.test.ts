// STUN over TCP on the relay's own port, beside HTTP and WebSockets: what it answers, what it bounds, and that nothing stays open.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { fromStunEndpoint } from "../../src/nat/endpoint.js";
import {
  decodeErrorCode,
  decodeStunMessage,
  decodeXorMappedAddress,
  encodeChangeRequest,
  encodeStunMessage,
  findStunAttribute,
  STUN_ATTRIBUTE,
  STUN_BINDING,
  STUN_CLASS,
  type StunMessage,
} from "../../src/nat/stun-message.js";
import { StunFramer } from "../../src/nat/stun-stream.js";
import { createRelay, type Relay, type RelayOptions } from "../../src/server/index.js";
import { STUN_TCP_REQUESTS } from "../../src/server/stun-connections.js";
import { pattern, RawClient, until } from "./raw-client.js";

const relays: Relay[] = [];
const sockets: Socket[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const client of clients.splice(0)) client.ws.terminate();
  await Promise.all(relays.splice(0).map((relay) => relay.close()));
});

async function relayWith(options: RelayOptions = {}): Promise<Relay> {
  const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: 0, ...options });
  relays.push(relay);
  return relay;
}

function request(seed = 1, messageClass: number = STUN_CLASS.REQUEST, attributes: StunMessage["attributes"] = []): Uint8Array {
  return encodeStunMessage({ messageClass, method: STUN_BINDING, transactionId: pattern(12, seed), attributes });
}

/** A TCP connection that keeps the STUN messages it gets. */
class Asker {
  readonly socket: Socket;
  readonly answers: StunMessage[] = [];
  readonly closed: Promise<void>;
  isOpen = false;

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    sockets.push(this.socket);
    const framer = new StunFramer();
    this.socket.on("error", () => undefined);
    this.socket.on("data", (chunk) => {
      for (const message of framer.push(new Uint8Array(chunk))) this.answers.push(decodeStunMessage(message));
    });
    this.socket.on("connect", () => {
      this.isOpen = true;
    });
    this.closed = new Promise((resolve) =>
      this.socket.once("close", () => {
        this.isOpen = false;
        resolve();
      }),
    );
  }

  /** Asks once and waits for the answer. */
  async ask(seed = 1): Promise<StunMessage> {
    const count = this.answers.length + 1;
    this.socket.write(request(seed));
    await until(() => this.answers.length === count || this.socket.destroyed);
    return this.answers[count - 1] as StunMessage;
  }
}

/** Connects and asks: whether the relay answered. */
async function isAnswered(port: number): Promise<Asker | null> {
  const asker = new Asker(port);
  return (await asker.ask()) ? asker : null;
}

/** A client that is logged in; `null` when it was refused. */
async function loggedIn(relay: Relay): Promise<RawClient | null> {
  const client = new RawClient(relay.url);
  clients.push(client);
  return client.login().then(
    () => client,
    () => null,
  );
}

const mappedOf = (message: StunMessage) =>
  fromStunEndpoint(
    decodeXorMappedAddress(
      findStunAttribute(message, STUN_ATTRIBUTE.XOR_MAPPED_ADDRESS)?.value as Uint8Array,
      message.transactionId,
    ),
  );

describe("on one port", () => {
  test("STUN, HTTP and WebSockets are told apart", async () => {
    const relay = await relayWith();
    const asker = new Asker(relay.port);
    const answer = await asker.ask();
    expect(answer).toMatchObject({ messageClass: STUN_CLASS.SUCCESS, transactionId: pattern(12) });
    expect(mappedOf(answer)).toEqual({ host: "127.0.0.1", port: asker.socket.localPort });
    expect(await (await fetch(`http://127.0.0.1:${relay.port}/healthz`)).text()).toBe("ok\n");
    const client = new RawClient(relay.url);
    clients.push(client);
    await client.login();
    // And the connection is still there, for as long as its client punches.
    expect((await asker.ask(2)).transactionId).toEqual(pattern(12, 2));
    expect(relay.clients).toBe(1);
  });

  test("IPv4 is told as IPv4, although the socket is one for both families", async () => {
    const relay = await relayWith({ host: undefined });
    const asker = new Asker(relay.port);
    expect(mappedOf(await asker.ask()).host).toBe("127.0.0.1");
  });

  test("a request may come byte by byte, and several at once", async () => {
    const relay = await relayWith();
    const asker = new Asker(relay.port);
    for (const byte of request()) {
      asker.socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => asker.answers.length === 1);
    asker.socket.write(Buffer.concat([request(2), request(3), request(4).subarray(0, 11)]));
    await until(() => asker.answers.length === 3);
    asker.socket.write(request(4).subarray(11));
    await until(() => asker.answers.length === 4);
    expect(asker.answers.map(({ transactionId }) => transactionId)).toEqual([1, 2, 3, 4].map((seed) => pattern(12, seed)));
  });

  test("an HTTP request may come byte by byte too", async () => {
    const relay = await relayWith();
    const socket = connect(relay.port, "127.0.0.1");
    sockets.push(socket);
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    for (const character of "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") {
      socket.write(character);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await once(socket, "close");
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nok\n\r\n/);
  });

  test("responses and indications are not answered, and a change gets error 420", async () => {
    const relay = await relayWith({ stunAlternate: { host: "127.0.0.2", port: 0 } });
    const asker = new Asker(relay.port);
    asker.socket.write(request(1, STUN_CLASS.SUCCESS));
    asker.socket.write(request(2, STUN_CLASS.INDICATION));
    asker.socket.write(request(3, STUN_CLASS.REQUEST, [encodeChangeRequest({ address: true, port: false })]));
    await until(() => asker.answers.length > 0);
    const [answer] = asker.answers as [StunMessage];
    expect(answer).toMatchObject({ messageClass: STUN_CLASS.ERROR, transactionId: pattern(12, 3) });
    expect(decodeErrorCode(findStunAttribute(answer, STUN_ATTRIBUTE.ERROR_CODE)?.value as Uint8Array)).toBe(420);
  });

  test("STUN that is off is an HTTP error, and so is what only begins like it", async () => {
    const off = await relayWith({ stunPort: false });
    const on = await relayWith();
    const almost = request();
    almost[7] = 0x43;
    for (const [relay, bytes] of [
      [off, request()],
      [on, almost],
    ] as const) {
      const socket = connect(relay.port, "127.0.0.1");
      sockets.push(socket);
      let answer = "";
      socket.on("data", (chunk) => {
        answer += chunk;
      });
      socket.write(bytes);
      await once(socket, "close");
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    }
  });
});

describe("bounds", () => {
  test.each([
    ["nothing", () => new Uint8Array(0)],
    ["a zero", () => new Uint8Array(1)],
    ["the first byte of a request", () => request().subarray(0, 1)],
    ["seven bytes of a request", () => request().subarray(0, 7)],
  ])("a connection that says %s is closed after the deadline", async (_, bytes) => {
    const relay = await relayWith({ limits: { loginTimeoutMs: 100 } });
    const asker = new Asker(relay.port);
    asker.socket.write(bytes());
    await asker.closed;
    expect(asker.answers).toEqual([]);
  });

  test("a connection that asks no more is closed, although bytes trickle in", async () => {
    const relay = await relayWith({ limits: { idleMs: 200 } });
    const [silent, trickling] = [new Asker(relay.port), new Asker(relay.port)];
    await Promise.all([silent.ask(), trickling.ask()]);
    // 1,500 bytes, the longest that is read: enough for 15 s at this pace.
    const long = request(2, STUN_CLASS.REQUEST, [{ type: 0x8022, value: new Uint8Array(1_476) }]);
    let at = 0;
    const trickle = setInterval(() => trickling.socket.write(long.subarray(at, ++at)), 10);
    await Promise.all([silent.closed, trickling.closed]);
    clearInterval(trickle);
    expect([silent.answers.length, trickling.answers.length]).toEqual([1, 1]);
  });

  test("a connection that asks now and then stays", async () => {
    // Longer than it has to say what it is about.
    const relay = await relayWith({ limits: { idleMs: 1_500, loginTimeoutMs: 200 } });
    const asker = new Asker(relay.port);
    for (let i = 0; i < 5; i++) {
      expect(await asker.ask()).toBeDefined();
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  });

  test.each([
    ["a length that is no multiple of four", Uint8Array.of(0, 1, 0, 2, 0x21, 0x12, 0xa4, 0x42)],
    ["a length of 65,532", Uint8Array.of(0, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42)],
    ["HTTP behind STUN", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")],
    ["another cookie", Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0)],
  ])("%s ends the connection", async (_, bytes) => {
    const relay = await relayWith();
    const asker = new Asker(relay.port);
    await asker.ask();
    asker.socket.write(bytes);
    await asker.closed;
    expect(asker.answers).toHaveLength(1);
  });

  test(`a connection is closed with its answer number ${STUN_TCP_REQUESTS}`, async () => {
    const relay = await relayWith({ limits: { stunPerSource: 1_000 } });
    const asker = new Asker(relay.port);
    asker.socket.write(Buffer.concat(Array.from({ length: 3 * STUN_TCP_REQUESTS }, () => request())));
    await asker.closed;
    expect(asker.answers).toHaveLength(STUN_TCP_REQUESTS);
  });

  test("one source has one rate of answers over all connections", async () => {
    const relay = await relayWith({ limits: { stunPerSource: 2 } });
    const startedAt = performance.now();
    const askers = Array.from({ length: 20 }, () => new Asker(relay.port));
    for (const { socket } of askers) socket.write(Buffer.concat([request(1), request(2), request(3)]));
    await Promise.all(askers.slice(4).map(({ closed }) => closed));
    const answers = askers.reduce((sum, asker) => sum + asker.answers.length, 0);
    // Twice the rate at once, and then what time has brought.
    expect(answers).toBeGreaterThanOrEqual(4);
    expect(answers).toBeLessThanOrEqual(4 + 2 * Math.ceil((performance.now() - startedAt) / 1_000));
  });

  test("the oldest connection goes for one more than the limit", async () => {
    const relay = await relayWith({ limits: { stunConnections: 2 } });
    const [first, second] = [new Asker(relay.port), new Asker(relay.port)];
    await first.ask();
    await second.ask();
    const third = new Asker(relay.port);
    await third.ask();
    await first.closed;
    expect(await second.ask()).toBeDefined();
    expect(await third.ask()).toBeDefined();
  });

  test("each connection counts once for its source, and no more when it is gone", async () => {
    // 17: the one of the limit and the 16 that are spare.
    const relay = await relayWith({ limits: { connectionsPerSource: 1, newConnectionsPerSource: 10_000, stunPerSource: 1_000 } });
    for (let round = 0; round < 3; round++) {
      const askers: Asker[] = [];
      for (let i = 0; i < 17; i++) askers.push((await isAnswered(relay.port)) as Asker);
      expect(askers.every((asker) => asker?.isOpen)).toBe(true);
      expect(await isAnswered(relay.port)).toBeNull();
      for (const asker of askers) asker.socket.destroy();
      await Promise.all(askers.map((asker) => asker.closed));
      // The relay learns of it a little later.
      let client = await loggedIn(relay);
      while (!client) client = await loggedIn(relay);
      client.ws.terminate();
      await until(() => relay.clients === 0);
    }
  });

  test("new connections of one source come at a rate, whatever they are for", async () => {
    const relay = await relayWith({ limits: { newConnectionsPerSource: 3 } });
    const startedAt = performance.now();
    const answered = (await Promise.all(Array.from({ length: 15 }, () => isAnswered(relay.port)))).filter((asker) => asker);
    expect(answered.length).toBeGreaterThanOrEqual(3);
    expect(answered.length).toBeLessThanOrEqual(3 + 3 * Math.ceil((performance.now() - startedAt) / 1_000));
  });
});

test("an HTTP request that is late is told so, and one that never closes its side is cut", async () => {
  const relay = await relayWith({ limits: { loginTimeoutMs: 100 } });
  const socket = connect({ port: relay.port, host: "127.0.0.1", allowHalfOpen: true });
  sockets.push(socket);
  socket.on("error", () => undefined);
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  socket.write("GET / HTTP/1.1\r\n");
  await once(socket, "end");
  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  const startedAt = performance.now();
  const trickle = setInterval(() => socket.write("a: b\r\n"), 20);
  await new Promise((resolve) => socket.once("close", resolve));
  clearInterval(trickle);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

test("nothing is left open when the relay closes, whatever its connections were about", async () => {
  const relay = await relayWith();
  const asking = (await isAnswered(relay.port)) as Asker;
  const [silent, half, http] = [new Asker(relay.port), new Asker(relay.port), new Asker(relay.port)];
  half.socket.write(request().subarray(0, 7));
  http.socket.write("GET / HTTP/1.1\r\n");
  const client = new RawClient(relay.url);
  clients.push(client);
  await client.login();
  await until(() => [silent, half, http].every(({ isOpen }) => isOpen));
  await relay.close();
  await Promise.all([asking, silent, half, http].map(({ closed }) => closed));
  expect((await client.closed).code).toBe(4010);
  const again = await relayWith({ port: relay.port });
  expect(await isAnswered(again.port)).not.toBeNull();
});
