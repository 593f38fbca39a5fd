// STUN over TCP from an explicit local port: the mapped endpoint, and a connection that leaves the port free for punching.

import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { encodeErrorCode, encodeStunMessage, STUN_CLASS } from "../../../src/nat/stun-message.js";
import { nodeClock } from "../../../src/node/clock.js";
import { type TcpStunOptions, tcpStunBinding } from "../../../src/node/tcp-stun.js";
import { createRelay, type Relay } from "../../../src/server/index.js";
import { SeededRandom } from "../../sim/seeded-random.js";

const relays: Relay[] = [];
const servers: Server[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
  await Promise.all(relays.splice(0).map((relay) => relay.close()));
});

async function relay(): Promise<Relay> {
  const opened = await createRelay({ port: 0, host: "127.0.0.1", stunPort: 0 });
  relays.push(opened);
  return opened;
}

/** A server that treats each connection as the test wants. @returns its port */
async function serverWith(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    serve(socket);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as { port: number }).port;
}

async function ask(port: number, options: Partial<TcpStunOptions> = {}) {
  const binding = await tcpStunBinding({
    host: "127.0.0.1",
    port,
    localPort: 0,
    clock: nodeClock,
    random: new SeededRandom(1),
    ...options,
  });
  sockets.push(binding.socket);
  return binding;
}

describe("tcpStunBinding", () => {
  test("tells the mapped endpoint of the given port, and leaves the connection open", async () => {
    const { port } = await relay();
    const first = await ask(port);
    const localPort = first.local.port;
    expect(first.mapped).toEqual({ host: "127.0.0.1", port: localPort });
    expect(first.socket.readyState).toBe("open");
    // From the same port to another server, as punching needs it.
    const again = await ask((await relay()).port, { localPort, localAddress: "127.0.0.1" });
    expect(again).toMatchObject({
      mapped: { host: "127.0.0.1", port: localPort },
      local: { host: "127.0.0.1", port: localPort },
    });
  });

  test("takes a name", async () => {
    const { port } = await relay();
    const { mapped, local } = await ask(port, { host: "localhost", localAddress: "127.0.0.1" });
    expect([mapped, local.host]).toEqual([local, "127.0.0.1"]);
  });

  test("asks on IPv6 too", async () => {
    const opened = await createRelay({ port: 0, host: "::1", stunPort: 0 });
    relays.push(opened);
    const { mapped, local } = await ask(opened.port, { host: "::1" });
    expect([mapped, local.host]).toEqual([local, "::1"]);
  });

  test("leaves the port free for connections to others while its own is open", async () => {
    const binding = await ask((await relay()).port);
    let seen = 0;
    const peer = await serverWith((socket) => {
      seen = socket.remotePort ?? 0;
      socket.end();
    });
    const punch = connect({ host: "127.0.0.1", port: peer, localPort: binding.local.port, localAddress: "0.0.0.0" });
    sockets.push(punch);
    await once(punch, "connect");
    await once(punch.resume(), "close");
    expect(seen).toBe(binding.local.port);
    expect(binding.socket.readyState).toBe("open");
  });

  test("closes with the server, unread", async () => {
    const server = await relay();
    const { socket } = await ask(server.port);
    const gone = once(socket, "close");
    await server.close();
    await gone;
  });

  test("refuses a local port that is taken", async () => {
    const taken = await serverWith(() => undefined);
    const attempt = ask((await relay()).port, { localPort: taken, localAddress: "127.0.0.1" });
    await expect(attempt).rejects.toMatchObject({ code: "ERR_LISTEN_IN_USE" });
  });

  test("says why nobody answers", async () => {
    const closed = await serverWith(() => undefined);
    servers.pop()?.close();
    await expect(ask(closed)).rejects.toMatchObject({ code: "ERR_DIAL_REFUSED" });
    await expect(ask(1, { host: "no such name" })).rejects.toMatchObject({ code: "ERR_DIAL_NAME" });
    await expect(ask(70_000)).rejects.toMatchObject({ code: "ERR_PORT_INVALID" });
    const silent = await serverWith(() => undefined);
    await expect(ask(silent, { timeoutMs: 50 })).rejects.toMatchObject({ code: "ERR_STUN_TIMEOUT" });
    const hangingUp = await serverWith((socket) => socket.end());
    await expect(ask(hangingUp)).rejects.toMatchObject({ code: "ERR_CLOSED_ABORTED" });
    const http = await serverWith((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await expect(ask(http)).rejects.toMatchObject({ code: "ERR_STUN_MALFORMED" });
    const refusing = await serverWith((socket) => {
      socket.once("data", (request) => {
        const message = { messageClass: STUN_CLASS.ERROR, method: 1, transactionId: request.subarray(8, 20) };
        socket.write(encodeStunMessage({ ...message, attributes: [encodeErrorCode(401)] }));
      });
    });
    await expect(ask(refusing)).rejects.toMatchObject({ code: "ERR_STUN_REFUSED" });
  });

  test("waits on when an answer is to somebody else's request", async () => {
    const confused = await serverWith((socket) => {
      socket.once("data", () => {
        const message = { messageClass: STUN_CLASS.SUCCESS, method: 1, transactionId: new Uint8Array(12), attributes: [] };
        socket.write(encodeStunMessage(message));
      });
    });
    await expect(ask(confused, { timeoutMs: 100 })).rejects.toMatchObject({ code: "ERR_STUN_TIMEOUT" });
  });

  test("stops when the signal aborts, and closes what it opened", async () => {
    const abort = new AbortController();
    let gone: Promise<unknown> = Promise.resolve();
    const silent = await serverWith((socket) => {
      gone = once(socket.resume(), "close");
      abort.abort("enough");
    });
    await expect(ask(silent, { signal: abort.signal })).rejects.toBe("enough");
    await gone;
    await expect(ask(silent, { signal: abort.signal })).rejects.toBe("enough");
  });
});
