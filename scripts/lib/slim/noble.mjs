// noble as the browser build takes it: the arithmetic and all that is checked of what others send, without what serves other curves,
// other key sizes, keys as text and debugging.

import { join } from "node:path";
import { ROOT } from "../run.mjs";
import { Source } from "./source.mjs";

/** Their tables, as a rule. */
const SHA2_CONSTANTS = JSON.stringify(join(ROOT, "src/browser/sha2-constants.ts"));

/** What the ciphers' helpers have in common with those of the hashes, word for word but for the texts. */
const SHARED = ["isBytes", "anumber", "abytes", "aexists", "aoutput", "u8", "u32", "clean", "createView", "copyBytes"];

/** The state of both hashes is set by what sets it after each block. */
const SET_AT_ONCE = {
  ...Object.fromEntries([..."BCDEFGH"].map((word, at) => [`this.${word} = IV[${at + 1}] | 0;`, ""])),
  ...Object.fromEntries([..."BCDEFGH"].map((word, at) => [`this.${word}h = IV[${2 * at + 2}] | 0;`, ""])),
  ...Object.fromEntries([..."ABCDEFGH"].map((word, at) => [`this.${word}l = IV[${2 * at + 1}] | 0;`, ""])),
  "this.A = IV[0] | 0;": "this.set(...IV);",
  "this.Ah = IV[0] | 0;": "this.set(...IV);",
};

/** A check whose text nobody sees. */
const IS_BYTES =
  "{ if (!isBytes(value) || (length !== undefined && value.length !== length)) throw new TypeError(); return value; }";

/** @type {Readonly<Record<string, (source: Source) => Source>>} by the file below the folder of `@noble` */
const CUTS = {
  "hashes/utils.js": (source) =>
    source
      .bodies({
        abytes: IS_BYTES,
        ahash: "{}",
        hexToBytes:
          "{ return Uint8Array.from({ length: hex.length / 2 }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16)); }",
      })
      // A digit more or less is nothing beside a point multiplication.
      .values({ hasHexBuiltin: "false" })
      .instead({
        "typeof hashCons !== 'function'": "false",
        "info = checkOpts({}, info, 'info');": "",
        "Object.assign(hashC, info);": "",
      })
      .withoutErrorTexts(),
  "hashes/hmac.js": (source) =>
    source
      .without(["_cloneInto", "clone", "canXOF"])
      .instead({ "typeof this.iHash.update !== 'function'": "false", "hmac_.create = (hash, key) => new _HMAC(hash, key);": "" })
      .withoutErrorTexts(),
  "hashes/_md.js": (source) =>
    source
      .without(["_cloneIntoMeta", "clone", "canXOF"])
      .values({ SHA256_IV: "SHA256_START", SHA512_IV: "SHA512_START" })
      .withoutErrorTexts()
      .adding(`import { SHA256_START, SHA512_START } from ${SHA2_CONSTANTS};`),
  "hashes/sha2.js": (source) =>
    source
      .without(["_cloneInto"])
      .instead(SET_AT_ONCE)
      .values({ SHA256_K: "SHA256_ROUNDS", K512: "/* @__PURE__ */ u64.split(SHA512_ROUNDS)" })
      .instead({ "oidNist(0x01)": "undefined", "oidNist(0x03)": "undefined" })
      .adding(`import { SHA256_ROUNDS, SHA512_ROUNDS } from ${SHA2_CONSTANTS};`),
  "ciphers/utils.js": (source) =>
    source
      .without(SHARED)
      .adding(`import { ${SHARED} } from "@noble/hashes/utils.js"; export { ${SHARED} };`)
      .instead({
        // All that we have: nonces of 12 bytes, associated data, no output of the caller's.
        "!params.withAAD": "false",
        "params.withAAD && args[aadStart] !== undefined": "true",
        "params.nonceLength !== undefined": "true",
        "params.varSizeNonce ? undefined : params.nonceLength": "12",
        "params.tagLength": "16",
        "Object.assign(wrappedCipher, params);": "",
        "checkOutput(cipher.encrypt.length, output);": "",
        "checkOutput(cipher.decrypt.length, output);": "",
      })
      // Nobody asks a MAC for its lengths, which it finds out by making one.
      .bodies({ wrapMacConstructor: "{ return { create: macCons }; }" })
      .withoutErrorTexts(),
  "ciphers/_arx.js": (source) =>
    source
      .instead({
        "typeof core !== 'function'": "false",
        "checkOpts({ allowShortKeys: false, counterLength: 8, counterRight: false, rounds: 20 }, opts)": "{ rounds: 20 }",
        "anumber(counterLength);": "",
        "anumber(rounds);": "",
        "abool(counterRight);": "",
        "abool(allowShortKeys);": "",
        "l === 16 && allowShortKeys": "false",
        extendNonceFn: "false",
        "nonceNcLen !== 12": "false",
        "16 - counterLength": "12",
      })
      // What comes from `wrapCipher` was checked there.
      .withoutStatements(["abytes()", "anumber()"])
      .withoutErrorTexts(),
  "ciphers/aes.js": (source) =>
    source
      .instead({
        "nonce.length === 12": "true",
        "sbox.length !== 256": "false",
        "{ sbox, sbox2, T0, T1, T2, T3, T01, T23 }": "{ sbox2, T01, T23 }",
      })
      .withoutStatements(["abytes()"])
      .withoutErrorTexts(),
  "ciphers/chacha.js": (source) => source.withoutErrorTexts(),
  "ciphers/_polyval.js": (source) => source.instead({ "![1, 2, 4, 8].includes(W)": "false" }).withoutErrorTexts(),
  "ciphers/_poly1305.js": (source) => source.withoutErrorTexts(),
  "curves/utils.js": (source) =>
    source.bodies({ validateObject: "{}", abool: "{ return value; }", aarray: "{ return item; }" }).withoutErrorTexts(),
  "curves/abstract/modular.js": (source) =>
    source
      .bodies({
        validateField: "{ return field; }",
        // Little-endian, of as many bits as its order has.
        constructor:
          "{ const BITS = bitLen(ORDER); this.ORDER = ORDER; this.BITS = BITS; this.BYTES = Math.ceil(BITS / 8); Object.freeze(this); }",
      })
      .without(["invertBatch", "cmov", "sqrt", "fromBytes", "pow", "sqrN", "isLE", "_mod", "_lengths"])
      .instead({
        "modulo <= _1n": "false",
        "b <= _0n": "false",
        "passZero ? F.ZERO : undefined": "undefined",
        "this.isLE ? numberToBytesLE(num, this.BYTES) : numberToBytesBE(num, this.BYTES)": "numberToBytesLE(num, this.BYTES)",
      })
      .withoutErrorTexts(),
  "curves/abstract/curve.js": (source) =>
    source
      .bodies({
        validatePointCons: "{}",
        validateW: "{}",
        validateTableBytes: "{}",
        validateMSMPoints: "{}",
        validateMSMScalars: "{}",
        createField: "{ return Field(order); }",
        fixedWindowCT: "{ throw new Error(); }",
        createKeygen: "{}",
        createCurveFields: "{ return { CURVE, Fp: createField(CURVE.p), Fn: createField(CURVE.n) }; }",
      })
      .without(["hasWindowSize"])
      .withoutErrorTexts(),
  "curves/abstract/edwards.js": (source) =>
    source
      .without(["fromHex", "x", "y", "assertValidity", "isTorsionFree", "toHex", "toString"])
      .values({ utils: "{}" })
      .bodies({ hashDomainToScalar: "{ return modN_LE(hash(concatBytes(...msgs))); }" })
      .instead({
        "opts.uvRatio === undefined": "false",
        "opts.randomBytes === undefined": "true",
        "opts.adjustScalarBytes === undefined": "false",
        "opts.domain === undefined": "false",
        "outputLen !== undefined": "false",
        "typeof cHash !== 'function'": "false",
        "!Fp.isOdd": "false",
        "Fp.eql(CURVE.a, Fp.neg(Fp.ONE))": "true",
        "cofactor === _1n": "false",
        "cofactor === _2n": "false",
        "cofactor === _4n": "false",
        "cofactor === _8n": "true",
        "wnaf.bits >= 6": "true",

        "FpLegendre(Fp, CURVE.a) !== 1": "false",
        "FpLegendre(Fp, CURVE.d) !== -1": "false",
        "!isEdValidXY(Fp, CURVE, CURVE.Gx, CURVE.Gy)": "false",
        "createKeygen(randomSecretKey, getPublicKey)": "undefined",
        "const { prehash } = opts;": "const prehash = undefined;",
      })
      .withoutErrorTexts(),
  "curves/abstract/montgomery.js": (source) =>
    source
      .bodies({ validateOpts: "{ return curve; }" })
      .values({ is25519: "true", randomSecretKey: "undefined", utils: "undefined" })
      .instead({
        "createKeygen(randomSecretKey, getPublicKey)": "undefined",
        "mulBaseHook === undefined": "false",
        "rand === undefined": "false",
        "Object.freeze(utils);": "",
        "Object.freeze(lengths);": "",
      })
      .withoutErrorTexts(),
  "curves/ed25519.js": (source) => source.bodies({ toMontgomery: "{}", toMontgomerySecret: "{}" }),
};

/**
 * @param {string} scope the folder of `@noble`
 * @returns {import("esbuild").Plugin}
 */
export function slimNoble(scope) {
  return {
    name: "slim-noble",
    setup(build) {
      for (const [file, cut] of Object.entries(CUTS)) {
        const path = join(scope, file);
        build.onLoad({ filter: new RegExp(`[\\\\/]${file.replace(/[./]/g, "\\$&")}$`) }, (loaded) =>
          loaded.path === path ? { contents: cut(new Source(path)).withBigIntLiterals().code, loader: "js" } : undefined,
        );
      }
    },
  };
}
