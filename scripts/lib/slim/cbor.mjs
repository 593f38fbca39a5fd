// The decoder of cbor-x as the browser build takes it: what reads the items that our gate (src/core/message/cbor-gate.ts) lets through,
// under the options of src/core/message/cbor.ts.

import { Source } from "./source.mjs";

/** Where there is no tag, there is no record, packed value, shared structure, date, number of any size, or typed array. */
const NO_TAGS = "case 6: throw new Error();";

/**
 * @param {string} path of its `decode.js`
 * @returns {string}
 */
function decoder(path) {
  return new Source(path)
    .only([
      ..."decoder src srcEnd position dataView currentDecoder EMPTY_ARRAY".split(" "),
      ..."Decoder read readStringJS readFixedString longStringInJS readBin getFloat16 safeKey".split(" "),
      ..."fromCharCode f32Array u8Array arrayAllocationBudget srcStringEnd srcString srcStringStart".split(" "),
      "endOfCBORError",
    ])
    .without(["decodeKey", "encodeKey", "encodeKeys", "decodeKeys", "mapDecode", "decodeMultiple"])
    .clauses({ 6: NO_TAGS, "0x1f": "" })
    .bodies({
      constructor: "{}",
      endOfCBORError: "{ return new Error(); }",
      // Keys are text.
      safeKey: "{ return key === '__proto__' ? '__proto_' : key; }",
      // The one swallows a byte order mark, as src/core/message/cbor.ts expects of texts of more than 64 bytes; the other keeps it.
      readStringJS: "{ return (length > 64 ? decoder : markKeeper).decode(src.subarray(position, (position += length))); }",
      // As fast as its own, which has a branch of its own for each length up to 15, and builds an array for the others.
      longStringInJS: `{
        const start = position;
        let text = "";
        for (const end = start + length; position < end; position++) {
          if (src[position] > 0x7f) {
            position = start;
            return undefined;
          }
          text += fromCharCode(src[position]);
        }
        return text;
      }`,
      decode: `{
        src = source;
        srcEnd = end ?? source.length;
        position = 0;
        dataView = source.dataView ??= new DataView(source.buffer, source.byteOffset, source.length);
        arrayAllocationBudget = srcEnd;
        try {
          const result = read();
          if (position !== srcEnd) throw new Error();
          return result;
        } finally {
          src = dataView = undefined;
        }
      }`,
    })
    .instead({
      "currentDecoder.keyMap": "undefined",
      "currentDecoder.mapsAsObjects": "true",
      "currentDecoder.int64AsNumber": "true",
      "currentDecoder.copyBuffers": "true",
      "currentDecoder.useFloat32 > 2": "false",
      "srcStringEnd >= position": "false",
      // Two bounds of many millions; the gate has let 4096 items through at most.
      "token > maxArraySize": "false",
      "token > objectSizeLimit": "false",
      "srcStringEnd == 0 && srcEnd < 140 && token < 32": "token <= 64",
      "token < 16 ? shortStringInJS(token) : longStringInJS(token)": "longStringInJS(token)",
      "(packedValues || getPackedValues())[token]": "undefined",
    })
    .adding('decoder = new TextDecoder(); const markKeeper = new TextDecoder("utf-8", { ignoreBOM: true });')
    .withoutErrorTexts().code;
}

/**
 * @param {string} folder of cbor-x
 * @returns {import("esbuild").Plugin}
 */
export function slimCbor(folder) {
  return {
    name: "slim-cbor",
    setup(build) {
      const path = `${folder}/decode.js`;
      build.onResolve({ filter: /^cbor-x\/index-no-eval$/ }, () => ({ path, sideEffects: false }));
      build.onLoad({ filter: /[\\/]cbor-x[\\/]decode\.js$/ }, () => ({ contents: decoder(path), loader: "js" }));
    },
  };
}
