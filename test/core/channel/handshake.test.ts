// SecureChannel until it is open: who is proven, and what makes it stop.

import { describe, expect, test, vi } from "vitest";
import { toHex } from "../../../src/core/bytes.js";
import { MAX_PROOF_BYTES } from "../../../src/core/channel/identity-proof.js";
import { PREAMBLE_BYTES } from "../../../src/core/channel/preamble.js";
import { nodeProvider, PROVIDERS } from "../../crypto/providers.js";
import { MemoryWire } from "../../sim/memory-link.js";
import { SeededRandom } from "../../sim/seeded-random.js";
import { ChannelLab, End, newContext, slowSigner } from "./support.js";

const PAIRS = PROVIDERS.flatMap((a) => PROVIDERS.map((b) => [a, b] as const));

describe("a handshake", () => {
  test.each(PAIRS.flatMap(([a, b]) => (["tcp", "websocket"] as const).map((kind) => ({ a, b, kind }))))(
    "proves both PeerIds: $a.name dials $b.name over $kind",
    async ({ a, b, kind }) => {
      const lab = new ChannelLab({ kind });
      lab.alice = newContext(lab.clock, 1, a.crypto);
      lab.bob = newContext(lab.clock, 2, b.crypto);
      const ends = await lab.open(lab.bob.identity.peerId);
      expect(ends.a.peerId).toBe(lab.bob.identity.peerId);
      expect(ends.b.peerId).toBe(lab.alice.identity.peerId);
      ends.a.channel.send(Uint8Array.of(1, 2));
      ends.b.channel.send(Uint8Array.of(3));
      await lab.run(10);
      expect(ends.b.records).toEqual([Uint8Array.of(1, 2)]);
      expect(ends.a.records).toEqual([Uint8Array.of(3)]);
      expect([ends.a.code, ends.b.code]).toEqual(["open", "open"]);
    },
  );

  test("takes AES-GCM on tcp where the initiator's processor has AES, and ChaCha20-Poly1305 elsewhere", async () => {
    for (const [kind, fast, suite] of [
      ["tcp", true, 2],
      ["tcp", false, 1],
      ["websocket", true, 1],
      ["relay", true, 1],
    ] as const) {
      const lab = new ChannelLab({ kind });
      const crypto = Object.create(nodeProvider, { hasFastAes: { value: fast } }) as typeof nodeProvider;
      lab.alice = { ...lab.alice, crypto };
      const { a, b } = await lab.open();
      expect(lab.wire.forth[0]?.subarray(0, PREAMBLE_BYTES)).toEqual(Uint8Array.of(0x4c, 0x4e, 1, suite));
      expect([a.channel.isOpen, b.channel.isOpen]).toEqual([true, true]);
    }
  });

  test("stops before message 3 when somebody else answers, so that they do not learn who asked", async () => {
    const lab = new ChannelLab();
    const carol = newContext(lab.clock, 3);
    const { a, b } = await lab.open(carol.identity.peerId);
    expect(a.code).toBe("ERR_HANDSHAKE_AUTH");
    expect(a.closed[0]?.peerId).toBe(carol.identity.peerId);
    expect(lab.wire.forth.length).toBe(1);
    expect(b.peerId).toBeNull();
    expect(b.code).toBe("ERR_HANDSHAKE_FAILED");
  });

  test("refuses our own PeerId at the other end", async () => {
    const lab = new ChannelLab();
    lab.bob = { ...newContext(lab.clock, 1), staticKey: nodeProvider.generateDhKeyPair() };
    const { a, b } = await lab.open();
    expect(a.code).toBe("ERR_DIAL_SELF");
    expect(lab.wire.forth.length).toBe(1);
    expect(b.peerId).toBeNull();
  });

  test("refuses a reflection of our own messages", async () => {
    const lab = new ChannelLab();
    const a = new End(lab.wire.dialling, true, lab.alice);
    lab.wire.accepting.attach({
      frame: (frame) => lab.wire.accepting.send(frame.subarray(PREAMBLE_BYTES)),
      drain: () => {},
      closed: () => {},
    });
    await lab.run(100);
    expect(a.code).toBe("ERR_HANDSHAKE_FAILED");
    expect(a.peerId).toBeNull();
  });

  test("hands no record on and reports one error when the link dies in it", async () => {
    const lab = new ChannelLab({ delayMs: 10 });
    lab.wire.tapBack(() => []);
    const { a, b } = await lab.open(null, 50);
    lab.wire.cut();
    await lab.run(50);
    expect([a.closed.length, b.closed.length]).toEqual([1, 1]);
    expect(a.code).toBe("ERR_CLOSED_ABORTED");
  });
});

/** Flips one bit of one byte of one frame; Bob sends frame 0, Alice 0 and 1. */
async function flip(from: "forth" | "back", index: number, at: number, bit: number) {
  const lab = new ChannelLab();
  const tap = (frame: Uint8Array, i: number): Uint8Array[] => {
    if (i !== index) return [frame];
    const altered = frame.slice();
    altered[at] = (altered[at] as number) ^ bit;
    return [altered];
  };
  if (from === "forth") lab.wire.tapForth(tap);
  else lab.wire.tapBack(tap);
  const { a, b } = await lab.open(null, 30);
  // An altered message 3 is noticed by Bob alone at first: Alice is open then, and closes when Bob does.
  if (a.channel.isOpen) a.channel.send(Uint8Array.of(1));
  await lab.run(30);
  return { lab, a, b };
}

describe("an altered handshake", () => {
  const messages = [
    { name: "message 1", from: "forth", index: 0, length: PREAMBLE_BYTES + 32 },
    { name: "message 2", from: "back", index: 0, length: 32 + 48 + 100 + 16 },
    { name: "message 3", from: "forth", index: 1, length: 48 + 100 + 16 },
  ] as const;

  test.each(messages)("is given up by both sides, whichever byte of $name was flipped", async ({ from, index, length }) => {
    const random = new SeededRandom(7);
    for (let at = 0; at < length; at++) {
      // X25519 ignores the top bit of a public key (RFC 7748 §5); as the hash covers it, flipping it is noticed all the same.
      const { lab, a, b } = await flip(from, index, at, 1 << random.below(8));
      const where = `byte ${at}`;
      expect(a.code, where).not.toBe("open");
      expect(b.code, where).not.toBe("open");
      expect([a.records.length, b.records.length], where).toEqual([0, 0]);
      expect(b.peerId, where).toBeNull();
      if (index === 0) expect(lab.wire.forth.length, `${where}: message 3 was sent`).toBe(1);
    }
  });

  test("shows the same to a stranger, whatever was wrong with message 2: the link closes and nothing is said", async () => {
    const codes = new Set<string>();
    for (const at of [0, 31, 40, 79, 90, 195]) {
      const { lab, a } = await flip("back", 0, at, 1);
      codes.add(a.code);
      expect(lab.wire.forth.length).toBe(1);
    }
    expect([...codes]).toEqual(["ERR_HANDSHAKE_FAILED"]);
  });

  test.each([
    ["another version", 2, 2, "ERR_HANDSHAKE_VERSION"],
    ["an unknown suite", 3, 9, "ERR_HANDSHAKE_VERSION"],
    ["the other suite", 3, 1, "ERR_HANDSHAKE_FAILED"],
    ["another magic", 0, 0x4d, "ERR_HANDSHAKE_FAILED"],
  ])("fails when the preamble is changed to %s on the way", async (_name, at, value, code) => {
    const lab = new ChannelLab();
    const crypto = Object.create(nodeProvider, { hasFastAes: { value: true } }) as typeof nodeProvider;
    lab.alice = { ...lab.alice, crypto };
    lab.wire.tapForth((frame, i) => {
      const altered = frame.slice();
      if (i === 0) altered[at] = value;
      return [altered];
    });
    const { a, b } = await lab.open();
    const codes = [a.code, b.code];
    expect(codes).toContain(code);
    expect(codes).not.toContain("open");
    expect(lab.wire.forth.length).toBe(1);
  });

  test.each([
    ["the kinds of link", { kind: "webrtc", acceptingKind: "relay" }],
    ["what the link is bound to", { binding: new Uint8Array(64).fill(1), acceptingBinding: new Uint8Array(64).fill(2) }],
    ["whether it is bound", { binding: new Uint8Array(64).fill(1), acceptingBinding: new Uint8Array(0) }],
  ])("fails when %s differ", async (_name, options) => {
    const { a, b } = await new ChannelLab(options).open();
    expect(a.code).toBe("ERR_HANDSHAKE_FAILED");
    expect(b.code).not.toBe("open");
  });

  test("succeeds when both ends are bound alike", async () => {
    const { a } = await new ChannelLab({ kind: "webrtc", binding: new Uint8Array(64).fill(1) }).open();
    expect(a.channel.isOpen).toBe(true);
  });
});

describe("frames out of turn", () => {
  test.each([
    ["nothing", 0],
    ["a preamble alone", PREAMBLE_BYTES],
    ["message 1 cut short", PREAMBLE_BYTES + 31],
    ["message 1 with data behind it", PREAMBLE_BYTES + 33],
    ["a frame as long as a message may be", PREAMBLE_BYTES + 32 + MAX_PROOF_BYTES],
    ["a frame that is too long", 60_000],
  ])("are refused: %s", async (_name, length) => {
    const lab = new ChannelLab();
    lab.wire.tapForth((frame, i) => {
      if (i > 0) return [frame];
      const other = new Uint8Array(length);
      other.set(frame.subarray(0, length));
      return [other];
    });
    const { a, b } = await lab.open();
    expect(b.code).toBe("ERR_HANDSHAKE_FAILED");
    expect(lab.wire.back.length).toBe(0);
    expect(a.code).not.toBe("open");
  });

  test("are refused between message 1 and message 3", async () => {
    const lab = new ChannelLab({ delayMs: 5 });
    lab.wire.tapForth((frame, i) => (i === 0 ? [frame, new Uint8Array(20)] : [frame]));
    const { b } = await lab.open();
    expect(b.code).toBe("ERR_HANDSHAKE_FAILED");
    expect(b.peerId).toBeNull();
  });

  test("are refused while a signature is being made", async () => {
    const lab = new ChannelLab();
    lab.bob = { ...lab.bob, identity: slowSigner(lab.clock, nodeProvider.signingKeyFrom(new Uint8Array(32).fill(2)), 20) };
    lab.wire.tapForth((frame, i) => (i === 0 ? [frame, frame] : [frame]));
    const { b } = await lab.open();
    expect(b.code).toBe("ERR_HANDSHAKE_FAILED");
    expect(lab.wire.back.length).toBe(0);
  });

  test("are refused by the initiator before it has spoken", async () => {
    const lab = new ChannelLab();
    lab.wire.accepting.send(new Uint8Array(196));
    await lab.run(10);
    const a = new End(lab.wire.dialling, true, lab.alice);
    await lab.run(10);
    expect(a.code).toBe("ERR_HANDSHAKE_FAILED");
    // Message 1 may have left already: it holds nothing of ours but a fresh key.
    expect(lab.wire.forth.length).toBeLessThan(2);
  });
});

describe("an identity that signs asynchronously", () => {
  test("proves itself on both sides", async () => {
    const lab = new ChannelLab();
    const keys = [7, 8].map((fill) => nodeProvider.signingKeyFrom(new Uint8Array(32).fill(fill)));
    lab.alice = { ...lab.alice, identity: slowSigner(lab.clock, keys[0]!, 30) };
    lab.bob = { ...lab.bob, identity: slowSigner(lab.clock, keys[1]!, 50) };
    const { a, b } = await lab.open(null, 200);
    expect([a.peerId, b.peerId]).toEqual([lab.bob.identity.peerId, lab.alice.identity.peerId]);
  });

  test("that fails, ends the handshake", async () => {
    const lab = new ChannelLab();
    const identity = { ...lab.bob.identity, peerId: lab.bob.identity.peerId, publicKey: lab.bob.identity.publicKey };
    lab.bob = { ...lab.bob, identity: { ...identity, sign: () => Promise.reject(new Error("the key is gone")) } };
    const { a, b } = await lab.open();
    expect(b.code).toBe("ERR_HANDSHAKE_FAILED");
    expect(a.code).toBe("ERR_HANDSHAKE_FAILED");
  });

  test("may finish after the link has died, and nothing happens", async () => {
    const lab = new ChannelLab();
    lab.bob = { ...lab.bob, identity: slowSigner(lab.clock, nodeProvider.signingKeyFrom(new Uint8Array(32)), 30) };
    const opened = lab.open(null, 5);
    const { b } = await opened;
    lab.wire.cut();
    await lab.run(100);
    expect(b.closed.length).toBe(1);
    expect(lab.wire.back.length).toBe(0);
  });
});

describe("the deadline of a handshake", () => {
  test("ends it when the other side is silent, on either side", async () => {
    const lab = new ChannelLab();
    const a = new End(lab.wire.dialling, true, lab.alice);
    await lab.run(9_999);
    expect(a.code).toBe("open");
    await lab.run(2);
    expect(a.code).toBe("ERR_HANDSHAKE_TIMEOUT");
    const wire = new MemoryWire(lab.clock);
    const b = new End(wire.accepting, false, lab.bob);
    await lab.run(10_001);
    expect(b.code).toBe("ERR_HANDSHAKE_TIMEOUT");
    expect(wire.ended).toBe(true);
  });

  test("is absolute: a side that dawdles over each step does not get more time", async () => {
    const lab = new ChannelLab({ delayMs: 4_000 });
    const { a, b } = await lab.open(null, 9_000);
    expect([a.channel.isOpen, b.channel.isOpen]).toEqual([true, false]);
    await lab.run(1_001);
    expect(b.code).toBe("ERR_HANDSHAKE_TIMEOUT");
    await lab.run(5_000);
    expect(a.code).not.toBe("open");
  });

  test("is called off when the channel opens or closes", async () => {
    const lab = new ChannelLab();
    const { a, b } = await lab.open();
    expect(lab.clock.pendingTimers).toBe(0);
    await lab.run(60_000);
    expect([a.code, b.code]).toEqual(["open", "open"]);
  });
});

describe("what errors and frames tell", () => {
  test("no secret is in an error, and the identity of the responder travels encrypted", async () => {
    const lab = new ChannelLab();
    const seed = new Uint8Array(32).fill(2);
    const sign = vi.fn((message: Uint8Array) => nodeProvider.signingKeyFrom(seed).sign(message));
    lab.bob = {
      ...lab.bob,
      identity: { ...lab.alice.identity, peerId: "x", publicKey: nodeProvider.signingKeyFrom(seed).publicKey, sign },
    };
    lab.wire.tapForth((frame, i) => (i === 1 ? [frame.subarray(1)] : [frame]));
    const { b } = await lab.open();
    expect(sign).toHaveBeenCalledOnce();
    expect(b.code).toBe("ERR_HANDSHAKE_FAILED");
    const shown = `${b.closed[0]?.stack} ${b.closed[0]?.message} ${JSON.stringify(b.closed[0])}`;
    expect(shown).not.toContain(toHex(seed));
    const sent = [...lab.wire.forth, ...lab.wire.back].map(toHex).join(" ");
    for (const key of [lab.alice.identity.publicKey, lab.bob.identity.publicKey]) expect(sent).not.toContain(toHex(key));
  });
});
