// Two packages as the browser build takes them: from their own sources, without what a page has no use for. Node takes both as
// they are.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./run.mjs";

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
  // Only ever used as text: for the names of a peer and of its channel.
  randombytes: `module.exports = (length) => ({
    toString: () => Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  });`,
};

/**
 * Leaves out statements that only write a debug log: half a kilobyte of sentences for nobody.
 * @param {string} path
 */
function withoutDebugLines(path) {
  const source = readFileSync(path, "utf8").replace(/^ *this\._debug\((?:.|\n +)*?\)$/gm, "");
  if (/this\._debug\(/.test(source)) throw new Error(`simple-peer has changed: look at each this._debug( in ${path}`);
  return source;
}

/**
 * simple-peer without the shims of Node's streams and buffers that its ready-made file carries: they are 24 of its 29 kB, gzipped.
 * @returns {import("esbuild").Plugin}
 */
export function slimSimplePeer() {
  return {
    name: "slim-simple-peer",
    setup(build) {
      const source = require.resolve("simple-peer");
      build.onResolve({ filter: /^simple-peer\/simplepeer\.min\.js$/ }, () => ({ path: source }));
      build.onResolve({ filter: /^(debug|queue-microtask|buffer|randombytes|readable-stream)$/ }, ({ path, importer }) => {
        // Nobody else may get these by accident.
        if (importer !== source) return undefined;
        if (path === "readable-stream") return { path: join(ROOT, "src/browser/simple-peer-stream.ts") };
        return { path, namespace: "simple-peer-stand-in" };
      });
      build.onLoad({ filter: /[\\/]simple-peer[\\/]index\.js$/ }, ({ path }) => ({
        contents: withoutDebugLines(path),
        loader: "js",
      }));
      build.onLoad({ filter: /.*/, namespace: "simple-peer-stand-in" }, ({ path }) => ({
        contents: STAND_INS[path],
        loader: "js",
      }));
    },
  };
}

/** How often cbor-x 1.6.9 makes code from text: once to see whether it may, and twice to read records, which we have off. */
const FUNCTIONS_IN_CBOR = 3;
/** What cbor-x 1.6.9 registers for tags that it reads, at its top level; our gate lets no tag through. */
const READ_EXTENSIONS_IN_CBOR = 18;

/**
 * The decoder of cbor-x as a module, of which unused parts can be left out. Each `new Function` becomes a call that
 * throws, as it would be under a page's Content-Security-Policy; and what builds dates, regular expressions, big numbers or typed
 * arrays out of tags is not there at all.
 * @returns {import("esbuild").Plugin}
 */
export function slimCbor() {
  return {
    name: "slim-cbor",
    setup(build) {
      const folder = join(require.resolve("cbor-x/package.json"), "..");
      build.onResolve({ filter: /^cbor-x\/index-no-eval$/ }, () => ({ path: join(folder, "decode.js"), sideEffects: false }));
      build.onLoad({ filter: /[\\/]cbor-x[\\/]decode\.js$/ }, ({ path }) => {
        const parts = withoutReadExtensions(path).split("new Function(");
        if (parts.length - 1 !== FUNCTIONS_IN_CBOR)
          throw new Error(`cbor-x has changed: look at each "new Function(" in ${path}`);
        const contents = `function noFunction() { throw new Error("no code from text"); }\n${parts.join("noFunction(")}`;
        return { contents, loader: "js" };
      });
    },
  };
}

/**
 * The statements of a file at its top level, with their texts.
 * @param {string} path
 */
function statementsOf(path) {
  const ts = typescript();
  const source = readFileSync(path, "utf8");
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  return { source, statements: file.statements.map((node) => ({ node, text: node.getText() })) };
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
  const { source, statements } = statementsOf(path);
  const isRegistration = /^(currentExtensions\[|currentExtensionRanges\.push\(|for \(let i = 0; i < typedArrays\.length)/;
  // A semicolon stays: the file has none, and what stands before would go on in what stands behind.
  const changes = statements.filter(({ text }) => isRegistration.test(text)).map((found) => ({ ...found, instead: ";" }));
  if (changes.length !== READ_EXTENSIONS_IN_CBOR)
    throw new Error(`cbor-x has changed: ${changes.length} extensions are registered at the top of ${path}`);
  return replaced(source, changes);
}
