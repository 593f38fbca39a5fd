// Three packages as the browser build takes them: from their own sources, without what a page has no use for. Node takes them as
// they are.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./run.mjs";
import { slimNoble } from "./slim/noble.mjs";

const require = createRequire(import.meta.url);

/**
 * Asked for when it is needed: the scripts start before anything is installed.
 * @returns {typeof import("typescript")}
 */
const typescript = () => require("typescript");

/** @type {Record<string, string>} what stands in for the modules that simple-peer asks for, as CommonJS */
const STAND_INS = {
  debug: "module.exports = () => () => {};",
  "queue-microtask": "module.exports = queueMicrotask.bind(globalThis);",
  buffer: "exports.Buffer = { from: (data) => new Uint8Array(data) };",
  "err-code": "module.exports = (error) => error;",
  "get-browser-rtc": `module.exports = () => {
    const { RTCPeerConnection, RTCSessionDescription, RTCIceCandidate } = globalThis;
    return RTCPeerConnection ? { RTCPeerConnection, RTCSessionDescription, RTCIceCandidate } : null;
  };`,
  // Only ever used as text: for the names of a peer and of its channel.
  randombytes: `module.exports = (length) => ({
    toString: () => Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  });`,
};

/**
 * Methods of simple-peer that are about sound and pictures, or about candidates that come with the description. Signals that would call
 * them are refused before (src/webrtc/signal.ts).
 */
const UNUSED_IN_SIMPLE_PEER = [
  "addTransceiver",
  "addStream",
  "addTrack",
  "replaceTrack",
  "removeTrack",
  "removeStream",
  "_requestMissingTransceivers",
  "_onTrack",
  "_startIceCompleteTimeout",
];

/** Statistics as every browser of today gives them; simple-peer also knows two older ways. */
const STANDARD_STATS = "{ this._pc.getStats().then((reports) => cb(null, [...reports.values()]), cb); }";

/** How Chrome 57 and Firefox of that time named the addresses of a connection: for both ends of it. */
const OLD_BRANCH = / else if \((?:(?:local|remote) && \w+\.ipAddress|typeof \w+\.goog\w+ === 'string')\) \{[^}]*\}/;
const OLD_BRANCHES = 4;

/**
 * Leaves out statements that only write a debug log, half a kilobyte of sentences for nobody, and all that is about media.
 * @param {string} path
 */
function onlyData(path) {
  const source = readFileSync(path, "utf8").replace(/^ *this\._debug\((?:.|\n +)*?\)$/gm, "");
  if (/this\._debug\(/.test(source)) throw new Error(`simple-peer has changed: look at each this._debug( in ${path}`);
  const [first, ...branches] = source.split(OLD_BRANCH);
  if (branches.length !== OLD_BRANCHES) throw new Error(`simple-peer has changed: ${branches.length} old branches in ${path}`);
  // Nobody reads the codes of its errors, and it asks no servers of other people: the configuration is always given.
  const current = [first, ...branches]
    .join("")
    .replace(/, 'ERR_[A-Z_]+'\)/g, ")")
    .replace(/urls: \[[^\]]*\]/, "urls: []");
  const data = withoutBodies(path, current, UNUSED_IN_SIMPLE_PEER, "{}");
  return withoutBodies(path, data, ["getStats"], STANDARD_STATS);
}

/**
 * simple-peer without the shims of Node's streams and buffers that its ready-made file carries: they are 24 of its 29 kB, gzipped.
 * @returns {import("esbuild").Plugin}
 */
function slimSimplePeer() {
  return {
    name: "slim-simple-peer",
    setup(build) {
      const source = require.resolve("simple-peer");
      build.onResolve({ filter: /^simple-peer\/simplepeer\.min\.js$/ }, () => ({ path: source }));
      build.onResolve(
        { filter: /^(debug|queue-microtask|buffer|err-code|get-browser-rtc|randombytes|readable-stream)$/ },
        ({ path, importer }) => {
          // Nobody else may get these by accident.
          if (importer !== source) return undefined;
          if (path === "readable-stream") return { path: join(ROOT, "src/browser/simple-peer-stream.ts") };
          return { path, namespace: "simple-peer-stand-in" };
        },
      );
      build.onLoad({ filter: /[\\/]simple-peer[\\/]index\.js$/ }, ({ path }) => ({
        contents: onlyData(path),
        loader: "js",
      }));
      build.onLoad({ filter: /.*/, namespace: "simple-peer-stand-in" }, ({ path }) => ({
        contents: STAND_INS[path],
        loader: "js",
      }));
    },
  };
}

/** How often cbor-x 1.6.9 makes code from text, beside reading records, which we have off: once, to see whether it may. */
const FUNCTIONS_IN_CBOR = 1;
/** What cbor-x 1.6.9 registers for tags that it reads, at its top level; our gate lets no tag through. */
const READ_EXTENSIONS_IN_CBOR = 18;

/**
 * Functions of cbor-x's decoder that serve its records, packed values, shared structures, key maps, sequences, nesting and addon: our
 * gate lets nothing through that leads there, and our options ask for none of it.
 */
const UNREACHED_IN_CBOR = [
  "createStructureReader",
  "setExtractor",
  "decodeScanned",
  "decodeMultiple",
  "readBundleExt",
  "loadShared",
  "getPackedValues",
  "registerTypedArray",
  "encodeKeys",
  "decodeKeys",
  "saveState",
];

/**
 * The decoder of cbor-x as a module, of which unused parts can be left out. Each `new Function` becomes a call that
 * throws, as it would be under a page's Content-Security-Policy; and what builds dates, regular expressions, big numbers or typed
 * arrays out of tags is not there at all.
 * @returns {import("esbuild").Plugin}
 */
function slimCbor() {
  return {
    name: "slim-cbor",
    setup(build) {
      const folder = join(require.resolve("cbor-x/package.json"), "..");
      build.onResolve({ filter: /^cbor-x\/index-no-eval$/ }, () => ({ path: join(folder, "decode.js"), sideEffects: false }));
      build.onLoad({ filter: /[\\/]cbor-x[\\/]decode\.js$/ }, ({ path }) => {
        const source = withoutBodies(path, withoutReadExtensions(path), UNREACHED_IN_CBOR, "{ noFunction(); }");
        const parts = source.split("new Function(");
        if (parts.length - 1 !== FUNCTIONS_IN_CBOR)
          throw new Error(`cbor-x has changed: look at each "new Function(" in ${path}`);
        const contents = `function noFunction() { throw new Error("left out of this build"); }\n${parts.join("noFunction(")}`;
        return { contents, loader: "js" };
      });
    },
  };
}

/**
 * @param {string} path
 * @param {string} source
 */
function parsed(path, source) {
  const ts = typescript();
  return ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
}

/**
 * Gives functions and methods another body, so that calls of them remain.
 * @param {string} path
 * @param {string} source
 * @param {readonly string[]} names
 * @param {string} instead
 */
function withoutBodies(path, source, names, instead) {
  const ts = typescript();
  /** @type {{ node: import("typescript").Node, text: string, instead: string }[]} */
  const changes = [];
  /** @param {import("typescript").Node} node */
  const visit = (node) => {
    const named = ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node);
    const name = named ? node.name?.getText() : undefined;
    if (named && node.body && name !== undefined && names.includes(name)) changes.push({ node: node.body, text: name, instead });
    else ts.forEachChild(node, visit);
  };
  visit(parsed(path, source));
  const missing = names.filter((name) => !changes.some(({ text }) => text === name));
  if (missing.length > 0) throw new Error(`${path} has changed: it has no ${missing.join(", ")}`);
  return replaced(source, changes);
}

/**
 * @param {string} source
 * @param {readonly { node: import("typescript").Node, text: string, instead: string }[]} changes
 */
function replaced(source, changes) {
  let result = source;
  for (const { node, instead } of [...changes].reverse())
    result = result.slice(0, node.getStart()) + instead + result.slice(node.end);
  return result;
}

/** @param {string} path */
function withoutReadExtensions(path) {
  const source = readFileSync(path, "utf8");
  const statements = parsed(path, source).statements.map((node) => ({ node, text: node.getText() }));
  const isRegistration = /^(currentExtensions\[|currentExtensionRanges\.push\(|for \(let i = 0; i < typedArrays\.length)/;
  // A semicolon stays: the file has none, and what stands before would go on in what stands behind.
  const changes = statements.filter(({ text }) => isRegistration.test(text)).map((found) => ({ ...found, instead: ";" }));
  if (changes.length !== READ_EXTENSIONS_IN_CBOR)
    throw new Error(`cbor-x has changed: ${changes.length} extensions are registered at the top of ${path}`);
  return replaced(source, changes);
}

/** @returns {import("esbuild").Plugin[]} for every bundle of the browser's sources */
export function slimBrowserBuild() {
  return [slimSimplePeer(), slimCbor(), slimNoble(join(ROOT, "node_modules/@noble"))];
}
