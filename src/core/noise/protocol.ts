// What a protocol name says (Noise §8), and the one pattern that the SDK speaks. The others are in patterns.ts, which no build holds.

import { NetworkError } from "../errors.js";
import type { CipherName, HashName } from "../runtime.js";

/** One step of a handshake message (Noise §7.1, and §9.2 for `psk`). */
export type Token = "e" | "s" | "ee" | "es" | "se" | "ss" | "psk";

/** Who says what, in which order. The initiator sends the first message, and then they take turns. */
export interface HandshakePattern {
  /** The responder knows the initiator's static key beforehand. */
  readonly initiatorKnown: boolean;
  /** The initiator knows the responder's static key beforehand. */
  readonly responderKnown: boolean;
  /** The responder may not send after the handshake (Noise §7.4). */
  readonly oneWay: boolean;
  readonly messages: readonly (readonly Token[])[];
}

/** What a protocol name says. */
export interface NoiseProtocol {
  readonly name: string;
  readonly pattern: HandshakePattern;
  readonly cipher: CipherName;
  readonly hash: HashName;
}

const XX: HandshakePattern = {
  initiatorKnown: false,
  responderKnown: false,
  oneWay: false,
  messages: [["e"], ["e", "ee", "s", "es"], ["s", "se"]],
};

/**
 * Reads the name of a protocol with the pattern XX, such as `Noise_XX_25519_ChaChaPoly_SHA256`.
 * @throws NetworkError `ERR_OPTION_INVALID` when it is another one
 */
export function xxProtocol(name: string): NoiseProtocol {
  const parts = /^Noise_XX_25519_(ChaChaPoly|AESGCM)_(SHA256|BLAKE2s)$/.exec(name);
  if (!parts) throw unknownProtocol(name);
  return { name, pattern: XX, cipher: parts[1] as CipherName, hash: parts[2] as HashName };
}

export function unknownProtocol(name: string): NetworkError {
  return new NetworkError("ERR_OPTION_INVALID", `"${name}" is not a Noise protocol that is known here`);
}
