import { describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHex } from "../../../src/core/bytes.js";
import { HandshakeState } from "../../../src/core/noise/handshake-state.js";
import { PATTERN_NAMES, parseProtocolName } from "../../../src/core/noise/patterns.js";
import { xxProtocol } from "../../../src/core/noise/protocol.js";
import { nobleProvider, nodeProvider, PROVIDERS, thrownCode } from "../../crypto/providers.js";
import { newPair, newParty, type Party, PROLOGUE, payloadOf, runHandshake, XX } from "./handshake.js";

const LOW_ORDER_KEYS = [
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`,
];

function fixedParty(first: number): Party {
  const { dhKeyPairFrom } = nodeProvider;
  return {
    crypto: nodeProvider,
    s: dhKeyPairFrom(new Uint8Array(32).fill(first)),
    e: dhKeyPairFrom(new Uint8Array(32).fill(first + 1)),
  };
}

/** The same handshake each time, as both ephemerals are fixed, so that its messages can be altered one byte at a time. */
const repeatable = (): [HandshakeState, HandshakeState] => newPair(XX, fixedParty(11), fixedParty(33));
const recorded = runHandshake(...repeatable());

function altered(message: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(message);
  copy[at] = (copy[at] as number) ^ (1 << (at % 8));
  return copy;
}

describe("a handshake", () => {
  test.each(PROVIDERS.flatMap((one) => PROVIDERS.map((two) => ({ one, two }))))(
    "of $one.name with $two.name agrees on hash, statics and keys",
    ({ one, two }) => {
      for (const suite of ["ChaChaPoly_SHA256", "ChaChaPoly_BLAKE2s", "AESGCM_SHA256", "AESGCM_BLAKE2s"]) {
        const [alice, bob] = [newParty(one.crypto), newParty(two.crypto)];
        const [initiator, responder] = newPair(`Noise_XX_25519_${suite}`, alice, bob);
        runHandshake(initiator, responder);
        expect(toHex(initiator.handshakeHash()), suite).toBe(toHex(responder.handshakeHash()));
        expect(initiator.remoteStatic, suite).toEqual(bob.s.publicKey);
        expect(responder.remoteStatic, suite).toEqual(alice.s.publicKey);
        expect(initiator.remoteEphemeral, suite).toEqual(responder.localEphemeral);
        expect(responder.remoteEphemeral, suite).toEqual(initiator.localEphemeral);
        const [a, b] = [initiator.split(), responder.split()];
        for (let i = 0; i < 3; i++) {
          expect(b.receive.open(a.send.seal(payloadOf(i))), suite).toEqual(payloadOf(i));
          expect(a.receive.open(b.send.seal(payloadOf(i))), suite).toEqual(payloadOf(i));
        }
        expect(
          thrownCode(() => a.receive.open(a.send.seal(payloadOf(0)))),
          `${suite} reflected`,
        ).toBe("ERR_CRYPTO_TAG");
      }
    },
  );

  test.each(PATTERN_NAMES)("goes through in the pattern %s, without and with pre-shared keys", (pattern) => {
    const [alice, bob] = [newParty(nodeProvider), newParty(nodeProvider)];
    const psk = new Uint8Array(32).fill(7);
    const count = runHandshake(...newPair(`Noise_${pattern}_25519_ChaChaPoly_SHA256`, alice, bob)).length;
    expect(count).toBe(pattern.length === 1 ? 1 : pattern.startsWith("X") ? 3 : 2);
    for (let place = 0; place <= count; place++) {
      const name = `Noise_${pattern}psk${place}_25519_ChaChaPoly_SHA256`;
      const [initiator, responder] = newPair(name, alice, bob, [psk]);
      runHandshake(initiator, responder);
      expect(toHex(initiator.handshakeHash()), name).toBe(toHex(responder.handshakeHash()));
      const [a, b] = [initiator.split(), responder.split()];
      expect(b.receive.open(a.send.seal(psk)), name).toEqual(psk);
      // In a one-way pattern nobody may answer.
      if (pattern.length === 1)
        expect(
          thrownCode(() => b.send.seal(psk)),
          name,
        ).toBe("ERR_CRYPTO_NONCE");
      else expect(a.receive.open(b.send.seal(psk)), name).toEqual(psk);
    }
    const [initiator] = newPair(`Noise_${pattern}psk0_25519_ChaChaPoly_SHA256`, alice, bob, [psk]);
    const [, responder] = newPair(`Noise_${pattern}psk0_25519_ChaChaPoly_SHA256`, alice, bob, [new Uint8Array(32)]);
    expect(
      thrownCode(() => responder.readMessage(initiator.writeMessage(psk))),
      "another psk",
    ).toBe("ERR_CRYPTO_TAG");
  });

  test("tells whose turn it is and what is known so far", () => {
    const [initiator, responder] = newPair(XX, newParty(nodeProvider), newParty(nobleProvider));
    expect([initiator.isMyTurn, responder.isMyTurn, initiator.finished]).toEqual([true, false, false]);
    expect([initiator.localEphemeral, responder.remoteEphemeral, responder.remoteStatic]).toEqual([null, null, null]);
    const first = initiator.writeMessage(new Uint8Array(0));
    expect(first.length).toBe(32);
    expect(initiator.localEphemeral).toEqual(first);
    responder.readMessage(first);
    expect(responder.remoteEphemeral).toEqual(first);
    expect([initiator.isMyTurn, responder.isMyTurn]).toEqual([false, true]);
    initiator.readMessage(responder.writeMessage(new Uint8Array(0)));
    expect([initiator.isMyTurn, initiator.finished]).toEqual([true, false]);
    responder.readMessage(initiator.writeMessage(new Uint8Array(0)));
    expect([initiator.isMyTurn, responder.isMyTurn]).toEqual([false, false]);
    expect([initiator.finished, responder.finished]).toEqual([true, true]);
  });

  test("gives out nothing that shares memory with the message", () => {
    const [initiator, responder] = repeatable();
    const message = Buffer.from(initiator.writeMessage(payloadOf(0)));
    const payload = responder.readMessage(message);
    message.fill(0);
    expect(payload).toEqual(payloadOf(0));
    expect(responder.remoteEphemeral).toEqual(initiator.localEphemeral);
  });
});

describe("a handshake under attack", () => {
  test("refuses each altered byte of message 1 at message 2 at the latest", () => {
    const first = recorded[0] as Uint8Array;
    for (let at = 0; at < first.length; at++) {
      const [initiator, responder] = repeatable();
      const code = thrownCode(() => {
        responder.readMessage(altered(initiator.writeMessage(payloadOf(0)), at));
        initiator.readMessage(responder.writeMessage(payloadOf(1)));
      });
      expect(code, `byte ${at}`).toBe("ERR_CRYPTO_TAG");
      expect(initiator.isMyTurn, "message 3 is never written").toBe(false);
    }
  });

  test.each([2, 3])("refuses each altered byte of message %i at once", (number) => {
    const index = number - 1;
    for (let at = 0; at < (recorded[index] as Uint8Array).length; at++) {
      const [initiator, responder] = repeatable();
      const messages: Uint8Array[] = [];
      for (let i = 0; i < index; i++) {
        const [sender, receiver] = i % 2 === 0 ? [initiator, responder] : [responder, initiator];
        messages.push(sender.writeMessage(payloadOf(i)));
        receiver.readMessage(messages[i] as Uint8Array);
      }
      const [sender, receiver] = index % 2 === 0 ? [initiator, responder] : [responder, initiator];
      const message = sender.writeMessage(payloadOf(index));
      expect(message).toEqual(recorded[index]);
      expect(
        thrownCode(() => receiver.readMessage(altered(message, at))),
        `byte ${at}`,
      ).toBe("ERR_CRYPTO_TAG");
      expect(
        thrownCode(() => receiver.readMessage(message)),
        `byte ${at}, then the good one`,
      ).toBe("ERR_HANDSHAKE_FAILED");
    }
  });

  test("refuses each length that is too short, before any key is computed", () => {
    for (const index of [0, 1]) {
      const least = (recorded[index] as Uint8Array).length - payloadOf(index).length;
      for (let length = 0; length < least; length++) {
        const [initiator, responder] = repeatable();
        if (index === 1) initiator.writeMessage(payloadOf(0));
        const receiver = index === 0 ? responder : initiator;
        const cut = (recorded[index] as Uint8Array).subarray(0, length);
        expect(
          thrownCode(() => receiver.readMessage(cut)),
          `${length} bytes`,
        ).toBe("ERR_FRAME_MALFORMED");
        expect(receiver.remoteEphemeral).toBe(null);
      }
    }
  });

  test("takes messages of 65535 bytes and refuses one byte more, on both sides", () => {
    const overhead = [32, 32 + 48 + 16, 48 + 16];
    const [initiator, responder] = repeatable();
    for (const [index, bytes] of overhead.entries()) {
      const [sender, receiver] = index % 2 === 0 ? [initiator, responder] : [responder, initiator];
      const message = sender.writeMessage(new Uint8Array(65_535 - bytes));
      expect(message.length).toBe(65_535);
      expect(receiver.readMessage(message).length).toBe(65_535 - bytes);
    }
    const [writer, reader] = repeatable();
    expect(thrownCode(() => writer.writeMessage(new Uint8Array(65_535 - 31)))).toBe("ERR_FRAME_TOO_LARGE");
    expect(writer.localEphemeral).toBe(null);
    expect(thrownCode(() => reader.readMessage(new Uint8Array(65_536)))).toBe("ERR_FRAME_TOO_LARGE");
    expect(reader.remoteEphemeral).toBe(null);
  });

  test.each(PROVIDERS)("refuses ephemerals of low order with $name", ({ crypto }) => {
    for (const key of LOW_ORDER_KEYS) {
      const [, responder] = newPair(XX, newParty(crypto), newParty(crypto));
      responder.readMessage(fromHex(key));
      expect(
        thrownCode(() => responder.writeMessage(new Uint8Array(0))),
        `as message 1: ${key}`,
      ).toBe("ERR_CRYPTO_KEY");
      const [initiator] = newPair(XX, newParty(crypto), newParty(crypto));
      initiator.writeMessage(new Uint8Array(0));
      const second = concatBytes(fromHex(key), new Uint8Array(64));
      expect(
        thrownCode(() => initiator.readMessage(second)),
        `in message 2: ${key}`,
      ).toBe("ERR_CRYPTO_KEY");
    }
  });

  test.each(PROVIDERS)("refuses statics of low order with $name, though the liar knows the secret: zeros", ({ crypto }) => {
    for (const key of LOW_ORDER_KEYS) {
      const s = { ...crypto.generateDhKeyPair(), publicKey: fromHex(key) };
      const dh: typeof crypto.dh = (pair, publicKey) => (pair === s ? new Uint8Array(32) : crypto.dh(pair, publicKey));
      const liar = { s, crypto: { ...crypto, dh } };
      const [initiator, victim] = newPair(XX, liar, newParty(crypto));
      victim.readMessage(initiator.writeMessage(payloadOf(0)));
      initiator.readMessage(victim.writeMessage(payloadOf(1)));
      const third = initiator.writeMessage(payloadOf(2));
      expect(
        thrownCode(() => victim.readMessage(third)),
        `in message 3: ${key}`,
      ).toBe("ERR_CRYPTO_KEY");
      const [dialler, responder] = newPair(XX, newParty(crypto), liar);
      responder.readMessage(dialler.writeMessage(payloadOf(0)));
      const second = responder.writeMessage(payloadOf(1));
      expect(
        thrownCode(() => dialler.readMessage(second)),
        `in message 2: ${key}`,
      ).toBe("ERR_CRYPTO_KEY");
    }
  });

  test("refuses a replay of messages 1 and 3", () => {
    const responder = newPair(XX, fixedParty(11), newParty(nodeProvider))[1];
    responder.readMessage(recorded[0] as Uint8Array);
    responder.writeMessage(payloadOf(1));
    expect(thrownCode(() => responder.readMessage(recorded[2] as Uint8Array))).toBe("ERR_CRYPTO_TAG");
  });

  test("fails when the prologues differ", () => {
    const [initiator] = repeatable();
    const shared = { protocolName: XX, initiator: false, crypto: nodeProvider, s: nodeProvider.generateDhKeyPair() };
    const responder = new HandshakeState({ ...shared, prologue: Uint8Array.of(1, 2, 4) });
    responder.readMessage(initiator.writeMessage(payloadOf(0)));
    expect(thrownCode(() => initiator.readMessage(responder.writeMessage(payloadOf(1))))).toBe("ERR_CRYPTO_TAG");
  });
});

describe("a handshake that failed or is over", () => {
  test("stays dead whatever is called next", () => {
    const [initiator, responder] = repeatable();
    responder.readMessage(initiator.writeMessage(payloadOf(0)));
    const second = responder.writeMessage(payloadOf(1));
    expect(thrownCode(() => initiator.readMessage(altered(second, 40)))).toBe("ERR_CRYPTO_TAG");
    expect([initiator.isMyTurn, initiator.finished]).toEqual([false, false]);
    for (const call of [
      () => initiator.readMessage(second),
      () => initiator.writeMessage(payloadOf(2)),
      () => initiator.handshakeHash(),
      () => initiator.split(),
    ]) {
      expect(thrownCode(call)).toBe("ERR_HANDSHAKE_FAILED");
    }
  });

  test("refuses messages out of turn", () => {
    expect(thrownCode(() => repeatable()[0].readMessage(recorded[0] as Uint8Array))).toBe("ERR_HANDSHAKE_FAILED");
    expect(thrownCode(() => repeatable()[1].writeMessage(payloadOf(0)))).toBe("ERR_HANDSHAKE_FAILED");
    for (const call of ["readMessage", "writeMessage"] as const) {
      const [initiator, responder] = repeatable();
      runHandshake(initiator, responder);
      expect(
        thrownCode(() => initiator[call](new Uint8Array(64))),
        call,
      ).toBe("ERR_HANDSHAKE_FAILED");
      expect(
        thrownCode(() => responder[call](new Uint8Array(64))),
        call,
      ).toBe("ERR_HANDSHAKE_FAILED");
    }
  });

  test("gives keys only when finished, and only once", () => {
    const [early] = repeatable();
    expect(thrownCode(() => early.split())).toBe("ERR_HANDSHAKE_FAILED");
    expect(thrownCode(() => repeatable()[0].handshakeHash())).toBe("ERR_HANDSHAKE_FAILED");
    const [initiator, responder] = repeatable();
    runHandshake(initiator, responder);
    const hash = initiator.handshakeHash();
    initiator.split();
    expect(initiator.handshakeHash()).toEqual(hash);
    expect(thrownCode(() => initiator.split())).toBe("ERR_HANDSHAKE_FAILED");
  });
});

describe("the options of a handshake", () => {
  const crypto = nodeProvider;
  const s = crypto.generateDhKeyPair();
  const base = { protocolName: XX, initiator: true, prologue: PROLOGUE, crypto, s };

  test.each([
    "Noise_XX_25519_ChaChaPoly_SHA512",
    "Noise_XX_448_ChaChaPoly_SHA256",
    "Noise_ZZ_25519_ChaChaPoly_SHA256",
    "Noise_XXpsk4_25519_ChaChaPoly_SHA256",
    "Noise_XXpsk3+psk0_25519_ChaChaPoly_SHA256",
    "Noise_XXpsk0+psk0_25519_ChaChaPoly_SHA256",
    "Noise_XXfallback_25519_ChaChaPoly_SHA256",
    "noise_XX_25519_ChaChaPoly_SHA256",
    "",
  ])("refuse the protocol name %j", (protocolName) => {
    for (const options of [{}, { readName: parseProtocolName }])
      expect(thrownCode(() => new HandshakeState({ ...base, ...options, protocolName }))).toBe("ERR_OPTION_INVALID");
  });

  test("refuse another pattern than XX, unless told how to read its name", () => {
    const protocolName = "Noise_NN_25519_ChaChaPoly_SHA256";
    const make = (options: object) => thrownCode(() => new HandshakeState({ ...base, protocolName, ...options }));
    expect(make({})).toBe("ERR_OPTION_INVALID");
    expect(make({ readName: parseProtocolName })).toBe(null);
  });

  test("say the same of XX whoever reads the name", () => {
    for (const cipher of ["ChaChaPoly", "AESGCM"])
      for (const hash of ["SHA256", "BLAKE2s"]) {
        const name = `Noise_XX_25519_${cipher}_${hash}`;
        expect(xxProtocol(name)).toEqual(parseProtocolName(name));
      }
  });

  test("refuse keys that are missing, too many or of another length", () => {
    const NK = "Noise_NK_25519_ChaChaPoly_SHA256";
    const rs = s.publicKey;
    const psk = new Uint8Array(32);
    const XXpsk0 = "Noise_XXpsk0_25519_ChaChaPoly_SHA256";
    const make = (options: object) => thrownCode(() => new HandshakeState({ ...base, readName: parseProtocolName, ...options }));
    expect(make({ s: undefined })).toBe("ERR_OPTION_INVALID");
    expect(make({ rs })).toBe("ERR_OPTION_INVALID");
    expect(make({ psks: [psk] })).toBe("ERR_OPTION_INVALID");
    expect(make({ protocolName: NK })).toBe("ERR_OPTION_INVALID");
    expect(make({ protocolName: NK, rs: rs.subarray(1) })).toBe("ERR_CRYPTO_KEY");
    expect(make({ protocolName: NK, initiator: false, s: undefined })).toBe("ERR_OPTION_INVALID");
    expect(make({ protocolName: XXpsk0 })).toBe("ERR_OPTION_INVALID");
    expect(make({ protocolName: XXpsk0, psks: [psk.subarray(1)] })).toBe("ERR_CRYPTO_KEY");
    expect(make({ protocolName: XXpsk0, psks: [psk] })).toBe(null);
  });
});
