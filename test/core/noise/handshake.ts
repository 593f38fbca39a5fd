// What the tests of this folder share: a pair of handshakes, and how to run them to their end.

import { equalBytes } from "../../../src/core/bytes.js";
import { HandshakeState } from "../../../src/core/noise/handshake-state.js";
import { parseProtocolName } from "../../../src/core/noise/patterns.js";
import type { CryptoProvider, DhKeyPair } from "../../../src/core/runtime.js";

export const XX = "Noise_XX_25519_ChaChaPoly_SHA256";

export const PROLOGUE = Uint8Array.of(1, 2, 3);

/** The payloads of messages 1, 2, 3 … in tests: each of another length. */
export function payloadOf(index: number): Uint8Array {
  return new Uint8Array(3 + index).fill(0x70 + index);
}

export interface Party {
  readonly crypto: CryptoProvider;
  readonly s: DhKeyPair;
  /** A fixed ephemeral key pair, where a test has to repeat a handshake. */
  readonly e?: DhKeyPair;
}

export function newParty(crypto: CryptoProvider): Party {
  return { crypto, s: crypto.generateDhKeyPair() };
}

/** Both ends of a handshake with the static keys that `protocolName` asks for. */
export function newPair(
  protocolName: string,
  initiator: Party,
  responder: Party,
  psks: readonly Uint8Array[] = [],
): [HandshakeState, HandshakeState] {
  const base = protocolName.split("_")[1]?.replace(/psk.*/, "") ?? "";
  // One-way patterns name the initiator alone; their responder is always known.
  const initiatorLetter = base.length === 1 ? base : base[0];
  const responderLetter = base.length === 1 ? "K" : base[1];
  const shared = { protocolName, readName: parseProtocolName, prologue: PROLOGUE, psks };
  return [
    new HandshakeState({
      ...shared,
      initiator: true,
      crypto: initiator.crypto,
      s: initiatorLetter === "N" ? undefined : initiator.s,
      e: initiator.e,
      rs: responderLetter === "K" ? responder.s.publicKey : undefined,
    }),
    new HandshakeState({
      ...shared,
      initiator: false,
      crypto: responder.crypto,
      s: responderLetter === "N" ? undefined : responder.s,
      e: responder.e,
      rs: initiatorLetter === "K" ? initiator.s.publicKey : undefined,
    }),
  ];
}

/** Exchanges all messages; returns them. Throws when a payload does not arrive as it was sent. */
export function runHandshake(initiator: HandshakeState, responder: HandshakeState): Uint8Array[] {
  const messages: Uint8Array[] = [];
  while (!initiator.finished) {
    const [sender, receiver] = initiator.isMyTurn ? [initiator, responder] : [responder, initiator];
    const payload = payloadOf(messages.length);
    const message = sender.writeMessage(payload);
    if (!equalBytes(receiver.readMessage(message), payload)) throw new Error("the payload changed");
    messages.push(message);
  }
  return messages;
}
