// What a login at a relay signs. The signature is worth something only for this challenge, at this relay, for this PeerId.

import { ByteWriter, encodeUtf8 } from "../bytes.js";

// The version is part of the context, and NUL ends it: no other protocol's signature begins with these bytes.
const LOGIN_CONTEXT = encodeUtf8("linknet relay login 1\0");

/**
 * The bytes that the client signs and the relay verifies: context, challenge, authority with its length, PeerId.
 *
 * Without the authority, a relay that we dial could hand us the challenge of another one and log in there as us.
 * @param nonce - the challenge, 32 bytes
 * @param authority - `host:port` that the client dialled, at most 255 bytes; see `relayAuthority`
 * @param peerId - the client's public key, 32 bytes
 */
export function loginMessage(nonce: Uint8Array, authority: string, peerId: Uint8Array): Uint8Array {
  const text = encodeUtf8(authority);
  const writer = new ByteWriter(LOGIN_CONTEXT.length + nonce.length + 1 + text.length + peerId.length);
  return writer.bytes(LOGIN_CONTEXT).bytes(nonce).u8(text.length).bytes(text).bytes(peerId).done();
}
