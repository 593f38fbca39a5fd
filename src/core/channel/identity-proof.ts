// The payload of handshake messages 2 and 3: who we are, signed for this handshake alone. PROTOCOL.md, "Identity proof".

import { ByteReader, ByteWriter, concatBytes, encodeUtf8 } from "../bytes.js";
import { NetworkError } from "../errors.js";
import type { CryptoProvider } from "../runtime.js";

/** Most bytes of a handshake payload; it is checked before any key is computed with. */
export const MAX_PROOF_BYTES = 1024;

const CONTEXT = encodeUtf8("linknet static key proof 1\0");
const FIXED_BYTES = 32 + 64 + 4;

/** Bit of the capabilities: this side sends and takes datagrams on the link of this handshake. */
export const CAPABILITY_DATAGRAMS = 1;

export type Role = "initiator" | "responder";

/** What an identity key signs: this static key, in this role, in answer to this ephemeral key of the other side. */
export function proofMessage(role: Role, ownStatic: Uint8Array, remoteEphemeral: Uint8Array): Uint8Array {
  // The remote ephemeral makes the proof useless in any other handshake, so a static key that leaks later opens nothing.
  return concatBytes(CONTEXT, Uint8Array.of(role === "initiator" ? 0 : 1), ownStatic, remoteEphemeral);
}

/** @param capabilities - bit set of 32 bits, such as {@link CAPABILITY_DATAGRAMS} */
export function encodeProof(identityKey: Uint8Array, signature: Uint8Array, capabilities = 0): Uint8Array {
  return new ByteWriter(FIXED_BYTES).bytes(identityKey).bytes(signature).u32(capabilities).done();
}

/**
 * Reads and verifies the other side's proof.
 * @param role - the role of the side that sent it
 * @param remoteStatic - the Noise static key that this side used
 * @param ownEphemeral - our ephemeral key of this handshake
 * @returns the proven Ed25519 key, 32 bytes
 * @throws NetworkError `ERR_HANDSHAKE_FAILED` when anything about it is wrong; the reason is deliberately not told apart
 */
export function verifyProof(
  payload: Uint8Array,
  role: Role,
  remoteStatic: Uint8Array,
  ownEphemeral: Uint8Array,
  crypto: CryptoProvider,
): Uint8Array {
  if (payload.length < FIXED_BYTES || payload.length > MAX_PROOF_BYTES)
    throw new NetworkError("ERR_HANDSHAKE_FAILED", "no valid proof");
  const reader = new ByteReader(payload);
  const identityKey = reader.bytes(32).slice();
  const signature = reader.bytes(64);
  // The capabilities and whatever a later version appends are not signed: the handshake hash covers them.
  if (!crypto.verify(identityKey, proofMessage(role, remoteStatic, ownEphemeral), signature)) {
    throw new NetworkError("ERR_HANDSHAKE_FAILED", "no valid proof");
  }
  return identityKey;
}

/** The capabilities of a proof that was verified; bits that nobody has defined yet are among them. */
export function readCapabilities(proof: Uint8Array): number {
  return new ByteReader(proof, FIXED_BYTES - 4).u32();
}
