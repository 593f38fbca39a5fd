// The STUN responder: what it answers, and what it never answers.

import { createSocket, type Socket } from "node:dgram";
import { afterEach, describe, expect, test } from "vitest";
import {
  decodeErrorCode,
  decodeStunMessage,
  decodeXorMappedAddress,
  encodeStunMessage,
  findStunAttribute,
  STUN_ATTRIBUTE,
  STUN_BINDING,
  STUN_CLASS,
  verifyStunFingerprint,
} from "../../src/nat/stun-message.js";
import { createRelay } from "../../src/server/index.js";
import { answerStun, ipv6Bytes, StunResponder } from "../../src/server/stun-responder.js";
import { pattern, until } from "./raw-client.js";

const ID = pattern(12);
const V4 = { address: Uint8Array.of(192, 0, 2, 1), port: 32853 };
const V6 = { address: ipv6Bytes("2001:db8:1234:5678:11:2233:4455:6677"), port: 32853 };

function request(
  attributes: { type: number; value: Uint8Array }[] = [],
  fingerprint = false,
  messageClass = 0,
  method = STUN_BINDING,
): Uint8Array {
  return encodeStunMessage({ messageClass, method, transactionId: ID, attributes }, { fingerprint });
}

describe("answerStun", () => {
  test("answers 20 bytes with 32 for IPv4 and 44 for IPv6", () => {
    for (const [source, length] of [
      [V4, 32],
      [V6, 44],
    ] as const) {
      expect(request()).toHaveLength(20);
      const answer = answerStun(request(), source) as Uint8Array;
      expect(answer).toHaveLength(length);
      const message = decodeStunMessage(answer);
      expect(message).toMatchObject({ messageClass: STUN_CLASS.SUCCESS, method: STUN_BINDING, transactionId: ID });
      const mapped = findStunAttribute(message, STUN_ATTRIBUTE.XOR_MAPPED_ADDRESS);
      expect(decodeXorMappedAddress(mapped?.value as Uint8Array, ID)).toEqual(source);
    }
  });

  test("adds a fingerprint only where the request had one, and ignores a wrong one", () => {
    const asked = request([], true);
    const answer = answerStun(asked, V4) as Uint8Array;
    expect(answer).toHaveLength(40);
    expect(verifyStunFingerprint(answer)).toBe(true);
    expect(verifyStunFingerprint(answerStun(request(), V4) as Uint8Array)).toBe(false);
    asked[asked.length - 1] = (asked[asked.length - 1] as number) ^ 1;
    expect(answerStun(asked, V4)).toBeNull();
  });

  test("names comprehension-required attributes that it does not know, and skips optional ones", () => {
    const value = new Uint8Array(4);
    const answer = answerStun(
      request([
        { type: 0x0003, value },
        { type: 0x7fff, value },
        { type: 0x0003, value },
        { type: 0x8fff, value },
      ]),
      V4,
    );
    const message = decodeStunMessage(answer as Uint8Array);
    expect(message.messageClass).toBe(STUN_CLASS.ERROR);
    expect(decodeErrorCode(findStunAttribute(message, STUN_ATTRIBUTE.ERROR_CODE)?.value as Uint8Array)).toBe(420);
    const unknown = findStunAttribute(message, STUN_ATTRIBUTE.UNKNOWN_ATTRIBUTES);
    expect(unknown?.value).toEqual(Uint8Array.of(0x00, 0x03, 0x7f, 0xff));
    expect(decodeStunMessage(answerStun(request([{ type: 0x8fff, value }]), V4) as Uint8Array).messageClass).toBe(
      STUN_CLASS.SUCCESS,
    );
  });

  test("never answers indications, responses, other methods or what is no STUN", () => {
    for (const messageClass of [STUN_CLASS.INDICATION, STUN_CLASS.SUCCESS, STUN_CLASS.ERROR]) {
      expect(answerStun(request([], false, messageClass), V4)).toBeNull();
    }
    expect(answerStun(request([], false, STUN_CLASS.REQUEST, 0x003), V4)).toBeNull();
    expect(answerStun(answerStun(request(), V4) as Uint8Array, V4)).toBeNull();
    for (const junk of [new Uint8Array(0), pattern(19), pattern(100), request().subarray(0, 19), new Uint8Array(1600)]) {
      expect(answerStun(junk, V4)).toBeNull();
    }
  });
});

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
    const responder = await StunResponder.open({ port: 0, host: "127.0.0.1", perSecond: 5 });
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
    const responder = await StunResponder.open({ port: 0, host: "127.0.0.1", perSecond: 5 });
    closers.push(responder);
    const again = StunResponder.open({ port: responder.port, host: "127.0.0.1", perSecond: 5 });
    await expect(again).rejects.toMatchObject({ code: "ERR_LISTEN_IN_USE" });
  });
});
