// The STUN responder on real sockets: with one address and with two, and its bound on answers.

import { createSocket, type Socket } from "node:dgram";
import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/nat/datagram-port.js";
import { fromStunEndpoint } from "../../src/nat/endpoint.js";
import {
  decodeErrorCode,
  decodeStunAddress,
  decodeStunMessage,
  decodeXorMappedAddress,
  encodeChangeRequest,
  encodeStunMessage,
  findStunAttribute,
  STUN_ATTRIBUTE,
  STUN_BINDING,
  STUN_CLASS,
  type StunAttribute,
} from "../../src/nat/stun-message.js";
import { createRelay, type Relay, type RelayOptions } from "../../src/server/index.js";
import { StunRate } from "../../src/server/stun-rate.js";
import { StunResponder } from "../../src/server/stun-responder.js";
import { pattern, until } from "./raw-client.js";

const ID = pattern(12);

function request(attributes: StunAttribute[] = []): Uint8Array {
  return encodeStunMessage({ messageClass: STUN_CLASS.REQUEST, method: STUN_BINDING, transactionId: ID, attributes });
}

describe("StunResponder", () => {
  const sockets: Socket[] = [];
  const closers: { close(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.close();
    await Promise.all(closers.splice(0).map((closer) => closer.close()));
  });

  async function asker(): Promise<{ socket: Socket; answers: Buffer[]; port: number }> {
    const socket = createSocket("udp4");
    sockets.push(socket);
    const answers: Buffer[] = [];
    socket.on("message", (data) => answers.push(data));
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    return { socket, answers, port: socket.address().port };
  }

  test("runs beside the relay on the same port number and tells it in WELCOME", async () => {
    const relay = await createRelay({ port: 0 });
    closers.push(relay);
    expect(relay.stunPort).toBe(relay.port);
    const { socket, answers, port } = await asker();
    socket.send(request(), relay.stunPort, "127.0.0.1");
    await until(() => answers.length === 1);
    const mapped = findStunAttribute(decodeStunMessage(answers[0] as Buffer), STUN_ATTRIBUTE.XOR_MAPPED_ADDRESS);
    // As IPv4, although the socket is one for both families.
    const { address, port: seen } = decodeXorMappedAddress(mapped?.value as Uint8Array, ID);
    expect([[...address], seen]).toEqual([[127, 0, 0, 1], port]);
  });

  test("stops answering a source that asks too often", async () => {
    const responder = await StunResponder.open({ port: 0, host: "127.0.0.1", rate: new StunRate(5) });
    closers.push(responder);
    const { socket, answers } = await asker();
    for (let i = 0; i < 200; i++) socket.send(request(), responder.port, "127.0.0.1");
    await until(() => answers.length >= 10);
    // Another source is still answered, and after it all of the first one's requests have been read.
    const other = createSocket("udp4");
    sockets.push(other);
    const got = new Promise((resolve) => other.once("message", resolve));
    const otherResponder = responder.port;
    await new Promise<void>((resolve) => other.bind(0, "127.0.0.2", resolve));
    other.send(request(), otherResponder, "127.0.0.1");
    await got;
    expect(answers.length).toBeLessThan(20);
  });

  test("says which port is in use", async () => {
    const responder = await StunResponder.open({ port: 0, host: "127.0.0.1", rate: new StunRate(5) });
    closers.push(responder);
    const again = StunResponder.open({ port: responder.port, host: "127.0.0.1", rate: new StunRate(5) });
    await expect(again).rejects.toMatchObject({ code: "ERR_LISTEN_IN_USE" });
  });
});

describe("a second address", () => {
  const sockets: Socket[] = [];
  const closers: { close(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.close();
    await Promise.all(closers.splice(0).map((closer) => closer.close()));
  });

  interface Answer {
    readonly from: Endpoint;
    readonly bytes: Buffer;
  }

  async function asker(host = "127.0.0.1"): Promise<{ socket: Socket; answers: Answer[]; port: number }> {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    sockets.push(socket);
    const answers: Answer[] = [];
    socket.on("message", (bytes, { address, port }) => answers.push({ from: { host: address, port }, bytes }));
    await new Promise<void>((resolve) => socket.bind(0, host, resolve));
    return { socket, answers, port: socket.address().port };
  }

  async function relayWith(options: RelayOptions): Promise<Relay> {
    const relay = await createRelay({ port: 0, stunPort: 0, host: "127.0.0.1", ...options });
    closers.push(relay);
    return relay;
  }

  const told = (bytes: Uint8Array, type: number): Endpoint =>
    fromStunEndpoint(decodeStunAddress(findStunAttribute(decodeStunMessage(bytes), type)?.value as Uint8Array));

  test("answers from each of its four endpoints, whichever is asked, and says so", async () => {
    const relay = await relayWith({ stunAlternate: { host: "127.0.0.2", port: 0 } });
    const hosts = ["127.0.0.1", "127.0.0.2"];
    const ports = [relay.stunPort, relay.stunAlternate?.port as number];
    expect(relay.stunAlternate?.host).toBe("127.0.0.2");
    expect(new Set(ports).size).toBe(2);
    for (const [i, host] of hosts.entries()) {
      for (const [j, port] of ports.entries()) {
        for (const [address, changesPort] of [
          [false, false],
          [false, true],
          [true, false],
          [true, true],
        ] as const) {
          const { socket, answers } = await asker();
          socket.send(request([encodeChangeRequest({ address, port: changesPort })]), port, host);
          await until(() => answers.length === 1);
          const [{ from, bytes }] = answers as [Answer];
          expect(from).toEqual({ host: hosts[address ? 1 - i : i], port: ports[changesPort ? 1 - j : j] });
          expect(told(bytes, STUN_ATTRIBUTE.RESPONSE_ORIGIN)).toEqual(from);
          expect(told(bytes, STUN_ATTRIBUTE.OTHER_ADDRESS)).toEqual({ host: hosts[1 - i], port: ports[1 - j] });
        }
      }
    }
  });

  test("may be one of IPv6", async () => {
    // The loopback interface has one address only: any other that this machine has will do.
    const second = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ family, address }) => family === "IPv6" && !address.startsWith("fe80") && address !== "::1")?.address;
    if (second === undefined) return console.warn("SKIPPED: this machine has no second IPv6 address");
    const relay = await relayWith({ host: "::1", stunAlternate: { host: second, port: 0 } });
    const { socket, answers, port } = await asker("::1");
    socket.send(request(), relay.stunPort, "::1");
    await until(() => answers.length === 1);
    const [{ bytes }] = answers as [Answer];
    expect(bytes).toHaveLength(92);
    const mapped = findStunAttribute(decodeStunMessage(bytes), STUN_ATTRIBUTE.XOR_MAPPED_ADDRESS)?.value as Uint8Array;
    expect(fromStunEndpoint(decodeXorMappedAddress(mapped, ID))).toEqual({ host: "::1", port });
    expect(told(bytes, STUN_ATTRIBUTE.OTHER_ADDRESS).host).toBe(second);
  });

  test("gives a source no more answers than one address would", async () => {
    const rate = new StunRate(5);
    const responder = await StunResponder.open({ port: 0, host: "127.0.0.1", rate, alternate: { host: "127.0.0.2", port: 0 } });
    closers.push(responder);
    const { socket, answers } = await asker();
    const other = responder.alternate as Endpoint;
    const everywhere = request([encodeChangeRequest({ address: true, port: true })]);
    for (let i = 0; i < 50; i++) {
      for (const host of ["127.0.0.1", "127.0.0.2"]) {
        for (const port of [responder.port, other.port]) socket.send(everywhere, port, host);
      }
    }
    await until(() => answers.length >= 10);
    // Another source is answered on each of the four, so all that came before has been read.
    const last = await asker("127.0.0.3");
    for (const host of ["127.0.0.1", "127.0.0.2"]) {
      for (const port of [responder.port, other.port]) last.socket.send(request(), port, host);
    }
    await until(() => last.answers.length === 4);
    expect(answers.length).toBeLessThan(20);
  });

  test("is missing: CHANGE-REQUEST gets error 420, and no other address is named", async () => {
    const relay = await relayWith({});
    expect(relay.stunAlternate).toBeNull();
    const { socket, answers } = await asker();
    socket.send(request([encodeChangeRequest({ address: false, port: true })]), relay.stunPort, "127.0.0.1");
    await until(() => answers.length === 1);
    const message = decodeStunMessage(answers[0]?.bytes as Uint8Array);
    expect(decodeErrorCode(findStunAttribute(message, STUN_ATTRIBUTE.ERROR_CODE)?.value as Uint8Array)).toBe(420);
    expect(answers[0]?.from).toEqual({ host: "127.0.0.1", port: relay.stunPort });
    socket.send(request(), relay.stunPort, "127.0.0.1");
    await until(() => answers.length === 2);
    expect(answers[1]?.bytes).toHaveLength(32);
  });

  test("has the port above the first one, unless another is given", async () => {
    // Below the ports that systems give out by themselves, so that nobody has them by chance.
    const relay = await relayWith({ host: "127.0.0.71", stunPort: 20_478, stunAlternate: { host: "127.0.0.72" } });
    expect([relay.stunPort, relay.stunAlternate]).toEqual([20_478, { host: "127.0.0.72", port: 20_479 }]);
  });

  test("frees all of its ports when the relay closes, or cannot open", async () => {
    const relay = await relayWith({ stunAlternate: { host: "127.0.0.2", port: 0 } });
    const options = { stunPort: relay.stunPort, stunAlternate: { host: "127.0.0.2", port: relay.stunAlternate?.port as number } };
    await expect(relayWith(options)).rejects.toMatchObject({ code: "ERR_LISTEN_IN_USE" });
    await relay.close();
    // The first port can be had now, the second cannot: the first is given back.
    const { socket, port } = await asker("127.0.0.2");
    const half = { ...options, stunAlternate: { host: "127.0.0.2", port } };
    await expect(relayWith(half)).rejects.toMatchObject({ code: "ERR_LISTEN_IN_USE" });
    socket.close();
    sockets.splice(sockets.indexOf(socket), 1);
    await relayWith(options);
  });

  test.each<[RelayOptions, string]>([
    [{ stunAlternate: { host: "127.0.0.1" } }, "ERR_OPTION_INVALID"],
    [{ stunAlternate: { host: "::1" } }, "ERR_OPTION_INVALID"],
    [{ stunAlternate: { host: "localhost" } }, "ERR_OPTION_INVALID"],
    [{ stunAlternate: { host: "0.0.0.0" } }, "ERR_OPTION_INVALID"],
    [{ stunAlternate: { host: "127.0.0.2" }, host: undefined }, "ERR_OPTION_INVALID"],
    [{ stunAlternate: { host: "127.0.0.2" }, host: "localhost" }, "ERR_OPTION_INVALID"],
    [{ stunAlternate: { host: "127.0.0.2" }, host: "0.0.0.0" }, "ERR_OPTION_INVALID"],
    [{ stunAlternate: { host: "127.0.0.2" }, stunPort: false }, "ERR_OPTION_INVALID"],
    [{ stunAlternate: { host: "127.0.0.2", port: 70_000 } }, "ERR_PORT_INVALID"],
    [{ stunAlternate: { host: "203.0.113.1" } }, "ERR_LISTEN_FAILED"],
  ])("is refused as %j", async (options, code) => {
    await expect(relayWith(options)).rejects.toMatchObject({ code });
  });
});
