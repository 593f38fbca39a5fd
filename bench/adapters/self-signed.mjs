// A certificate for `node:tls`, made anew in each run: ECDSA on P-256, signed by itself. X.509 v3 in DER, RFC 5280 §4.1.

import { generateKeyPairSync, sign } from "node:crypto";

/** The name in it, which the dialler asks for. */
export const SERVER_NAME = "bench.invalid";

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const CONTEXT_0 = 0xa0;
const CONTEXT_3 = 0xa3;
/** dNSName of a GeneralName. */
const DNS_NAME = 0x82;

const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11];

/**
 * One DER value: tag, length, content.
 * @param {number} tag
 * @param {...(Uint8Array | readonly number[])} parts
 */
function der(tag, ...parts) {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** @returns {{ key: string, cert: string }} both as PEM; the key is of no use to anybody once the run is over */
export function selfSigned() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der(SEQUENCE, der(OBJECT_ID, ECDSA_WITH_SHA256));
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, der(OBJECT_ID, COMMON_NAME), der(UTF8_STRING, Buffer.from(SERVER_NAME)))));
  const time = (/** @type {string} */ text) => der(UTC_TIME, Buffer.from(text));
  const altName = der(SEQUENCE, der(DNS_NAME, Buffer.from(SERVER_NAME)));
  const body = der(
    SEQUENCE,
    der(CONTEXT_0, der(INTEGER, [2])),
    der(INTEGER, [1]),
    algorithm,
    name,
    der(SEQUENCE, time("200101000000Z"), time("491231235959Z")),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(CONTEXT_3, der(SEQUENCE, der(SEQUENCE, der(OBJECT_ID, SUBJECT_ALT_NAME), der(OCTET_STRING, altName)))),
  );
  const certificate = der(SEQUENCE, body, algorithm, der(BIT_STRING, [0], sign("sha256", body, privateKey)));
  const base64 = certificate.toString("base64").replace(/.{64}/g, "$&\n");
  return {
    key: /** @type {string} */ (privateKey.export({ type: "pkcs8", format: "pem" })),
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  };
}
