// Peers that follow Noise to the letter and lie about who they are.

import { describe, expect, test } from "vitest";
import { concatBytes } from "../../../src/core/bytes.js";
import { encodeProof, proofMessage, type Role } from "../../../src/core/channel/identity-proof.js";
import { encodePreamble, PREAMBLE_BYTES, prologue, protocolName } from "../../../src/core/channel/preamble.js";
import { HandshakeState } from "../../../src/core/noise/handshake-state.js";
import type { DhKeyPair } from "../../../src/core/runtime.js";
import { nodeProvider as crypto } from "../../crypto/providers.js";
import { settled } from "../../sim/flush.js";
import { MemoryWire } from "../../sim/memory-link.js";
import { ChannelLab, End } from "./support.js";

const signer = crypto.signingKeyFrom(new Uint8Array(32).fill(9));
const victim = crypto.signingKeyFrom(new Uint8Array(32).fill(10));

interface Facts {
  readonly role: Role;
  readonly ownStatic: Uint8Array;
  readonly remoteEphemeral: Uint8Array;
}
type Forge = (facts: Facts) => Uint8Array;

const sign = (message: Uint8Array, key = signer): Uint8Array => key.sign(message) as Uint8Array;
const honest = ({ role, ownStatic, remoteEphemeral }: Facts): Uint8Array => sign(proofMessage(role, ownStatic, remoteEphemeral));

const FORGERIES: readonly (readonly [string, Forge])[] = [
  ["empty", () => new Uint8Array(0)],
  [
    "signed for another static key",
    (f) => encodeProof(signer.publicKey, sign(proofMessage(f.role, new Uint8Array(32).fill(4), f.remoteEphemeral))),
  ],
  [
    "signed for another handshake",
    (f) => encodeProof(signer.publicKey, sign(proofMessage(f.role, f.ownStatic, new Uint8Array(32).fill(4)))),
  ],
  [
    "signed for the other role",
    (f) =>
      encodeProof(
        signer.publicKey,
        sign(proofMessage(f.role === "initiator" ? "responder" : "initiator", f.ownStatic, f.remoteEphemeral)),
      ),
  ],
  ["signed by another key", (f) => encodeProof(victim.publicKey, honest(f))],
  ["with a signature of zeros", () => encodeProof(signer.publicKey, new Uint8Array(64))],
  ["with a signature of 63 bytes", (f) => concatBytes(signer.publicKey, honest(f).subarray(0, 63), new Uint8Array(4))],
  ["with a signature of 65 bytes", (f) => concatBytes(signer.publicKey, Uint8Array.of(0), honest(f), new Uint8Array(4))],
  ["without its last byte", (f) => encodeProof(signer.publicKey, honest(f)).subarray(0, 99)],
  ["of more than 1 KiB", (f) => concatBytes(encodeProof(signer.publicKey, honest(f)), new Uint8Array(925))],
  [
    // The identity point: with S = 0 it verifies anything under a lenient check (RFC 8032 §5.1.7 refuses it by its own equation).
    "with a key of small order",
    () => encodeProof(Uint8Array.of(1, ...new Uint8Array(31)), concatBytes(Uint8Array.of(1), new Uint8Array(63))),
  ],
];

function newHandshake(wire: MemoryWire, initiator: boolean, s: DhKeyPair, preamble: Uint8Array): HandshakeState {
  const link = initiator ? wire.dialling : wire.accepting;
  const cipher = preamble[3] === 2 ? "AESGCM" : "ChaChaPoly";
  return new HandshakeState({ protocolName: protocolName(cipher), initiator, prologue: prologue(preamble, link), crypto, s });
}

/** Dials Bob with a proof of its own making. */
async function evilInitiator(lab: ChannelLab, forge: Forge): Promise<{ end: End; sent: Uint8Array[] }> {
  const end = new End(lab.wire.accepting, false, lab.bob);
  const s = crypto.generateDhKeyPair();
  const preamble = encodePreamble("ChaChaPoly");
  const noise = newHandshake(lab.wire, true, s, preamble);
  const sent: Uint8Array[] = [];
  const send = (frame: Uint8Array): void => {
    sent.push(frame);
    lab.wire.dialling.send(frame);
  };
  lab.wire.dialling.attach({
    frame: (frame) => {
      noise.readMessage(frame);
      const remoteEphemeral = noise.remoteEphemeral as Uint8Array;
      send(noise.writeMessage(forge({ role: "initiator", ownStatic: s.publicKey, remoteEphemeral })));
    },
    drain: () => {},
    closed: () => {},
  });
  send(concatBytes(preamble, noise.writeMessage(new Uint8Array(0))));
  await lab.run(50);
  return { end, sent };
}

/** Answers Alice with a proof of its own making. */
async function evilResponder(lab: ChannelLab, forge: Forge): Promise<End> {
  const s = crypto.generateDhKeyPair();
  let answered = false;
  lab.wire.accepting.attach({
    frame: (frame) => {
      if (answered) return;
      answered = true;
      const noise = newHandshake(lab.wire, false, s, frame.slice(0, PREAMBLE_BYTES));
      noise.readMessage(frame.subarray(PREAMBLE_BYTES));
      const remoteEphemeral = noise.remoteEphemeral as Uint8Array;
      lab.wire.accepting.send(noise.writeMessage(forge({ role: "responder", ownStatic: s.publicKey, remoteEphemeral })));
    },
    drain: () => {},
    closed: () => {},
  });
  const end = new End(lab.wire.dialling, true, lab.alice);
  await lab.run(50);
  return end;
}

describe("a proof of identity", () => {
  test("that is honest is taken, as the forgers below could otherwise be refused for any reason", async () => {
    const proof: Forge = (facts) => encodeProof(signer.publicKey, honest(facts));
    expect((await evilInitiator(new ChannelLab(), proof)).end.channel.isOpen).toBe(true);
    expect((await evilResponder(new ChannelLab(), proof)).channel.isOpen).toBe(true);
  });

  test("may be followed by what a later version adds", async () => {
    const proof: Forge = (facts) => concatBytes(encodeProof(signer.publicKey, honest(facts), 0xff), new Uint8Array(900));
    expect((await evilInitiator(new ChannelLab(), proof)).end.channel.isOpen).toBe(true);
  });

  test.each(FORGERIES)("of an initiator is refused when it is %s", async (_name, forge) => {
    const { end } = await evilInitiator(new ChannelLab(), forge);
    expect(end.code).toBe("ERR_HANDSHAKE_FAILED");
    expect(end.peerId).toBeNull();
  });

  test.each(FORGERIES)("of a responder is refused when it is %s, and message 3 is not sent", async (_name, forge) => {
    const lab = new ChannelLab();
    const end = await evilResponder(lab, forge);
    expect(end.code).toBe("ERR_HANDSHAKE_FAILED");
    expect(lab.wire.forth.length).toBe(1);
  });
});

describe("replayed messages", () => {
  test("open nothing: message 1 alone, and message 1 and 3", async () => {
    const lab = new ChannelLab();
    const { sent, end } = await evilInitiator(lab, (facts) => encodeProof(signer.publicKey, honest(facts)));
    expect(end.channel.isOpen).toBe(true);
    for (const frames of [sent.slice(0, 1), sent]) {
      const wire = new MemoryWire(lab.clock);
      const again = new End(wire.accepting, false, lab.bob);
      for (const frame of frames) wire.dialling.send(frame);
      await lab.run(20_000);
      expect(again.peerId).toBeNull();
      expect(again.code).toBe(frames.length === 1 ? "ERR_HANDSHAKE_TIMEOUT" : "ERR_HANDSHAKE_FAILED");
    }
    await settled();
  });

  test("of a responder open nothing either", async () => {
    const lab = new ChannelLab();
    await lab.open();
    const recorded = lab.wire.back[0] as Uint8Array;
    const wire = new MemoryWire(lab.clock);
    const a = new End(wire.dialling, true, lab.alice, lab.bob.identity.peerId);
    wire.accepting.send(recorded);
    await lab.run(20);
    expect(a.code).toBe("ERR_HANDSHAKE_FAILED");
    expect(wire.forth.length).toBe(1);
  });
});
