// Tickets: round trips, slips of the hand, and what somebody else may have put into one.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBase32, encodeBase32 } from "../../src/core/base32.js";
import { encodePeerId } from "../../src/core/identity.js";
import { encodeTicket, isTicket, MAX_TICKET_CHARS, parseTicket, type Ticket } from "../../src/core/ticket.js";
import { refusal } from "./refusal.js";

const peerIds = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(encodePeerId);
const hosts = fc.stringMatching(/^[a-z][a-z0-9]{0,40}$/);
const relays = fc.array(
  hosts.map((host) => `wss://${host}.example/relay`),
  { maxLength: 4 },
);
const addresses = fc.array(
  fc
    .tuple(fc.constantFrom("tcp", "ws", "udp", "carrier-pigeon"), fc.ipV4(), fc.integer({ min: 1, max: 65_535 }))
    .map(([scheme, ip, port]) => `${scheme}://${ip}:${port}`),
  { maxLength: 8 },
);
const tickets: fc.Arbitrary<Ticket> = fc.record({ peerId: peerIds, relays, addresses });

const ticket: Ticket = {
  peerId: encodePeerId(new Uint8Array(32).fill(9)),
  relays: ["wss://relay.example", "ws://10.0.0.1:8081/"],
  addresses: ["tcp://192.168.1.5:8080", "tcp://[2001:db8::1]:8080"],
};
const text = encodeTicket(ticket);

/** A ticket around bytes of our choice, with the checksum that fits them. */
function forge(change: (body: number[]) => void): string {
  const body = [...decodeBase32(text.slice(3)).subarray(0, -4)];
  change(body);
  let crc = 0xffff_ffff;
  for (const byte of body) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  crc = ~crc;
  return `ln1${encodeBase32(Uint8Array.from([...body, crc >>> 24, crc >>> 16, crc >>> 8, crc]))}`;
}

describe("a ticket", () => {
  test("gives back what was put in", () => {
    fc.assert(
      fc.property(tickets, (given) => {
        expect(parseTicket(encodeTicket(given))).toEqual(given);
      }),
    );
  });

  test("is letters and digits", () => {
    expect(text).toMatch(/^ln1[a-z2-7]+$/);
  });

  test("may carry nothing but a PeerId", () => {
    const bare = encodeTicket({ peerId: ticket.peerId, relays: [], addresses: [] });
    expect(bare.length).toBeLessThan(70);
    expect(parseTicket(bare)).toEqual({ peerId: ticket.peerId, relays: [], addresses: [] });
  });

  test("is read from a QR code in upper case, and with white space around it", () => {
    expect(parseTicket(text.toUpperCase())).toEqual(ticket);
    expect(parseTicket(` \n\t${text}\r\n`)).toEqual(ticket);
    expect(isTicket(`  ${text.toUpperCase()}`)).toBe(true);
  });

  test("is told from a PeerId and from an address by its first characters", () => {
    expect(isTicket(text)).toBe(true);
    for (const other of [ticket.peerId, "192.168.1.5", "tcp://ln1", "", "ln", null, 7, {}]) expect(isTicket(other)).toBe(false);
  });
});

describe("a damaged ticket is refused", () => {
  test("with any one character wrong", () => {
    const chars = fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789 -=\u00e4");
    fc.assert(
      fc.property(tickets, fc.nat(), chars, (given, position, char) => {
        const whole = encodeTicket(given);
        const at = position % whole.length;
        fc.pre(whole[at] !== char);
        const changed = whole.slice(0, at) + char + whole.slice(at + 1);
        // White space at an end is cut off, and then a character is missing.
        expect(refusal(() => parseTicket(changed)).code).toBe("ERR_TICKET_INVALID");
      }),
      { numRuns: 500 },
    );
  });

  test("with each one character of one ticket replaced by each other one", () => {
    let accepted = 0;
    for (let at = 0; at < text.length; at++) {
      for (const char of "abcdefghijklmnopqrstuvwxyz234567") {
        if (text[at] === char) continue;
        if (refusal(() => parseTicket(text.slice(0, at) + char + text.slice(at + 1))).code !== "ERR_TICKET_INVALID") accepted++;
      }
    }
    expect(accepted).toBe(0);
  });

  test("cut anywhere", () => {
    for (let length = 0; length < text.length; length++) {
      expect(refusal(() => parseTicket(text.slice(0, length))).code).toBe("ERR_TICKET_INVALID");
    }
  });

  test("with two neighbours swapped", () => {
    for (let at = 0; at + 1 < text.length; at++) {
      if (text[at] === text[at + 1]) continue;
      const swapped = `${text.slice(0, at)}${text[at + 1]}${text[at]}${text.slice(at + 2)}`;
      expect(refusal(() => parseTicket(swapped)).code).toBe("ERR_TICKET_INVALID");
    }
  });

  test("when it is longer than any ticket, before it is read", () => {
    expect(refusal(() => parseTicket(`ln1${"a".repeat(MAX_TICKET_CHARS)}`)).message).toContain("4096");
    expect(isTicket(" ".repeat(MAX_TICKET_CHARS) + text)).toBe(false);
  });

  test("when it is not text at all", () => {
    expect(refusal(() => parseTicket(undefined as unknown as string)).code).toBe("ERR_TICKET_INVALID");
  });

  test("without repeating it in the error", () => {
    expect(refusal(() => parseTicket(`${text.slice(0, -1)}0`)).message).not.toContain(text.slice(10, 30));
  });
});

describe("a forged ticket is refused", () => {
  const RELAYS_AT = 33;
  const ADDRESSES_AT = 34;
  const replaceText = (body: number[], from: string, to: string): void => {
    expect(to.length).toBe(from.length);
    const at = Buffer.from(body).indexOf(from);
    expect(at).toBeGreaterThan(0);
    body.splice(at, to.length, ...Buffer.from(to, "latin1"));
  };

  test("but an honest one made the same way is not", () => {
    expect(parseTicket(forge(() => undefined))).toEqual(ticket);
  });

  test.each<[string, (body: number[]) => void]>([
    ["another version", (body) => body.splice(0, 1, 2)],
    ["more relays than there are", (body) => body.splice(RELAYS_AT, 1, 4)],
    ["more relays than allowed", (body) => body.splice(RELAYS_AT, 1, 5)],
    ["more addresses than allowed", (body) => body.splice(ADDRESSES_AT, 1, 255)],
    ["fewer addresses than there are", (body) => body.splice(ADDRESSES_AT, 1, 1)],
    ["bytes at its end", (body) => body.push(0)],
    ["a length beyond its end", (body) => body.splice(35, 1, 255)],
    ["no body", (body) => body.splice(0)],
    ["a relay that is no WebSocket", (body) => replaceText(body, "ws://10.0.0.1:8081/", "file:///etc/passwd1")],
    ["a script for an address", (body) => replaceText(body, "tcp://192.168.1.5:8080", "javascript:alert(1)//x")],
    ["a line break in an address", (body) => replaceText(body, "tcp://192.168.1.5:8080", "tcp://192.168.1.5\n8080")],
    ["invalid UTF-8", (body) => replaceText(body, "tcp://192.168.1.5:8080", "tcp://192.168.1.\xff:8080")],
    ["no URL", (body) => replaceText(body, "tcp://192.168.1.5:8080", "192.168.1.5:8080xxxxxx")],
  ])("with %s", (_name, change) => {
    expect(refusal(() => parseTicket(forge(change))).code).toBe("ERR_TICKET_INVALID");
  });
});

describe("no ticket is made", () => {
  const address = "tcp://10.0.0.1:1";
  test.each<[string, Partial<Ticket>]>([
    ["with five relays", { relays: Array(5).fill("wss://relay.example") }],
    ["with nine addresses", { addresses: Array(9).fill(address) }],
    ["with a relay by http", { relays: ["https://relay.example"] }],
    ["with an address that is no URL", { addresses: ["10.0.0.1:8080"] }],
    ["with an address of 256 bytes", { addresses: [`tcp://${"a".repeat(250)}`] }],
    [
      "that nobody could read back, being too long",
      { addresses: Array(8).fill(`tcp://${"a".repeat(249)}`), relays: Array(4).fill(`ws://${"b".repeat(250)}`) },
    ],
  ])("%s", (_name, change) => {
    expect(refusal(() => encodeTicket({ ...ticket, ...change })).code).toBe("ERR_TICKET_INVALID");
  });

  test("for what is no PeerId", () => {
    expect(refusal(() => encodeTicket({ ...ticket, peerId: "bob" })).code).toBe("ERR_PEER_ID_INVALID");
  });

  test("that cannot be read back: the longest one can", () => {
    const long: Ticket = {
      ...ticket,
      relays: Array(4).fill(`wss://${"r".repeat(40)}.example`),
      addresses: Array(8).fill(`tcp://${"a".repeat(249)}`),
    };
    expect(parseTicket(encodeTicket(long))).toEqual(long);
  });
});
