// Every published Noise vector, with both providers and in both roles.

import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/core/bytes.js";
import { CipherState } from "../../src/core/noise/cipher-state.js";
import { HandshakeState } from "../../src/core/noise/handshake-state.js";
import { NonceBuffer } from "../../src/core/noise/nonce.js";
import { parseProtocolName } from "../../src/core/noise/patterns.js";
import type { CryptoProvider } from "../../src/core/runtime.js";
import { PROVIDERS } from "../crypto/providers.js";
import { readVectors, vectorsFolder } from "./vectors-folder.js";

interface NoiseVector {
  readonly protocol_name?: string;
  /** What noise-c calls the protocol name. */
  readonly name?: string;
  readonly _from?: string;
  readonly init_prologue: string;
  readonly init_static?: string;
  readonly init_ephemeral?: string;
  readonly init_remote_static?: string;
  readonly init_psks?: readonly string[];
  readonly resp_prologue: string;
  readonly resp_static?: string;
  readonly resp_ephemeral?: string;
  readonly resp_remote_static?: string;
  readonly resp_psks?: readonly string[];
  readonly handshake_hash?: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

const FILES = [
  ["cacophony", 28],
  ["snow", 30],
  ["noise-c-basic", 12],
  ["flynn", 208],
  ["aesgcm-sha256", 72],
] as const;

function side(vector: NoiseVector, role: "init" | "resp", crypto: CryptoProvider): HandshakeState {
  const keyPair = (hex: string | undefined) => (hex ? crypto.dhKeyPairFrom(fromHex(hex)) : undefined);
  const protocolName = vector.protocol_name ?? vector.name ?? "";
  const given = vector[`${role}_remote_static`];
  // flynn leaves out the key that XK and IK have beforehand, as it is that of the other side.
  const known = role === "init" && /^Noise_[XI]K/.test(protocolName) ? keyPair(vector.resp_static)?.publicKey : undefined;
  return new HandshakeState({
    protocolName,
    readName: parseProtocolName,
    initiator: role === "init",
    prologue: fromHex(vector[`${role}_prologue`]),
    crypto,
    s: keyPair(vector[`${role}_static`]),
    e: keyPair(vector[`${role}_ephemeral`]),
    rs: given ? fromHex(given) : known,
    psks: vector[`${role}_psks`]?.map(fromHex),
  });
}

/** Runs one vector; each side only ever sees the bytes that the vector gives, so each role is checked by itself. */
function run(vector: NoiseVector, crypto: CryptoProvider, label: string, restarts: boolean): void {
  const initiator = side(vector, "init", crypto);
  const responder = side(vector, "resp", crypto);
  let turn = 0;
  while (!initiator.finished) {
    const message = vector.messages[turn];
    const [sender, receiver] = initiator.isMyTurn ? [initiator, responder] : [responder, initiator];
    if (!message) throw new Error(`${label} is too short`);
    expect(toHex(sender.writeMessage(fromHex(message.payload))), `${label} message ${turn} written`).toBe(message.ciphertext);
    expect(toHex(receiver.readMessage(fromHex(message.ciphertext))), `${label} message ${turn} read`).toBe(message.payload);
    turn++;
  }
  expect(responder.finished, `${label} finished`).toBe(true);
  expect(toHex(initiator.handshakeHash()), `${label} hash on both sides`).toBe(toHex(responder.handshakeHash()));
  if (vector.handshake_hash) expect(toHex(initiator.handshakeHash()), `${label} hash`).toBe(vector.handshake_hash);
  const one = initiator.split();
  const two = responder.split();
  expect(vector.messages.length, `${label} has transport messages`).toBeGreaterThan(turn);
  // flynn begins again with the initiator after the handshake; the others go on by turns.
  let fromInitiator = restarts || turn % 2 === 0;
  for (const [index, message] of vector.messages.slice(turn).entries()) {
    const [seal, open] = fromInitiator ? [one.send, two.receive] : [two.send, one.receive];
    expect(toHex(seal.seal(fromHex(message.payload))), `${label} transport ${index} sealed`).toBe(message.ciphertext);
    expect(toHex(open.open(fromHex(message.ciphertext))), `${label} transport ${index} opened`).toBe(message.payload);
    fromInitiator = !fromInitiator;
  }
}

describe.skipIf(vectorsFolder() === null).each(PROVIDERS)("Noise with $name", ({ name, crypto }) => {
  test.each(FILES)("agrees with every vector of %s", { timeout: 60_000 }, (file, count) => {
    const { vectors } = readVectors<{ vectors: NoiseVector[] }>(`noise/${file}.json`);
    expect(vectors.length).toBe(count);
    for (const [index, vector] of vectors.entries()) {
      const restarts = file === "flynn" || (vector._from?.startsWith("flynn/") ?? false);
      run(vector, crypto, `${name} ${file}[${index}] ${vector.protocol_name ?? vector.name}`, restarts);
    }
  });

  test("lays nonces out right up to 2^64-2", () => {
    const { key, transport } = readVectors<{
      key: string;
      transport: { n: string; nonce: string; plaintext: string; ciphertext: string }[];
    }>("noise/derived-nonce-rekey.json");
    expect(transport.length).toBe(14);
    const aead = crypto.aead("ChaChaPoly", fromHex(key));
    for (const { n, nonce, plaintext, ciphertext } of transport) {
      const counters = BigInt(n) <= BigInt(Number.MAX_SAFE_INTEGER) ? [BigInt(n), Number(n)] : [BigInt(n)];
      for (const counter of counters) {
        const label = `n = ${n} as ${typeof counter}`;
        expect(toHex(new NonceBuffer("ChaChaPoly").set(counter)), label).toBe(nonce);
        const bigEndian = n === "0" ? "0" : BigInt(n).toString(16);
        expect(toHex(new NonceBuffer("AESGCM").set(counter)), label).toBe(bigEndian.padStart(24, "0"));
        expect(toHex(aead.seal(counter, new Uint8Array(0), fromHex(plaintext))), label).toBe(ciphertext);
        expect(toHex(aead.open(counter, new Uint8Array(0), fromHex(ciphertext))), label).toBe(plaintext);
      }
    }
  });

  test("rekeys along the published chain", () => {
    const { rekey } = readVectors<{ rekey: { k: string; rekeyed: string }[] }>("noise/derived-nonce-rekey.json");
    expect(rekey.length).toBe(4);
    const state = new CipherState(crypto, "ChaChaPoly", fromHex(rekey[0]?.k ?? ""));
    for (const [index, { rekeyed }] of rekey.entries()) {
      state.rekey();
      const expected = crypto.aead("ChaChaPoly", fromHex(rekeyed)).seal(index, new Uint8Array(0), Uint8Array.of(1, 2, 3));
      expect(toHex(state.seal(Uint8Array.of(1, 2, 3))), `rekey ${index}, the counter goes on`).toBe(toHex(expected));
    }
  });
});
