// Probes: the small datagrams that open a path by UDP and show that it carries both ways. PROTOCOL.md, "Punching by UDP".

import { ByteReader, ByteWriter, equalBytes } from "../core/bytes.js";

/** The first byte: not STUN (0–3), and nothing else that RFC 7983 §7 knows on a shared port; nor a packet of UDX (255). */
const PROBE_MAGIC = 0xc5;

/** What a probe says. */
export const PROBE = {
  /** Do you hear me? */
  PING: 1,
  /** I do: the id is that of the ping. */
  PONG: 2,
  /** This path it is; sent by the side that offered. */
  USE: 3,
  /** Agreed: the id is that of the USE. */
  USED: 4,
} as const;

export type ProbeKind = (typeof PROBE)[keyof typeof PROBE];

/** Bytes that name an attempt; each side chooses those by which it wants to be called. */
export const PROBE_TAG_BYTES = 8;
/** Bytes that name a probe. */
export const PROBE_ID_BYTES = 8;
/** Bytes of the key that both sides of an attempt know from inside their session. */
export const PROBE_KEY_BYTES = 32;
const MAC_BYTES = 16;
const HEADER_BYTES = 2 + PROBE_TAG_BYTES + PROBE_ID_BYTES;
/** Every probe has this length, so none makes its answer larger than itself. */
export const PROBE_BYTES = HEADER_BYTES + MAC_BYTES;

/** HMAC-SHA256. */
export type Hmac = (key: Uint8Array, data: Uint8Array) => Uint8Array;

/** What both sides of an attempt know. */
export interface ProbeKeys {
  readonly hmac: Hmac;
  readonly key: Uint8Array;
  /** Whether this side offered: a probe that comes back to its sender is no probe of the other side. */
  readonly offers: boolean;
}

/** A probe that was read. */
export interface Probe {
  readonly kind: ProbeKind;
  readonly id: Uint8Array;
}

/** @param tag - of the receiver */
export function encodeProbe({ hmac, key, offers }: ProbeKeys, kind: ProbeKind, tag: Uint8Array, id: Uint8Array): Uint8Array {
  const writer = new ByteWriter(PROBE_BYTES).u8(PROBE_MAGIC).u8(kind).bytes(tag).bytes(id);
  return writer.bytes(macOf(hmac, key, offers, writer.done())).done();
}

/** A cheap look, before any hash is computed: whether a datagram can be a probe of the attempt that has this tag. */
export function looksLikeProbe(datagram: Uint8Array, tag: Uint8Array): boolean {
  if (datagram.length !== PROBE_BYTES || datagram[0] !== PROBE_MAGIC) return false;
  return equalBytes(datagram.subarray(2, 2 + PROBE_TAG_BYTES), tag);
}

/** @returns the probe; `null` for what the other side of this attempt has not made */
export function decodeProbe({ hmac, key, offers }: ProbeKeys, datagram: Uint8Array): Probe | null {
  if (datagram.length !== PROBE_BYTES) return null;
  const mac = macOf(hmac, key, !offers, datagram.subarray(0, HEADER_BYTES));
  if (!equalBytes(mac, datagram.subarray(HEADER_BYTES))) return null;
  const reader = new ByteReader(datagram);
  reader.u8();
  const kind = reader.u8() as ProbeKind;
  reader.bytes(PROBE_TAG_BYTES);
  if (kind < PROBE.PING || kind > PROBE.USED) return null;
  return { kind, id: reader.bytes(PROBE_ID_BYTES).slice() };
}

function macOf(hmac: Hmac, key: Uint8Array, offers: boolean, header: Uint8Array): Uint8Array {
  const data = new ByteWriter(1 + header.length)
    .u8(offers ? 1 : 0)
    .bytes(header)
    .done();
  return hmac(key, data).subarray(0, MAC_BYTES);
}
