// Messages of PCP (RFC 6887) and of NAT-PMP (RFC 6886), its predecessor on the same port: pure bytes.

import { ByteWriter } from "../../core/bytes.js";
import { parseIPv4 } from "../../core/path/ip-address.js";
import { GatewayError, type PortGrant, type PortRequest } from "./gateway-client.js";

/** Numbers of the protocols that are mapped (IANA). */
const IP_PROTOCOL = { tcp: 6, udp: 17 } as const;

const PCP_VERSION = 2;
const PCP_MAP = 1;
/** RFC 6887 §7.2 and §11.1: a header of 24 bytes and the MAP payload of 36. */
const PCP_MAP_BYTES = 60;
/** RFC 6887 §11.1. */
export const PCP_NONCE_BYTES = 12;
/** Largest packet that either protocol knows (RFC 6887 §7). */
export const MAX_PMP_BYTES = 1_100;

const NATPMP_ADDRESS = 0;
const NATPMP_MAP = { udp: 1, tcp: 2 } as const;
/** Of the operation, in an answer. */
const RESPONSE_BIT = 0x80;

/** RFC 6887 §7.4. */
const PCP_RESULTS: Record<number, string> = {
  1: "version not supported",
  2: "not authorised",
  4: "operation not supported",
  7: "network failure",
  8: "no resources left",
  9: "protocol not supported",
  10: "quota exceeded",
  11: "no outside address or port",
  12: "another address than the one we ask from",
};

/** RFC 6886 §3.5. */
const NATPMP_RESULTS: Record<number, string> = {
  1: "version not supported",
  2: "not authorised",
  3: "network failure",
  4: "no resources left",
  5: "operation not supported",
};

/**
 * A PCP MAP request (RFC 6887 §11.1).
 * @param localAddress - our own IPv4 address, as the gateway sees it: it refuses another
 * @param nonce - 12 bytes, the same for each renewal
 * @param lifetimeSeconds - 0 to delete
 */
export function encodePcpMap(request: PortRequest, localAddress: string, nonce: Uint8Array, lifetimeSeconds: number): Uint8Array {
  const deletes = lifetimeSeconds === 0;
  return new ByteWriter(PCP_MAP_BYTES)
    .u8(PCP_VERSION)
    .u8(PCP_MAP)
    .u16(0)
    .u32(lifetimeSeconds)
    .bytes(mappedBytes(localAddress))
    .bytes(nonce)
    .u8(IP_PROTOCOL[request.protocol])
    .bytes(new Uint8Array(3))
    .u16(request.internalPort)
    .u16(deletes ? 0 : request.externalPort)
    .bytes(mappedBytes("0.0.0.0"))
    .done();
}

/**
 * Reads an answer to {@link encodePcpMap}.
 * @returns `null` when it is none, so that waiting goes on
 * @throws GatewayError when the gateway refused, or speaks NAT-PMP alone
 */
export function decodePcpMap(bytes: Uint8Array, request: PortRequest, nonce: Uint8Array): PortGrant | null {
  const view = viewOf(bytes);
  // RFC 6886 §3.5: a gateway of the elder protocol says so in its own words, with version 0 and the result 1.
  if (bytes.length >= 4 && view.getUint8(0) !== PCP_VERSION && view.getUint16(2) === 1) throw refused(PCP_RESULTS, 1);
  if (bytes.length < 24 || bytes.length > MAX_PMP_BYTES || view.getUint8(0) !== PCP_VERSION) return null;
  if (view.getUint8(1) !== (RESPONSE_BIT | PCP_MAP)) return null;
  const result = view.getUint8(3);
  // An error repeats the request where it can; one that is not about ours is somebody else's.
  if (bytes.length >= PCP_MAP_BYTES && !isAnswerTo(bytes, view, request, nonce)) return null;
  if (result !== 0) throw refused(PCP_RESULTS, result);
  if (bytes.length < PCP_MAP_BYTES) return null;
  // The last 16 bytes: an IPv4 address in IPv6 clothes (RFC 6887 §5).
  if (view.getUint32(44) !== 0 || view.getUint32(48) !== 0 || view.getUint32(52) !== 0xffff) {
    throw new GatewayError("the gateway names no usable outside address");
  }
  const externalAddress = [...bytes.subarray(56, 60)].join(".");
  return { externalAddress, externalPort: view.getUint16(42), lifetimeSeconds: view.getUint32(4) };
}

function isAnswerTo(bytes: Uint8Array, view: DataView, request: PortRequest, nonce: Uint8Array): boolean {
  const isOurs = nonce.every((byte, i) => bytes[24 + i] === byte);
  return isOurs && view.getUint8(36) === IP_PROTOCOL[request.protocol] && view.getUint16(40) === request.internalPort;
}

/** NAT-PMP's question for the outside address (RFC 6886 §3.2). */
export function encodeNatPmpAddress(): Uint8Array {
  return new Uint8Array([0, NATPMP_ADDRESS]);
}

/** @returns the address; `null` when this is no answer @throws GatewayError */
export function decodeNatPmpAddress(bytes: Uint8Array): string | null {
  const view = natPmpAnswer(bytes, NATPMP_ADDRESS, 12);
  return view && [...bytes.subarray(8, 12)].join(".");
}

/** A NAT-PMP request (RFC 6886 §3.3). @param lifetimeSeconds - 0 to delete */
export function encodeNatPmpMap(request: PortRequest, lifetimeSeconds: number): Uint8Array {
  return new ByteWriter(12)
    .u8(0)
    .u8(NATPMP_MAP[request.protocol])
    .u16(0)
    .u16(request.internalPort)
    .u16(lifetimeSeconds === 0 ? 0 : request.externalPort)
    .u32(lifetimeSeconds)
    .done();
}

/** @returns `null` when this is no answer to it @throws GatewayError */
export function decodeNatPmpMap(bytes: Uint8Array, request: PortRequest): Omit<PortGrant, "externalAddress"> | null {
  const view = natPmpAnswer(bytes, NATPMP_MAP[request.protocol], 16);
  if (!view || view.getUint16(8) !== request.internalPort) return null;
  return { externalPort: view.getUint16(10), lifetimeSeconds: view.getUint32(12) };
}

function natPmpAnswer(bytes: Uint8Array, operation: number, length: number): DataView | null {
  const view = viewOf(bytes);
  if (bytes.length < 8 || view.getUint8(0) !== 0 || view.getUint8(1) !== (RESPONSE_BIT | operation)) return null;
  const result = view.getUint16(2);
  if (result !== 0) throw refused(NATPMP_RESULTS, result);
  return bytes.length < length ? null : view;
}

function refused(names: Record<number, string>, result: number): GatewayError {
  return new GatewayError(names[result] ?? `result ${result}`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** An IPv4 address in IPv6 clothes (RFC 4291 §2.5.5.2). */
function mappedBytes(address: string): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...(parseIPv4(address) ?? [0, 0, 0, 0]));
}
