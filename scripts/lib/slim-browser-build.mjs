// Three packages as the browser build takes them: from their own sources, without what a page has no use for. Node takes them as
// they are.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./run.mjs";
import { slimCbor } from "./slim/cbor.mjs";
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

/** @returns {import("esbuild").Plugin[]} for every bundle of the browser's sources */
export function slimBrowserBuild() {
  return [slimSimplePeer(), slimCbor(join(ROOT, "node_modules/cbor-x")), slimNoble(join(ROOT, "node_modules/@noble"))];
}
