// Handshake patterns (Noise §7.4, §7.5) as data, and how a protocol name (Noise §8) picks one with its psk modifiers (§9.4).

import type { CipherName, HashName } from "../runtime.js";
import { type HandshakePattern, type NoiseProtocol, type Token, unknownProtocol } from "./protocol.js";

// Left of the dots are the static keys that are known beforehand: "-> s" the initiator's, "<- s" the responder's.
const PATTERNS = {
  N: "<- s ... e es",
  K: "-> s <- s ... e es ss",
  X: "<- s ... e es s ss",
  NN: "... e, e ee",
  NK: "<- s ... e es, e ee",
  NX: "... e, e ee s es",
  XN: "... e, e ee, s se",
  XK: "<- s ... e es, e ee, s se",
  XX: "... e, e ee s es, s se",
  KN: "-> s ... e, e ee se",
  KK: "-> s <- s ... e es ss, e ee se",
  KX: "-> s ... e, e ee se s es",
  IN: "... e s, e ee se",
  IK: "<- s ... e es s ss, e ee se",
  IX: "... e s, e ee se s es",
} as const;

/** The names of all patterns that can be spoken, without modifiers. */
export const PATTERN_NAMES: readonly string[] = Object.keys(PATTERNS);

/**
 * Takes a protocol name apart, such as `Noise_XX_25519_ChaChaPoly_SHA256` or `Noise_XXpsk0+psk3_25519_AESGCM_BLAKE2s`.
 * @throws NetworkError `ERR_OPTION_INVALID` when the form, the pattern, a modifier or an algorithm is not known
 */
export function parseProtocolName(name: string): NoiseProtocol {
  const parts = /^Noise_([A-Z]{1,2})((?:psk\d)(?:\+psk\d)*)?_25519_(ChaChaPoly|AESGCM)_(SHA256|BLAKE2s)$/.exec(name);
  if (!parts) throw unknownProtocol(name);
  const [, base, modifiers, cipher, hash] = parts as unknown as [string, string, string | undefined, CipherName, HashName];
  if (!Object.hasOwn(PATTERNS, base)) throw unknownProtocol(name);
  const pattern = parsePattern(base, PATTERNS[base as keyof typeof PATTERNS]);
  const places = modifiers ? modifiers.split("+").map((modifier) => Number(modifier.slice(3))) : [];
  return { name, pattern: withPsks(pattern, places, name), cipher, hash };
}

function parsePattern(base: string, notation: string): HandshakePattern {
  const [known = "", messages = ""] = notation.split("...");
  return {
    initiatorKnown: known.includes("-> s"),
    responderKnown: known.includes("<- s"),
    oneWay: base.length === 1,
    messages: messages.split(",").map((message) => message.trim().split(" ") as Token[]),
  };
}

/** psk0 goes to the front of the first message, psk1 to the end of the first, psk2 to the end of the second and so on. */
function withPsks(pattern: HandshakePattern, places: readonly number[], name: string): HandshakePattern {
  const messages = pattern.messages.map((message) => [...message]);
  let last = -1;
  for (const place of places) {
    const message = messages[Math.max(0, place - 1)];
    // Noise §8.1 wants modifiers in order, so that one protocol has one name.
    if (!message || place <= last) throw unknownProtocol(name);
    if (place === 0) message.unshift("psk");
    else message.push("psk");
    last = place;
  }
  return { ...pattern, messages };
}
