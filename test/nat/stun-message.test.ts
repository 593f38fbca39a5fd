// STUN messages against the published vectors, captured requests and broken input.

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/core/bytes.js";
import { NetworkError } from "../../src/core/errors.js";
import {
  decodeErrorCode,
  decodeStunMessage,
  decodeXorMappedAddress,
  encodeErrorCode,
  encodeStunMessage,
  encodeXorMappedAddress,
  findStunAttribute,
  looksLikeStun,
  STUN_ATTRIBUTE,
  STUN_BINDING,
  STUN_CLASS,
  STUN_MAX_BYTES,
  verifyStunFingerprint,
} from "../../src/nat/stun-message.js";

const FOLDER = new URL("../../../shared/vectors/stun/", import.meta.url);

interface Vector {
  readonly hex: string;
  readonly transactionId?: string;
  readonly rfc5769_section?: string;
}

function vectors(file: string): Vector[] {
  return (JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as { vectors: Vector[] }).vectors;
}

const present = existsSync(FOLDER);
if (!present) console.warn("SKIPPED: the STUN vectors are not there (../shared/vectors/stun)");

function decodeOrCode(bytes: Uint8Array): string {
  try {
    decodeStunMessage(bytes);
    return "decoded";
  } catch (error) {
    if (error instanceof NetworkError) return error.code;
    throw error;
  }
}

describe.skipIf(!present)("published vectors", () => {
  test("RFC 5769: every sample is taken apart, and its fingerprint fits where it has one", () => {
    const samples = vectors("rfc5769.json");
    expect(samples).toHaveLength(4);
    for (const { hex, transactionId, rfc5769_section: section } of samples) {
      const bytes = fromHex(hex);
      const message = decodeStunMessage(bytes);
      expect(toHex(message.transactionId)).toBe(transactionId);
      expect(message.method).toBe(STUN_BINDING);
      const response = section?.includes("response");
      expect(message.messageClass).toBe(response ? STUN_CLASS.SUCCESS : STUN_CLASS.REQUEST);
      expect(verifyStunFingerprint(bytes)).toBe(findStunAttribute(message, STUN_ATTRIBUTE.FINGERPRINT) !== undefined);
    }
  });

  test("RFC 5769 §2.2 and §2.3: the mapped addresses are 192.0.2.1 and 2001:db8:1234:5678:11:2233:4455:6677, port 32853", () => {
    const responses = vectors("rfc5769.json").filter(({ rfc5769_section: section }) => section?.includes("response"));
    const addresses = responses.map(({ hex }) => {
      const message = decodeStunMessage(fromHex(hex));
      const { value } = findStunAttribute(message, STUN_ATTRIBUTE.XOR_MAPPED_ADDRESS) as { value: Uint8Array };
      const endpoint = decodeXorMappedAddress(value, message.transactionId);
      // And the other way round, to the byte.
      expect(encodeXorMappedAddress(endpoint, message.transactionId).value).toEqual(value);
      return [toHex(endpoint.address), endpoint.port];
    });
    expect(addresses).toEqual([
      ["c0000201", 32853],
      ["20010db8123456780011223344556677", 32853],
    ]);
  });

  test("RFC 5769 §2.1: one flipped bit anywhere is refused or shows in the fingerprint", () => {
    const bytes = fromHex((vectors("rfc5769.json")[0] as Vector).hex);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(decodeOrCode(flipped) === "ERR_STUN_MALFORMED" || !verifyStunFingerprint(flipped)).toBe(true);
    }
  });

  test("RFC 8489 B.1 has its five attributes", () => {
    const message = decodeStunMessage(fromHex((vectors("rfc8489-b1.json")[0] as Vector).hex));
    const { USERHASH, NONCE, REALM, PASSWORD_ALGORITHM, MESSAGE_INTEGRITY_SHA256 } = STUN_ATTRIBUTE;
    const types = message.attributes.map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining([USERHASH, NONCE, REALM, MESSAGE_INTEGRITY_SHA256]));
    expect(
      types.every((type) => [USERHASH, NONCE, REALM, PASSWORD_ALGORITHM, MESSAGE_INTEGRITY_SHA256].includes(type as never)),
    ).toBe(true);
  });

  test("requests captured from browsers come back byte for byte", () => {
    for (const { hex } of vectors("captured-requests.json")) {
      const bytes = fromHex(hex);
      const message = decodeStunMessage(bytes);
      expect([message.messageClass, message.method]).toEqual([STUN_CLASS.REQUEST, STUN_BINDING]);
      const fingerprint = findStunAttribute(message, STUN_ATTRIBUTE.FINGERPRINT) !== undefined;
      const attributes = message.attributes.filter(({ type }) => type !== STUN_ATTRIBUTE.FINGERPRINT);
      expect(toHex(encodeStunMessage({ ...message, attributes }, { fingerprint }))).toBe(hex);
    }
  });

  test("a fuzz corpus is decoded or refused with one code", () => {
    for (const { hex } of vectors("pion-fuzz-corpus.json")) {
      const bytes = fromHex(hex);
      expect(["decoded", "ERR_STUN_MALFORMED"]).toContain(decodeOrCode(bytes));
      if (bytes.length < 8) continue;
      bytes.set([0x21, 0x12, 0xa4, 0x42], 4);
      expect(["decoded", "ERR_STUN_MALFORMED"]).toContain(decodeOrCode(bytes));
    }
  });
});

describe("decodeStunMessage", () => {
  const transactionId = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
  const plain = encodeStunMessage({
    messageClass: 0,
    method: STUN_BINDING,
    transactionId,
    attributes: [{ type: 0x8022, value: new Uint8Array(5) }],
  });

  test("keeps every class and method through encoding", () => {
    for (const messageClass of Object.values(STUN_CLASS)) {
      for (const method of [1, 0x080, 0x7ff, 0xfff]) {
        const message = { messageClass, method, transactionId, attributes: [] };
        expect(decodeStunMessage(encodeStunMessage(message))).toEqual(message);
      }
    }
  });

  test("refuses every cut, a longer datagram, other cookies, lengths that lie and what is too long", () => {
    for (let length = 0; length < plain.length; length++)
      expect(decodeOrCode(plain.subarray(0, length))).toBe("ERR_STUN_MALFORMED");
    expect(decodeOrCode(new Uint8Array([...plain, 0, 0, 0, 0]))).toBe("ERR_STUN_MALFORMED");
    expect(decodeOrCode(new Uint8Array(STUN_MAX_BYTES + 1))).toBe("ERR_STUN_MALFORMED");
    for (const [at, value] of [
      [0, 0x40],
      [0, 0x80],
      [3, 1],
      [3, 0xff],
      [4, 0],
      [7, 0x43],
      [22, 0xff],
      [23, 9],
    ] as const) {
      const bytes = plain.slice();
      bytes[at] = value;
      expect(decodeOrCode(bytes)).toBe("ERR_STUN_MALFORMED");
    }
    expect(looksLikeStun(plain)).toBe(true);
    expect(looksLikeStun(plain.subarray(0, 19))).toBe(false);
  });

  test("refuses mapped addresses of a wrong family or length, and codes out of range", () => {
    for (const value of [
      [],
      [0],
      [0, 1],
      [0, 1, 0, 0, 1, 2, 3],
      [0, 2, 0, 0, 1, 2, 3, 4],
      [0, 3, 0],
      [0, 3, 0, 0],
      [0, 3, 0, 0, 1, 2, 3, 4],
      [0, 1, 0, 0, 1, 2, 3, 4, 5],
    ]) {
      expect(() => decodeXorMappedAddress(Uint8Array.from(value), transactionId)).toThrow(NetworkError);
    }
    expect(decodeErrorCode(encodeErrorCode(420).value)).toBe(420);
    for (const value of [[], [0, 0, 4], [0, 0, 2, 99], [0, 0, 7, 0], [0, 0, 4, 100]]) {
      expect(() => decodeErrorCode(Uint8Array.from(value))).toThrow(NetworkError);
    }
  });
});
