// What the relay answers to a STUN request (RFC 8489, RFC 5780). A rule: bytes in, bytes out, and nothing is kept.

import { NetworkError } from "../core/errors.js";
import {
  decodeChangeRequest,
  decodeStunMessage,
  encodeErrorCode,
  encodeStunAddress,
  encodeStunMessage,
  encodeUnknownAttributes,
  encodeXorMappedAddress,
  findStunAttribute,
  looksLikeStun,
  STUN_ATTRIBUTE,
  STUN_BINDING,
  STUN_CLASS,
  type StunAttribute,
  type StunChange,
  type StunEndpoint,
  type StunMessage,
  verifyStunFingerprint,
} from "../nat/stun-message.js";

// Requests may carry credentials, which this server does not ask for: they are understood and not looked at.
const UNDERSTOOD: ReadonlySet<number> = new Set([
  STUN_ATTRIBUTE.USERNAME,
  STUN_ATTRIBUTE.MESSAGE_INTEGRITY,
  STUN_ATTRIBUTE.MESSAGE_INTEGRITY_SHA256,
  STUN_ATTRIBUTE.REALM,
  STUN_ATTRIBUTE.NONCE,
  STUN_ATTRIBUTE.USERHASH,
  STUN_ATTRIBUTE.PASSWORD_ALGORITHM,
]);

const NO_CHANGE: StunChange = { address: false, port: false };

/** What a server with a second address knows, seen from the endpoint that was asked. */
export interface StunAlternate {
  /** Its other address with its other port. */
  readonly other: StunEndpoint;
  /** The endpoint that answers with a change. */
  origin(change: StunChange): StunEndpoint;
}

/** An answer, and from where it must go out. */
export interface StunReply {
  readonly bytes: Uint8Array;
  /** Without a second address: always from where the request came in. */
  readonly change: StunChange;
}

/**
 * The answer to one message, or `null` for none. Responses and indications are never answered: two servers could keep each
 * other busy for ever with one forged packet.
 *
 * The answer to an empty request of 20 bytes has 32 for IPv4 and 44 for IPv6; with a second address 56 and 92, as RFC 5780 wants
 * two addresses more. It asks for MAPPED-ADDRESS as well, which we leave out: it says nothing new, and would make the answer larger.
 * @param request - what came
 * @param source - where it came from
 * @param alternate - missing where there is no second address; CHANGE-REQUEST then gets error 420 (RFC 5780 §6.1)
 * @see RFC 8489 §6.3.1, §6.3.1.1, RFC 5780 §6.1
 */
export function answerStun(request: Uint8Array, source: StunEndpoint, alternate?: StunAlternate): StunReply | null {
  if (!looksLikeStun(request)) return null;
  try {
    const message = decodeStunMessage(request);
    if (message.messageClass !== STUN_CLASS.REQUEST || message.method !== STUN_BINDING) return null;
    const fingerprint = findStunAttribute(message, STUN_ATTRIBUTE.FINGERPRINT) !== undefined;
    // A wrong fingerprint says that this is another protocol which only looks like STUN (RFC 8489 §6.3).
    if (fingerprint && !verifyStunFingerprint(request)) return null;
    return answerRequest(message, fingerprint, source, alternate);
  } catch (error) {
    if (error instanceof NetworkError) return null;
    throw error;
  }
}

function answerRequest(
  { transactionId, method, attributes: asked }: StunMessage,
  fingerprint: boolean,
  source: StunEndpoint,
  alternate: StunAlternate | undefined,
): StunReply {
  const reply = (messageClass: number, attributes: readonly StunAttribute[], change: StunChange): StunReply => {
    return { bytes: encodeStunMessage({ messageClass, method, transactionId, attributes }, { fingerprint }), change };
  };
  const unknown = unknownAttributes(asked, alternate !== undefined);
  if (unknown.length > 0) {
    return reply(STUN_CLASS.ERROR, [encodeErrorCode(420), encodeUnknownAttributes(unknown)], NO_CHANGE);
  }
  const mapped = encodeXorMappedAddress(source, transactionId);
  if (!alternate) return reply(STUN_CLASS.SUCCESS, [mapped], NO_CHANGE);
  const changeRequest = asked.find(({ type }) => type === STUN_ATTRIBUTE.CHANGE_REQUEST);
  const change = changeRequest ? decodeChangeRequest(changeRequest.value) : NO_CHANGE;
  const origin = encodeStunAddress(STUN_ATTRIBUTE.RESPONSE_ORIGIN, alternate.origin(change));
  const other = encodeStunAddress(STUN_ATTRIBUTE.OTHER_ADDRESS, alternate.other);
  return reply(STUN_CLASS.SUCCESS, [mapped, origin, other], change);
}

/** Comprehension-required types that we do not know, each once (RFC 8489 §6.3.1). */
function unknownAttributes(attributes: readonly StunAttribute[], knowsChange: boolean): number[] {
  const unknown = new Set<number>();
  for (const { type } of attributes) {
    const isKnown = type >= 0x8000 || UNDERSTOOD.has(type) || (knowsChange && type === STUN_ATTRIBUTE.CHANGE_REQUEST);
    if (!isKnown) unknown.add(type);
  }
  return [...unknown];
}
