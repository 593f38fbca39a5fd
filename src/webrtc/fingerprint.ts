// The DTLS certificate fingerprints of a connection, as bytes that the handshake binds.

import { ByteWriter, encodeUtf8, equalBytes } from "../core/bytes.js";
import { NetworkError } from "../core/errors.js";

/** Hash functions that a fingerprint may use, and their length in bytes. Older ones (RFC 8122 §5 names them) are not strong enough. */
const HASH_BYTES: Readonly<Record<string, number>> = { "sha-256": 32, "sha-384": 48, "sha-512": 64 };

/** A certificate's fingerprint (RFC 8122 §5). */
export interface DtlsFingerprint {
  /** In lower case, such as `sha-256`. */
  readonly algorithm: string;
  readonly bytes: Uint8Array;
}

/**
 * Reads `a=fingerprint` from a session description. It may stand there several times, but must say the same each time: with two
 * certificates to choose from, the two sides could bind different ones.
 * @throws NetworkError `ERR_WEBRTC_FAILED` when there is none, more than one, or a weak or malformed one
 */
export function dtlsFingerprint(sdp: string): DtlsFingerprint {
  let found: DtlsFingerprint | null = null;
  for (const [, algorithm = "", hex = ""] of sdp.matchAll(/^a=fingerprint:(\S+)[ \t]+(\S+)[ \t]*\r?$/gim)) {
    const next = decodeFingerprint(algorithm.toLowerCase(), hex);
    if (found && (found.algorithm !== next.algorithm || !equalBytes(found.bytes, next.bytes)))
      throw failed("two different DTLS fingerprints");
    found = next;
  }
  if (!found) throw failed("no DTLS fingerprint");
  return found;
}

/**
 * Both fingerprints, the offerer's first: for each one byte of length and the algorithm, one byte of length and the hash.
 * @throws NetworkError `ERR_WEBRTC_FAILED` as {@link dtlsFingerprint} does
 */
export function dtlsBinding(offerSdp: string, answerSdp: string): Uint8Array {
  const both = [dtlsFingerprint(offerSdp), dtlsFingerprint(answerSdp)];
  const writer = new ByteWriter(2 * (2 + 16 + 64));
  for (const { algorithm, bytes } of both) {
    const name = encodeUtf8(algorithm);
    writer.u8(name.length).bytes(name).u8(bytes.length).bytes(bytes);
  }
  return writer.done();
}

function decodeFingerprint(algorithm: string, hex: string): DtlsFingerprint {
  const length = Object.hasOwn(HASH_BYTES, algorithm) ? HASH_BYTES[algorithm] : undefined;
  if (length === undefined) throw failed("a DTLS fingerprint of an unknown or weak hash");
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2})*$/i.test(hex) || hex.length !== 3 * length - 1) throw failed("a malformed DTLS fingerprint");
  return { algorithm, bytes: Uint8Array.from(hex.split(":"), (pair) => Number.parseInt(pair, 16)) };
}

function failed(detail: string): NetworkError {
  return new NetworkError("ERR_WEBRTC_FAILED", detail);
}
