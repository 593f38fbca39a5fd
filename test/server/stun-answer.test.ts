// What the STUN responder answers, and what it never answers.

import { describe, expect, test } from "vitest";
import { fromStunEndpoint, toStunEndpoint } from "../../src/nat/endpoint.js";
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
  type StunEndpoint,
  verifyStunFingerprint,
} from "../../src/nat/stun-message.js";
import { answerStun, type StunAlternate } from "../../src/server/stun-answer.js";
import { pattern } from "./raw-client.js";

const ID = pattern(12);
const at = (host: string, port: number) => toStunEndpoint({ host, port }) as StunEndpoint;
const V4 = at("192.0.2.1", 32853);
const V6 = at("2001:db8:1234:5678:11:2233:4455:6677", 32853);

/** A server at 203.0.113.1 and .2, ports 3478 and 3479, asked at the first ones. */
const ALTERNATE: StunAlternate = {
  other: at("203.0.113.2", 3479),
  origin: ({ address, port }) => at(address ? "203.0.113.2" : "203.0.113.1", port ? 3479 : 3478),
};

function request(attributes: StunAttribute[] = [], fingerprint = false, messageClass = 0, method = STUN_BINDING): Uint8Array {
  return encodeStunMessage({ messageClass, method, transactionId: ID, attributes }, { fingerprint });
}

const bytesOf = (datagram: Uint8Array, source = V4, alternate?: StunAlternate) =>
  answerStun(datagram, source, alternate)?.bytes as Uint8Array;

describe("answerStun", () => {
  test("answers 20 bytes with 32 for IPv4 and 44 for IPv6", () => {
    for (const [source, length] of [
      [V4, 32],
      [V6, 44],
    ] as const) {
      expect(request()).toHaveLength(20);
      const answer = bytesOf(request(), source);
      expect(answer).toHaveLength(length);
      const message = decodeStunMessage(answer);
      expect(message).toMatchObject({ messageClass: STUN_CLASS.SUCCESS, method: STUN_BINDING, transactionId: ID });
      const mapped = findStunAttribute(message, STUN_ATTRIBUTE.XOR_MAPPED_ADDRESS);
      expect(decodeXorMappedAddress(mapped?.value as Uint8Array, ID)).toEqual(source);
    }
  });

  test("adds a fingerprint only where the request had one, and ignores a wrong one", () => {
    const asked = request([], true);
    const answer = bytesOf(asked);
    expect(answer).toHaveLength(40);
    expect(verifyStunFingerprint(answer)).toBe(true);
    expect(verifyStunFingerprint(bytesOf(request()))).toBe(false);
    asked[asked.length - 1] = (asked[asked.length - 1] as number) ^ 1;
    expect(answerStun(asked, V4)).toBeNull();
  });

  test("names comprehension-required attributes that it does not know, and skips optional ones", () => {
    const value = new Uint8Array(4);
    const answer = bytesOf(
      request([
        { type: 0x0003, value },
        { type: 0x7fff, value },
        { type: 0x0003, value },
        { type: 0x8fff, value },
      ]),
    );
    const message = decodeStunMessage(answer);
    expect(message.messageClass).toBe(STUN_CLASS.ERROR);
    expect(decodeErrorCode(findStunAttribute(message, STUN_ATTRIBUTE.ERROR_CODE)?.value as Uint8Array)).toBe(420);
    const unknown = findStunAttribute(message, STUN_ATTRIBUTE.UNKNOWN_ATTRIBUTES);
    expect(unknown?.value).toEqual(Uint8Array.of(0x00, 0x03, 0x7f, 0xff));
    expect(decodeStunMessage(bytesOf(request([{ type: 0x8fff, value }]))).messageClass).toBe(STUN_CLASS.SUCCESS);
  });

  test("never answers indications, responses, other methods or what is no STUN", () => {
    for (const messageClass of [STUN_CLASS.INDICATION, STUN_CLASS.SUCCESS, STUN_CLASS.ERROR]) {
      expect(answerStun(request([], false, messageClass), V4)).toBeNull();
    }
    expect(answerStun(request([], false, STUN_CLASS.REQUEST, 0x003), V4)).toBeNull();
    expect(answerStun(bytesOf(request()), V4)).toBeNull();
    for (const junk of [new Uint8Array(0), pattern(19), pattern(100), request().subarray(0, 19), new Uint8Array(1600)]) {
      expect(answerStun(junk, V4)).toBeNull();
    }
  });
});

describe("with a second address", () => {
  const address = (answer: Uint8Array, type: number) =>
    fromStunEndpoint(decodeStunAddress(findStunAttribute(decodeStunMessage(answer), type)?.value as Uint8Array));

  test("names it, in 56 bytes for IPv4", () => {
    const reply = answerStun(request(), V4, ALTERNATE);
    expect(reply?.bytes).toHaveLength(56);
    expect(reply?.change).toEqual({ address: false, port: false });
    expect(address(reply?.bytes as Uint8Array, STUN_ATTRIBUTE.OTHER_ADDRESS)).toEqual({ host: "203.0.113.2", port: 3479 });
    expect(address(reply?.bytes as Uint8Array, STUN_ATTRIBUTE.RESPONSE_ORIGIN)).toEqual({ host: "203.0.113.1", port: 3478 });
  });

  test("has at most 92 bytes for IPv6", () => {
    const other = at("2001:db8::2", 3479);
    expect(bytesOf(request(), V6, { other, origin: () => other })).toHaveLength(92);
  });

  test.each([
    [
      { address: false, port: false },
      { host: "203.0.113.1", port: 3478 },
    ],
    [
      { address: false, port: true },
      { host: "203.0.113.1", port: 3479 },
    ],
    [
      { address: true, port: false },
      { host: "203.0.113.2", port: 3478 },
    ],
    [
      { address: true, port: true },
      { host: "203.0.113.2", port: 3479 },
    ],
  ])("answers %j from %j", (change, origin) => {
    const reply = answerStun(request([encodeChangeRequest(change)]), V4, ALTERNATE);
    expect(reply?.change).toEqual(change);
    expect(address(reply?.bytes as Uint8Array, STUN_ATTRIBUTE.RESPONSE_ORIGIN)).toEqual(origin);
  });

  test("tells errors from where it was asked, and ignores a CHANGE-REQUEST of a wrong length", () => {
    const change = encodeChangeRequest({ address: true, port: true });
    const reply = answerStun(request([change, { type: 0x7fff, value: new Uint8Array(0) }]), V4, ALTERNATE);
    expect(reply?.change).toEqual({ address: false, port: false });
    const message = decodeStunMessage(reply?.bytes as Uint8Array);
    expect(findStunAttribute(message, STUN_ATTRIBUTE.UNKNOWN_ATTRIBUTES)?.value).toEqual(Uint8Array.of(0x7f, 0xff));
    for (const length of [0, 3, 5, 8]) {
      expect(answerStun(request([{ ...change, value: new Uint8Array(length) }]), V4, ALTERNATE)).toBeNull();
    }
  });
});
