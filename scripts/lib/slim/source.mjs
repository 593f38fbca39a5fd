// Takes out of a library's source what nothing reaches in our browser build. Every cut names what it expects to find, and throws when
// the library has changed so that it is not there.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/**
 * Asked for when it is needed: the scripts start before anything is installed.
 * @returns {typeof import("typescript")}
 */
const typescript = () => require("typescript");

/** @typedef {import("typescript").Node} Node */
/** @typedef {{ node: Node, found: string, instead: string }} Cut */

/** One file of a library, to be made smaller. Every method returns the source itself. */
export class Source {
  #path;
  #code;

  /** @param {string} path */
  constructor(path) {
    this.#path = path;
    this.#code = readFileSync(path, "utf8");
  }

  /** What is left of it. */
  get code() {
    return this.#code;
  }

  /**
   * Gives functions and methods another body, so that calls of them remain.
   * @param {Readonly<Record<string, string>>} bodies by name, braces included
   */
  bodies(bodies) {
    const ts = typescript();
    return this.#cut(Object.keys(bodies), (node) => {
      const named = ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isConstructorDeclaration(node);
      const name = ts.isConstructorDeclaration(node) ? "constructor" : named ? node.name?.getText() : undefined;
      const instead = name !== undefined && Object.hasOwn(bodies, name) ? bodies[name] : undefined;
      return !named || !node.body || name === undefined || instead === undefined
        ? []
        : [{ node: node.body, found: name, instead }];
    });
  }

  /**
   * Takes out functions, and methods, accessors and fields of classes.
   * @param {readonly string[]} names
   */
  without(names) {
    const ts = typescript();
    return this.#cut(names, (node) => {
      if (!ts.isClassElement(node) && !ts.isFunctionDeclaration(node)) return [];
      const name = node.name?.getText();
      return name !== undefined && names.includes(name) ? [{ node, found: name, instead: "" }] : [];
    });
  }

  /**
   * Puts other code in the place of expressions and statements, wherever they stand. White space in them must be as it is there.
   * @param {Readonly<Record<string, string>>} replacements by the code that is replaced
   */
  instead(replacements) {
    const ts = typescript();
    return this.#cut(Object.keys(replacements), (node) => {
      if (!ts.isExpression(node) && !ts.isStatement(node)) return [];
      // What a declaration calls something is no expression.
      if (ts.isIdentifier(node) && "name" in node.parent && node.parent.name === node) return [];
      // Nor is what a value is put into.
      if (
        ts.isBinaryExpression(node.parent) &&
        node.parent.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
        node.parent.left === node
      )
        return [];
      const found = node.getText();
      const instead = Object.hasOwn(replacements, found) ? replacements[found] : undefined;
      return instead === undefined ? [] : [{ node, found, instead }];
    });
  }

  /**
   * Takes out statements that only call something, named as `log()`, or only put something somewhere, named as `this.name =`.
   * @param {readonly string[]} names
   */
  withoutStatements(names) {
    const ts = typescript();
    return this.#cut(names, (node) => {
      if (!ts.isExpressionStatement(node)) return [];
      const { expression } = node;
      const found = ts.isCallExpression(expression)
        ? `${expression.expression.getText()}()`
        : ts.isBinaryExpression(expression) && expression.operatorToken.kind === ts.SyntaxKind.EqualsToken
          ? `${expression.left.getText()} =`
          : "";
      return names.includes(found) ? [{ node, found, instead: "" }] : [];
    });
  }

  /**
   * Puts the first argument of each call of a function in the place of the call.
   * @param {string} name
   */
  unwrapping(name) {
    const ts = typescript();
    return this.#cut([name], (node) => {
      if (!ts.isCallExpression(node) || node.expression.getText() !== name) return [];
      return [{ node, found: name, instead: node.arguments[0]?.getText() ?? "undefined" }];
    });
  }

  /**
   * Gives constants other values.
   * @param {Readonly<Record<string, string>>} values by name
   */
  values(values) {
    const ts = typescript();
    return this.#cut(Object.keys(values), (node) => {
      const name = ts.isVariableDeclaration(node) ? node.name.getText() : undefined;
      const instead = name !== undefined && Object.hasOwn(values, name) ? values[name] : undefined;
      if (!ts.isVariableDeclaration(node) || !node.initializer || name === undefined || instead === undefined) return [];
      return [{ node: node.initializer, found: name, instead }];
    });
  }

  /**
   * Keeps only these of what is declared at the top level; statements there that declare nothing go too.
   * @param {readonly string[]} names
   */
  only(names) {
    const ts = typescript();
    /** @type {Set<string>} */
    const found = new Set();
    /** @param {Node} node */
    const isKept = (node) => {
      const name = "name" in node ? /** @type {import("typescript").NamedDeclaration} */ (node).name?.getText() : undefined;
      if (name === undefined || !names.includes(name)) return false;
      found.add(name);
      return true;
    };
    this.#cut([], (node) => {
      if (!ts.isSourceFile(node.parent ?? node) || ts.isSourceFile(node)) return [];
      const declared = ts.isVariableStatement(node) ? [...node.declarationList.declarations] : [node];
      return declared.filter(isKept).length > 0 ? [] : [{ node, found: "", instead: "" }];
    });
    return this.#expect(names, found);
  }

  /**
   * Puts other clauses in the place of those of a `switch`.
   * @param {Readonly<Record<string, string>>} clauses by the value of the case
   */
  clauses(clauses) {
    const ts = typescript();
    return this.#cut(Object.keys(clauses), (node) => {
      const found = ts.isCaseClause(node) ? node.expression.getText() : undefined;
      const instead = found !== undefined && Object.hasOwn(clauses, found) ? clauses[found] : undefined;
      return found === undefined || instead === undefined ? [] : [{ node, found, instead }];
    });
  }

  /**
   * Puts something of ours behind it.
   * @param {string} code
   */
  adding(code) {
    this.#code += `\n;${code}\n`;
    return this;
  }

  /** Writes `BigInt(5)` as `5n`, which minifiers can count with. */
  withBigIntLiterals() {
    this.#code = this.#code.replace(/\bBigInt\((?:(\d+)|'(0x[0-9a-f]+|\d+)')\)/g, (_, number, text) => `${number ?? text}n`);
    return this;
  }

  /** Errors say no more than their kind: what is thrown here is caught by us, and told in our own words. */
  withoutErrorTexts() {
    const ts = typescript();
    return this.#cut([], (node) => {
      if (!ts.isThrowStatement(node) || !node.expression || !ts.isNewExpression(node.expression)) return [];
      const { expression, arguments: args } = node.expression;
      if (!args || !/^\w*Error$/.test(expression.getText())) return [];
      return [{ node: node.expression, found: "", instead: `new ${expression.getText()}()` }];
    });
  }

  /**
   * @param {readonly string[]} expected what must be found, each at least once
   * @param {(node: Node) => Cut[]} cutsAt what to cut at a node; then nothing inside of it is looked at
   */
  #cut(expected, cutsAt) {
    const ts = typescript();
    /** @type {Cut[]} */
    const cuts = [];
    /** @param {Node} node */
    const visit = (node) => {
      const here = cutsAt(node);
      cuts.push(...here);
      if (here.length === 0) ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile(this.#path, this.#code, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS));
    this.#expect(expected, new Set(cuts.map(({ found }) => found)));
    for (const { node, instead } of cuts.reverse()) {
      // A semicolon stays of a statement: where there is none, what stands before it would go on in what stands behind.
      const rest = instead === "" && ts.isStatement(node) ? ";" : instead;
      this.#code = this.#code.slice(0, node.getStart()) + rest + this.#code.slice(node.end);
    }
    return this;
  }

  /**
   * @param {readonly string[]} expected
   * @param {ReadonlySet<string>} found
   */
  #expect(expected, found) {
    const missing = expected.filter((text) => !found.has(text));
    if (missing.length > 0) throw new Error(`${this.#path} has changed: it has no ${missing.join(", no ")}`);
    return this;
  }
}
