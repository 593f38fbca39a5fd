// Names of our own that the browser build may shorten: members of classes that never leave the SDK. They are found by what they are not.

import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "../run.mjs";

const require = createRequire(import.meta.url);

/** What the browser build is made of. */
const FOLDERS = ["src/core", "src/browser", "src/webrtc"];

/** @param {string} folder @param {RegExp} files */
const read = (folder, files) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => files.test(file))
    .map((file) => readFileSync(join(folder, file), "utf8"));

/** Every word of the declarations of the language and of browsers. */
function platformWords() {
  const folder = join(require.resolve("typescript/package.json"), "../lib");
  return read(folder, /^lib\.(es|dom|webworker).*\.d\.ts$/).flatMap((code) => code.match(/\b[a-z]\w*/gi) ?? []);
}

/**
 * Members of classes whose name is given nowhere else: not to a member of a class that is exported, not in an interface or a type,
 * not to a property of an object (which may be told to others), not in a string, and not by the language or a browser.
 * @returns {string[]}
 */
export function ownNames() {
  /** @type {typeof import("typescript")} */
  const ts = require("typescript");
  const sources = FOLDERS.flatMap((folder) => read(join(ROOT, folder), /\.ts$/));
  const exported = new Set(readFileSync(join(ROOT, "src/core/index.ts"), "utf8").match(/\b\w+\b/g));
  const members = new Set();
  const others = new Set(platformWords());

  /** @param {import("typescript").Node} node */
  const visit = (node) => {
    const name = "name" in node ? /** @type {import("typescript").NamedDeclaration} */ (node).name : undefined;
    if (ts.isStringLiteralLike(node)) others.add(node.text);
    if (name && ts.isIdentifier(name)) {
      if (ts.isClassElement(node) && ts.isClassDeclaration(node.parent)) {
        const isInternal = node.parent.name !== undefined && !exported.has(node.parent.name.text);
        (isInternal ? members : others).add(name.text);
      } else if (ts.isTypeElement(node) || ts.isObjectLiteralElement(node)) others.add(name.text);
    }
    ts.forEachChild(node, visit);
  };
  for (const code of sources) visit(ts.createSourceFile("source.ts", code, ts.ScriptTarget.Latest, true));
  return [...members].filter((name) => !others.has(name) && !name.startsWith("_")).sort();
}
