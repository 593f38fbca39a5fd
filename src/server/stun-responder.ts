// Answers STUN Binding requests on UDP (RFC 8489), so that clients learn their public address. Keeps nothing of them.

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv4, isIPv6 } from "node:net";
import { NetworkError } from "../core/errors.js";
import { unmapAddress } from "../core/path/ip-address.js";
import {
  decodeStunMessage,
  encodeErrorCode,
  encodeStunMessage,
  encodeUnknownAttributes,
  encodeXorMappedAddress,
  looksLikeStun,
  STUN_ATTRIBUTE,
  STUN_BINDING,
  STUN_CLASS,
  type StunEndpoint,
  type StunMessage,
  verifyStunFingerprint,
} from "../nat/stun-message.js";
import { toListenError } from "./listen-error.js";
import { SourceLimiter } from "./source-limiter.js";

/** Sources that are remembered for the rate. UDP sources can be forged, so memory has a bound of its own. */
const MAX_SOURCES = 10_000;

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

/**
 * The answer to one datagram, or `null` for none. Responses and indications are never answered: two servers could keep each
 * other busy for ever with one forged packet. The answer to an empty request is 32 bytes for IPv4 and 44 for IPv6.
 * @param datagram - what came
 * @param source - where it came from
 * @see RFC 8489 §6.3.1, §6.3.1.1
 */
export function answerStun(datagram: Uint8Array, source: StunEndpoint): Uint8Array | null {
  if (!looksLikeStun(datagram)) return null;
  let request: StunMessage;
  try {
    request = decodeStunMessage(datagram);
  } catch (error) {
    if (error instanceof NetworkError) return null;
    throw error;
  }
  if (request.messageClass !== STUN_CLASS.REQUEST || request.method !== STUN_BINDING) return null;
  const fingerprint = request.attributes.some(({ type }) => type === STUN_ATTRIBUTE.FINGERPRINT);
  // A wrong fingerprint says that this is another protocol which only looks like STUN (RFC 8489 §6.3).
  if (fingerprint && !verifyStunFingerprint(datagram)) return null;
  const { transactionId, method } = request;
  const unknown = unknownAttributes(request);
  const [messageClass, attributes] =
    unknown.length > 0
      ? [STUN_CLASS.ERROR, [encodeErrorCode(420), encodeUnknownAttributes(unknown)]]
      : [STUN_CLASS.SUCCESS, [encodeXorMappedAddress(source, transactionId)]];
  return encodeStunMessage({ messageClass, method, transactionId, attributes }, { fingerprint });
}

/** Comprehension-required types that we do not know, each once (RFC 8489 §6.3.1). */
function unknownAttributes(request: StunMessage): number[] {
  const unknown = new Set<number>();
  for (const { type } of request.attributes) if (type < 0x8000 && !UNDERSTOOD.has(type)) unknown.add(type);
  return [...unknown];
}

/** What {@link StunResponder.open} takes. */
export interface StunResponderOptions {
  /** UDP port; 0 for any. */
  readonly port: number;
  /** Address to bind; `undefined` for all, IPv4 and IPv6. */
  readonly host: string | undefined;
  /** Answers per second and source. */
  readonly perSecond: number;
}

/** A UDP socket that answers. */
export class StunResponder {
  readonly #socket: Socket;
  readonly #sources: SourceLimiter;
  #sweepAt = 0;

  private constructor(socket: Socket, perSecond: number) {
    this.#socket = socket;
    this.#sources = new SourceLimiter(perSecond, 2 * perSecond, MAX_SOURCES);
    socket.on("message", (datagram, from) => this.#message(datagram, from));
    // ICMP errors of earlier answers come up here; there is nobody to tell.
    socket.on("error", () => {});
  }

  /** @throws NetworkError `ERR_LISTEN_IN_USE`, `ERR_LISTEN_FAILED` */
  static async open(options: StunResponderOptions): Promise<StunResponder> {
    const { host, port } = options;
    if (host !== undefined && !isIPv6(host)) return new StunResponder(await bind("udp4", host, port), options.perSecond);
    try {
      return new StunResponder(await bind("udp6", host, port), options.perSecond);
    } catch (error) {
      // A machine without IPv6: all of its addresses are IPv4.
      const code = (((error as Error).cause ?? {}) as NodeJS.ErrnoException).code;
      if (host !== undefined || (code !== "EAFNOSUPPORT" && code !== "EADDRNOTAVAIL" && code !== "EINVAL")) throw error;
      return new StunResponder(await bind("udp4", undefined, port), options.perSecond);
    }
  }

  get port(): number {
    return this.#socket.address().port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #message(datagram: Buffer, from: RemoteInfo): void {
    const now = performance.now();
    if (now >= this.#sweepAt) {
      this.#sources.sweep(now);
      this.#sweepAt = now + 10_000;
    }
    const source = endpointOf(from);
    if (!source || from.port === 0 || !this.#sources.allow(from.address, now)) return;
    const answer = answerStun(datagram, source);
    if (answer) this.#socket.send(answer, from.port, from.address, () => {});
  }
}

function bind(family: "udp4" | "udp6", host: string | undefined, port: number): Promise<Socket> {
  const socket = createSocket(family);
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      socket.close();
      reject(toListenError(error, `UDP port ${port}`));
    };
    socket.once("error", onError);
    socket.bind(port, host, () => {
      socket.off("error", onError);
      resolve(socket);
    });
  });
}

function endpointOf(from: RemoteInfo): StunEndpoint | null {
  const address = unmapAddress(from.address);
  if (isIPv4(address)) return { address: Uint8Array.from(address.split("."), Number), port: from.port };
  return isIPv6(address) ? { address: ipv6Bytes(address), port: from.port } : null;
}

/** 16 bytes of a numeric IPv6 address as the operating system writes it (RFC 5952). */
export function ipv6Bytes(address: string): Uint8Array {
  const bytes = new Uint8Array(16);
  // The URL parser turns a dotted tail into groups; the zone of a link-local address is no part of it.
  const groups = new URL(`ws://[${address.split("%")[0]}]`).hostname.slice(1, -1);
  const [head = "", tail] = groups.split("::");
  const before = head ? head.split(":") : [];
  const after = tail ? tail.split(":") : [];
  const view = new DataView(bytes.buffer);
  for (const [i, group] of before.entries()) view.setUint16(2 * i, Number.parseInt(group, 16));
  for (const [i, group] of after.entries()) view.setUint16(2 * (8 - after.length + i), Number.parseInt(group, 16));
  return bytes;
}
