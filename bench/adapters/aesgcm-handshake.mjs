// A handshake for the floor, so that its connections cost what authenticated ones cost: X25519, both sides sign what was exchanged by
// Ed25519, HKDF gives a key for each direction. A yardstick, not a protocol: nobody checks whose signature it is.

import { createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, sign, verify } from "node:crypto";

/** An SPKI header of 12 bytes and a key of 32, for both curves. */
const SPKI_BYTES = 44;
const SIGNATURE_BYTES = 64;
const KEY_BYTES = 32;

const own = generateKeyPairSync("ed25519");
const ownKey = own.publicKey.export({ type: "spki", format: "der" });

/** @param {Buffer} spki */
const publicKey = (spki) => createPublicKey({ key: spki, type: "spki", format: "der" });

/**
 * Reads so many bytes, and leaves the rest to whoever reads next.
 * @param {import("node:net").Socket} socket
 * @param {number} length
 * @returns {Promise<Buffer>}
 */
function read(socket, length) {
  return new Promise((resolve, reject) => {
    const attempt = () => {
      const bytes = socket.read(length);
      if (bytes === null) return;
      socket.off("readable", attempt);
      socket.off("close", lost);
      resolve(bytes);
    };
    const lost = () => reject(new Error("the other side has gone"));
    socket.on("readable", attempt);
    socket.once("close", lost);
    attempt();
  });
}

/** @param {Buffer} transcript @param {Buffer} proof */
function check(transcript, proof) {
  const key = publicKey(proof.subarray(0, SPKI_BYTES));
  if (!verify(null, transcript, key, proof.subarray(SPKI_BYTES))) throw new Error("the signature does not fit");
}

/** @param {import("node:crypto").KeyObject} privateKey @param {Buffer} theirs @param {Buffer} transcript */
function keys(privateKey, theirs, transcript) {
  const secret = diffieHellman({ privateKey, publicKey: publicKey(theirs) });
  const both = Buffer.from(hkdfSync("sha256", secret, transcript, "bench", 2 * KEY_BYTES));
  return [both.subarray(0, KEY_BYTES), both.subarray(KEY_BYTES)];
}

/** @param {import("node:net").Socket} socket */
export async function agreeAsClient(socket) {
  const ephemeral = generateKeyPairSync("x25519");
  const hello = ephemeral.publicKey.export({ type: "spki", format: "der" });
  socket.write(hello);
  const answer = await read(socket, SPKI_BYTES + SPKI_BYTES + SIGNATURE_BYTES);
  const theirs = answer.subarray(0, SPKI_BYTES);
  const transcript = Buffer.concat([hello, theirs]);
  check(transcript, answer.subarray(SPKI_BYTES));
  socket.write(Buffer.concat([ownKey, sign(null, transcript, own.privateKey)]));
  const [tx, rx] = /** @type {[Buffer, Buffer]} */ (keys(ephemeral.privateKey, theirs, transcript));
  return { tx, rx };
}

/** @param {import("node:net").Socket} socket */
export async function agreeAsServer(socket) {
  const theirs = await read(socket, SPKI_BYTES);
  const ephemeral = generateKeyPairSync("x25519");
  const hello = ephemeral.publicKey.export({ type: "spki", format: "der" });
  const transcript = Buffer.concat([theirs, hello]);
  socket.write(Buffer.concat([hello, ownKey, sign(null, transcript, own.privateKey)]));
  check(transcript, await read(socket, SPKI_BYTES + SIGNATURE_BYTES));
  const [rx, tx] = /** @type {[Buffer, Buffer]} */ (keys(ephemeral.privateKey, theirs, transcript));
  return { tx, rx };
}
