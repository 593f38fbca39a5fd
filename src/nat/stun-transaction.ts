// One Binding transaction as bytes: the request, and what an answer to it says. The same on UDP and TCP.

import { equalBytes } from "../core/bytes.js";
import { NetworkError } from "../core/errors.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import { isDialable } from "../core/path/dialable.js";
import { isLoopback } from "../core/path/ip-address.js";
import type { Endpoint } from "./datagram-port.js";
import { fromStunEndpoint } from "./endpoint.js";
import {
  decodeErrorCode,
  decodeStunAddress,
  decodeStunMessage,
  decodeXorMappedAddress,
  encodeChangeRequest,
  encodeStunMessage,
  findStunAttribute,
  looksLikeStun,
  STUN_ATTRIBUTE,
  STUN_BINDING,
  STUN_CLASS,
  type StunChange,
  type StunMessage,
  verifyStunFingerprint,
} from "./stun-message.js";

/** What we understand in answers to requests without credentials; any other comprehension-required type ends the transaction. */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  STUN_ATTRIBUTE.MAPPED_ADDRESS,
  STUN_ATTRIBUTE.XOR_MAPPED_ADDRESS,
  STUN_ATTRIBUTE.ERROR_CODE,
  STUN_ATTRIBUTE.UNKNOWN_ATTRIBUTES,
  STUN_ATTRIBUTE.REALM,
  STUN_ATTRIBUTE.NONCE,
]);

/** What an answer to a Binding request says. */
export type BindingAnswer =
  | {
      readonly kind: "success";
      /** Our own endpoint, as the server saw it. */
      readonly mapped: Endpoint;
      /** Where else the server answers (RFC 5780 §7.4); `null` when it named none that we would ask. */
      readonly otherAddress: Endpoint | null;
      /** From where the server says that it answered (RFC 5780 §7.3). */
      readonly responseOrigin: Endpoint | null;
    }
  | { readonly kind: "failed"; readonly error: NetworkError };

/** A Binding request with FINGERPRINT: 28 bytes, 36 with a change. @param change - where the answer shall come from, if elsewhere */
export function encodeBindingRequest(transactionId: Uint8Array, change?: StunChange): Uint8Array {
  const attributes = change ? [encodeChangeRequest(change)] : [];
  return encodeStunMessage(
    { messageClass: STUN_CLASS.REQUEST, method: STUN_BINDING, transactionId, attributes },
    { fingerprint: true },
  );
}

/**
 * Reads a message as the answer to our request.
 * @param server - whom we asked; who sent it, the caller has checked
 * @returns `null` for what is to be ignored: no STUN, another transaction, malformed, or an endpoint that cannot be ours
 * @see RFC 8489 §6.3.3, §6.3.4
 */
export function readBindingAnswer(datagram: Uint8Array, transactionId: Uint8Array, server: Endpoint): BindingAnswer | null {
  if (!looksLikeStun(datagram) || !equalBytes(datagram.subarray(8, 20), transactionId)) return null;
  try {
    const message = decodeStunMessage(datagram);
    if (message.method !== STUN_BINDING || message.messageClass < STUN_CLASS.SUCCESS) return null;
    if (findStunAttribute(message, STUN_ATTRIBUTE.FINGERPRINT) && !verifyStunFingerprint(datagram)) return null;
    return message.messageClass === STUN_CLASS.ERROR ? readFailure(message) : readSuccess(message, server);
  } catch (error) {
    if (error instanceof NetworkError) return null;
    throw error;
  }
}

function readSuccess(message: StunMessage, server: Endpoint): BindingAnswer | null {
  const unknown = unknownAttribute(message);
  if (unknown !== undefined) return refused(`its answer has an attribute that must be understood, 0x${unknown.toString(16)}`);
  const [first, second] = message.attributes.filter(({ type }) => type === STUN_ATTRIBUTE.XOR_MAPPED_ADDRESS);
  // No server sends two; whoever does leaves open which one is meant.
  if (!first || second) return null;
  const mapped = fromStunEndpoint(decodeXorMappedAddress(first.value, message.transactionId));
  if (!isOurs(mapped, server)) return null;
  const otherAddress = readAddress(message, STUN_ATTRIBUTE.OTHER_ADDRESS);
  return {
    kind: "success",
    mapped,
    otherAddress: otherAddress && mayAsk(otherAddress, server) ? otherAddress : null,
    responseOrigin: readAddress(message, STUN_ATTRIBUTE.RESPONSE_ORIGIN),
  };
}

/** ALTERNATE-SERVER (300) is not followed: without credentials nothing says who sent it (RFC 8489 §10). */
function readFailure(message: StunMessage): BindingAnswer {
  const unknown = unknownAttribute(message);
  const code = findStunAttribute(message, STUN_ATTRIBUTE.ERROR_CODE);
  // Both are no reason to go on asking (RFC 8489 §6.3.4).
  if (unknown !== undefined || !code) return refused("an error without a code that we understand");
  return refused(`error ${decodeErrorCode(code.value)}`);
}

function refused(why: string): BindingAnswer {
  return { kind: "failed", error: new NetworkError("ERR_STUN_REFUSED", why) };
}

function unknownAttribute(message: StunMessage): number | undefined {
  return message.attributes.find(({ type }) => type < 0x8000 && !UNDERSTOOD.has(type))?.type;
}

function readAddress(message: StunMessage, type: number): Endpoint | null {
  const attribute = findStunAttribute(message, type);
  return attribute ? fromStunEndpoint(decodeStunAddress(attribute.value)) : null;
}

/** Whether a mapped endpoint can be ours: one that a machine can have, of the family in which we asked. */
function isOurs(mapped: Endpoint, server: Endpoint): boolean {
  if (mapped.port === 0 || mapped.host.includes(":") !== server.host.includes(":")) return false;
  // Any port will do: it is the NAT that chose it, and nobody dials it here.
  return isDialable(`udp://${formatEndpoint(mapped.host, 1024)}`, { allowLoopback: isLoopback(server.host) });
}

/** Whether we follow a server to another endpoint. It shall not make us knock at a third party's well-known ports, or at home. */
function mayAsk(other: Endpoint, server: Endpoint): boolean {
  if (other.host.includes(":") !== server.host.includes(":") || isPrivate(other.host) !== isPrivate(server.host)) return false;
  return isDialable(`udp://${formatEndpoint(other.host, other.port)}`, { allowLoopback: isLoopback(server.host) });
}

/** Networks behind a NAT or a carrier's one, and our own machine (RFC 1918, RFC 6598, RFC 4193). */
function isPrivate(host: string): boolean {
  return (
    isLoopback(host) ||
    /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(host) ||
    /^f[cd][0-9a-f]{2}:/.test(host)
  );
}
