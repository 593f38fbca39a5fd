// Relay frames: every layout to the byte, and nothing but one code for what does not follow it.

import { describe, expect, test } from "vitest";
import { concatBytes, encodeUtf8, toHex } from "../../../src/core/bytes.js";
import { NetworkError } from "../../../src/core/errors.js";
import { normalizeRelayUrl, relayAuthority, splitAuthority } from "../../../src/core/relay/relay-address.js";
import * as frame from "../../../src/core/relay/relay-frame.js";
import { loginMessage } from "../../../src/core/relay/relay-login.js";
import {
  RELAY_REASONS,
  type RelayReason,
  relayCloseCode,
  relayEnd,
  relayEndOfClose,
  relayReasonOfCode,
} from "../../../src/core/relay/relay-reason.js";

const ID = new Uint8Array(32).fill(0xaa);
const OTHER = new Uint8Array(32).fill(0xbb);
const NONCE = new Uint8Array(32).fill(0xcc);
const SIGNATURE = new Uint8Array(64).fill(0xdd);
const ROOM = new Uint8Array(5).fill(0xee);
const TOKEN = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const aa = "aa".repeat(32);
const room = "05eeeeeeeeee";

const SERVER_FRAMES = [
  [frame.encodeChallenge(NONCE), `0101${"cc".repeat(32)}`, { kind: "challenge", version: 1, nonce: NONCE }],
  [
    frame.encodeWelcome({ maxPayloadBytes: 65_600, idleMs: 60_000, stunPort: 8787 }),
    "03000100400000ea602253",
    { kind: "welcome", maxPayloadBytes: 65_600, idleMs: 60_000, stunPort: 8787 },
  ],
  [frame.encodeForward(ID, TOKEN), `04${aa}0102030405060708`, { kind: "forward", peerId: ID, payload: TOKEN }],
  [frame.encodeUndelivered(ID, 2), `05${aa}02`, { kind: "undelivered", peerId: ID, reason: 2 }],
  [
    frame.encodeRoomMembers(ROOM, [ID, OTHER]),
    `08${room}0002${aa}${"bb".repeat(32)}`,
    { kind: "room-members", room: ROOM, members: [ID, OTHER] },
  ],
  [frame.encodeMemberEvent("join", ROOM, ID), `09${room}${aa}`, { kind: "member-joined", room: ROOM, peerId: ID }],
  [frame.encodeMemberEvent("leave", ROOM, ID), `0a${room}${aa}`, { kind: "member-left", room: ROOM, peerId: ID }],
  [frame.encodeRoomRefused(ROOM, 1), `0b${room}01`, { kind: "room-refused", room: ROOM, reason: 1 }],
  [frame.encodePing(TOKEN), "0c0102030405060708", { kind: "ping", token: TOKEN }],
  [frame.encodePong(TOKEN), "0d0102030405060708", { kind: "pong", token: TOKEN }],
  [frame.encodeRelayError("replaced", "né"), "0e046ec3a9", { kind: "error", reason: "replaced", sentence: "né" }],
] as const;

const CLIENT_FRAMES = [
  [
    frame.encodeLogin(ID, SIGNATURE, "a:80"),
    `02${aa}${"dd".repeat(64)}04613a3830`,
    { kind: "login", peerId: ID, signature: SIGNATURE, authority: "a:80" },
  ],
  [frame.encodeForward(ID, TOKEN), `04${aa}0102030405060708`, { kind: "forward", peerId: ID, payload: TOKEN }],
  [frame.encodeRoomJoin(ROOM), `06${room}`, { kind: "room-join", room: ROOM }],
  [frame.encodeRoomLeave(ROOM), `07${room}`, { kind: "room-leave", room: ROOM }],
  [frame.encodePing(TOKEN), "0c0102030405060708", { kind: "ping", token: TOKEN }],
  [frame.encodePong(TOKEN), "0d0102030405060708", { kind: "pong", token: TOKEN }],
] as const;

function codeOf(action: () => unknown): string {
  try {
    action();
    return "none";
  } catch (error) {
    return error instanceof NetworkError ? error.code : `another error: ${String(error)}`;
  }
}

describe("relay frames", () => {
  test.each(SERVER_FRAMES)("from the server: %#", (bytes, hex, decoded) => {
    expect(toHex(bytes)).toBe(hex);
    expect(frame.decodeServerFrame(bytes)).toEqual(decoded);
  });

  test.each(CLIENT_FRAMES)("from the client: %#", (bytes, hex, decoded) => {
    expect(toHex(bytes)).toBe(hex);
    expect(frame.decodeClientFrame(bytes)).toEqual(decoded);
  });

  test("every cut is refused, but for frames whose last field has any length", () => {
    const open = ["forward", "error"];
    const sides = [
      [frame.decodeServerFrame, SERVER_FRAMES],
      [frame.decodeClientFrame, CLIENT_FRAMES],
    ] as const;
    for (const [decode, frames] of sides) {
      for (const [bytes, , { kind }] of frames) {
        const fixed = kind === "forward" ? 33 : kind === "error" ? 2 : bytes.length;
        for (let length = 0; length < fixed; length++) {
          expect(
            codeOf(() => decode(bytes.subarray(0, length))),
            `${kind} of ${length}`,
          ).toBe("ERR_FRAME_MALFORMED");
        }
        if (!open.includes(kind) && kind !== "welcome") {
          expect(
            codeOf(() => decode(concatBytes(bytes, new Uint8Array(1)))),
            kind,
          ).toBe("ERR_FRAME_MALFORMED");
        }
      }
    }
  });

  test("random bytes are decoded or refused with one code", () => {
    let seed = 7;
    const next = (): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed >>> 16;
    };
    for (let i = 0; i < 20_000; i++) {
      const bytes = Uint8Array.from({ length: next() % 120 }, () => next() & 0xff);
      if (bytes.length > 0) bytes[0] = next() % 16;
      for (const decode of [frame.decodeServerFrame, frame.decodeClientFrame]) {
        expect(["none", "ERR_FRAME_MALFORMED"]).toContain(codeOf(() => decode(bytes)));
      }
    }
  });

  test("a frame of the wrong direction is refused", () => {
    for (const [bytes, , { kind }] of SERVER_FRAMES) {
      if (["forward", "ping", "pong"].includes(kind)) continue;
      expect(codeOf(() => frame.decodeClientFrame(bytes))).toBe("ERR_FRAME_MALFORMED");
    }
    expect(codeOf(() => frame.decodeServerFrame(frame.encodeRoomJoin(ROOM)))).toBe("ERR_FRAME_MALFORMED");
  });

  test("a challenge of another version is read as far as its number, and a longer WELCOME is one of a later relay", () => {
    expect(frame.decodeServerFrame(Uint8Array.of(1, 9, 1, 2))).toMatchObject({ kind: "challenge", version: 9 });
    const welcome = concatBytes(frame.encodeWelcome({ maxPayloadBytes: 1, idleMs: 2, stunPort: 3 }), TOKEN);
    expect(frame.decodeServerFrame(welcome)).toEqual({ kind: "welcome", maxPayloadBytes: 1, idleMs: 2, stunPort: 3 });
  });

  test("room ids have 1 to 64 bytes", () => {
    expect(codeOf(() => frame.decodeClientFrame(frame.encodeRoomJoin(new Uint8Array(64))))).toBe("none");
    expect(codeOf(() => frame.decodeClientFrame(frame.encodeRoomJoin(new Uint8Array(65))))).toBe("ERR_FRAME_MALFORMED");
    expect(codeOf(() => frame.decodeClientFrame(frame.encodeRoomJoin(new Uint8Array(0))))).toBe("ERR_FRAME_MALFORMED");
  });
});

describe("reasons", () => {
  test("have distinct codes that come back from the ERROR frame and from the close code alike", () => {
    const names = Object.keys(RELAY_REASONS) as RelayReason[];
    expect(new Set(names.map((name) => RELAY_REASONS[name].code)).size).toBe(names.length);
    for (const name of names) {
      expect(relayReasonOfCode(RELAY_REASONS[name].code)).toBe(name);
      const { error, final } = relayEndOfClose(relayCloseCode(name), "why");
      expect([error.code, final]).toEqual([RELAY_REASONS[name].error, RELAY_REASONS[name].final]);
    }
  });

  test("a broken connection is worth another try, and a sentence from outside is made harmless", () => {
    expect(relayEndOfClose(1006, "")).toMatchObject({ error: { code: "ERR_RELAY_UNAVAILABLE" }, final: false });
    const { message } = relayEnd("login", `a\u001b[31m\n\u202eb${"x".repeat(1000)}`).error;
    expect(message).toContain("a [31m  b");
    expect(message.length).toBeLessThan(300);
  });
});

describe("relay addresses", () => {
  test.each([
    ["ws://localhost:8787", "localhost:8787"],
    ["wss://Relay.EXAMPLE", "relay.example:443"],
    ["ws://relay.example/path?x", "relay.example:80"],
    ["https://relay.example:443/", "relay.example:443"],
    ["ws://[2001:DB8:0:0::1]:99", "[2001:db8::1]:99"],
    ["ws://127.1:99", "127.0.0.1:99"],
  ])("%s has the authority %s", (url, authority) => {
    expect(relayAuthority(url)).toBe(authority);
    expect(splitAuthority(authority)).not.toBeNull();
  });

  test.each(["relay.example", "ftp://relay.example", "ws://", "ws://a:0", "ws://a:70000", "ws://u:secret@a", "ws://a/#x", ""])(
    "%s is refused, and a password in it is not repeated",
    (url) => {
      expect(codeOf(() => relayAuthority(url))).toBe("ERR_OPTION_INVALID");
      expect(() => relayAuthority(url)).not.toThrow(/secret/);
    },
  );

  test("only WebSocket URLs can be dialled", () => {
    expect(normalizeRelayUrl("ws://Localhost:1")).toBe("ws://localhost:1/");
    expect(codeOf(() => normalizeRelayUrl("https://relay.example"))).toBe("ERR_OPTION_INVALID");
  });

  test("an authority is host and port and nothing else", () => {
    expect(splitAuthority("[::1]:5")).toEqual({ host: "::1", port: 5 });
    for (const text of ["a", "a:", ":5", "a:0", "a:05", "a:65536", "::1:5", "a b:5", "a/b:5", "u@a:5", "[a]:5x"])
      expect(splitAuthority(text)).toBeNull();
  });
});

test("the login message is context, challenge, authority with its length and PeerId", () => {
  const expected = `${toHex(encodeUtf8("linknet relay login 1\0"))}${"cc".repeat(32)}04613a3830${aa}`;
  expect(toHex(loginMessage(NONCE, "a:80", ID))).toBe(expected);
});
