// The first bytes on a link: which protocol this is, which version and which cipher suite. PROTOCOL.md, "Preamble".

import { ByteReader, ByteWriter, concatBytes, encodeUtf8 } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { Link } from "../path/link.js";
import type { CipherName } from "../runtime.js";

/** Version of everything that follows the preamble. */
export const PROTOCOL_VERSION = 1;

/** "LN": a Node port tells a raw link from an HTTP request by it. */
export const PREAMBLE_MAGIC: readonly [number, number] = [0x4c, 0x4e];

/** Bytes of the preamble. */
export const PREAMBLE_BYTES = 4;

const SUITES: readonly { readonly number: number; readonly cipher: CipherName }[] = [
  { number: 1, cipher: "ChaChaPoly" },
  { number: 2, cipher: "AESGCM" },
];

export function encodePreamble(cipher: CipherName): Uint8Array {
  const suite = SUITES.find((one) => one.cipher === cipher);
  if (!suite) throw new NetworkError("ERR_OPTION_INVALID", `no suite for ${cipher}`);
  return new ByteWriter(PREAMBLE_BYTES).u8(PREAMBLE_MAGIC[0]).u8(PREAMBLE_MAGIC[1]).u8(PROTOCOL_VERSION).u8(suite.number).done();
}

/**
 * @returns the cipher that the initiator chose
 * @throws NetworkError `ERR_FRAME_MALFORMED` when it is no preamble, `ERR_HANDSHAKE_VERSION` for another version or suite
 */
export function decodePreamble(bytes: Uint8Array): CipherName {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== PREAMBLE_MAGIC[0] || reader.u8() !== PREAMBLE_MAGIC[1]) {
    throw new NetworkError("ERR_FRAME_MALFORMED", "no LinkNet preamble");
  }
  const version = reader.u8();
  if (version !== PROTOCOL_VERSION)
    throw new NetworkError("ERR_HANDSHAKE_VERSION", `theirs ${version}, ours ${PROTOCOL_VERSION}`);
  const number = reader.u8();
  const suite = SUITES.find((one) => one.number === number);
  if (!suite) throw new NetworkError("ERR_HANDSHAKE_VERSION", `unknown suite ${number}`);
  return suite.cipher;
}

export function protocolName(cipher: CipherName): string {
  return `Noise_XX_25519_${cipher}_SHA256`;
}

const PROLOGUE_CONTEXT = encodeUtf8("linknet prologue 1\0");

/**
 * What both sides must have seen alike for the handshake to succeed (Noise §6): the preamble, so that neither version nor suite
 * is changed on the way; the kind of link; and what the link itself is bound to, such as the DTLS fingerprints.
 */
export function prologue(preamble: Uint8Array, link: Pick<Link, "kind" | "binding">): Uint8Array {
  const kind = encodeUtf8(link.kind);
  const head = new ByteWriter(PREAMBLE_BYTES + 1 + kind.length + 2)
    .bytes(preamble)
    .u8(kind.length)
    .bytes(kind)
    .u16(link.binding.length);
  return concatBytes(PROLOGUE_CONTEXT, head.done(), link.binding);
}
