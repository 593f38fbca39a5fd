// Who knows whom: the rules of the source tree, checked over its import statements.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

interface SourceFile {
  /** From the root of the repository, with forward slashes. */
  readonly path: string;
  readonly lines: readonly string[];
  /** The code without its comments, so that prose breaks no rule. */
  readonly code: string;
  /** Paths from the root for our own files, the bare name for anything else. */
  readonly imports: readonly string[];
}

const IMPORT = /(?:^|[\s;}])(?:import|export)\s+(?:[^"';]*?\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/g;

function withoutComments(text: string): string {
  // Strings are matched first, so that "//" in a URL begins no comment.
  return text.replace(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (_, quoted) => quoted ?? "",
  );
}

/** An import as a path from the root: `./x.js` means `x.ts` or `x.tsx` beside the importer. */
function resolveImport(from: string, name: string): string {
  if (!name.startsWith(".")) return name;
  const path = normalize(join(dirname(from), name))
    .split(sep)
    .join("/");
  for (const candidate of [path.replace(/\.js$/, ".ts"), path.replace(/\.jsx?$/, ".tsx"), path]) {
    if (existsSync(join(ROOT, candidate))) return candidate;
  }
  return path;
}

function readSources(folder: string): SourceFile[] {
  const full = join(ROOT, folder);
  if (!existsSync(full)) return [];
  return readdirSync(full, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !name.endsWith(".d.ts"))
    .map((name) => {
      const path = `${folder}/${name.split(sep).join("/")}`;
      const text = readFileSync(join(ROOT, path), "utf8");
      const code = withoutComments(text);
      const imports = [...code.matchAll(IMPORT)].map((match) => resolveImport(path, match[1] ?? match[2] ?? ""));
      return { path, lines: text.split("\n"), code, imports };
    });
}

const source = readSources("src");
const demos = [...readSources("demo-web"), ...readSources("demo-node")];
const inFolder = (folder: string) => source.filter((file) => file.path.startsWith(`${folder}/`));

/** Each offence as "file -> what it imports", so that a failure reads as a list of things to do. */
function offences(files: readonly SourceFile[], isAllowed: (imported: string, file: SourceFile) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports.filter((imported) => !isAllowed(imported, file)).map((imported) => `${file.path} -> ${imported}`),
  );
}

const isBare = (imported: string) => !/^(src|demo-web|demo-node)\//.test(imported);

test("the import statements are found at all", () => {
  const entry = source.find((file) => file.path === "src/node/index.ts");
  expect(entry?.imports).toEqual(["src/core/index.ts", "src/core/options.ts", "src/node/runtime.ts", "src/core/index.ts"]);
  expect(inFolder("src/core").length).toBeGreaterThan(20);
  expect(withoutComments('a("//x"); // b\n/* c */ d')).toBe('a("//x"); \n d');
});

test("every import of a file of ours names a file that exists", () => {
  const missing = offences([...source, ...demos], (imported) => isBare(imported) || existsSync(join(ROOT, imported)));
  expect(missing).toEqual([]);
});

describe("who knows whom", () => {
  test("core imports nothing but itself, and of all packages only the CBOR codec without eval", () => {
    const allowed = new Set(["cbor-x/index-no-eval"]);
    expect(offences(inFolder("src/core"), (imported) => imported.startsWith("src/core/") || allowed.has(imported))).toEqual([]);
  });

  test("node and browser never meet", () => {
    expect(offences(inFolder("src/node"), (imported) => !/^src\/(browser|server|bin)\//.test(imported))).toEqual([]);
    expect(offences(inFolder("src/browser"), (imported) => !/^(src\/(node|server|bin)\/|node:|ws$)/.test(imported))).toEqual([]);
  });

  test("what both runtimes share knows neither of them", () => {
    const shared = [...inFolder("src/webrtc"), ...inFolder("src/crypto"), ...inFolder("src/nat")];
    expect(offences(shared, (imported) => !/^(src\/(node|browser|server|bin)\/|node:|ws$)/.test(imported))).toEqual([]);
  });

  test("one file alone imports simple-peer", () => {
    const users = source.filter((file) => file.imports.some((imported) => /^simple-peer(\/|$)/.test(imported)));
    expect(users.map((file) => file.path)).toEqual(["src/webrtc/webrtc-link.ts"]);
  });

  test("nat knows of core only bytes and errors, time and chance, and addresses", () => {
    const names = [
      "bytes",
      "errors",
      "runtime",
      "backoff",
      "path/dial-url",
      "path/dialable",
      "path/ip-address",
      "path/transport",
    ];
    const allowed = new Set(names.map((name) => `src/core/${name}.ts`));
    expect(offences(inFolder("src/nat"), (imported) => imported.startsWith("src/nat/") || allowed.has(imported))).toEqual([]);
  });

  test("the relay server takes only frames, errors, bytes, names and the emitter from the SDK", () => {
    const allowed = new Set([
      ...["relay-frame", "relay-login", "relay-address", "relay-reason"].map((name) => `src/core/relay/${name}.ts`),
      ...["errors", "bytes", "identity", "base32", "events"].map((name) => `src/core/${name}.ts`),
      "src/core/path/ip-address.ts",
      "src/node/node-crypto.ts",
      "ws",
    ]);
    const isAllowed = (imported: string) => /^(src\/server\/|src\/nat\/|node:)/.test(imported) || allowed.has(imported);
    expect(offences(inFolder("src/server"), isAllowed)).toEqual([]);
  });

  test("the demos use the public API, like anybody", () => {
    const isAllowed = (imported: string, file: SourceFile) =>
      imported === "linknet" ||
      /^(preact|uqr|@preact\/signals)(\/|$)/.test(imported) ||
      imported.startsWith("demo-web/chat/") ||
      (file.path.startsWith("demo-web/") ? imported.startsWith("demo-web/") : /^(demo-node\/|node:)/.test(imported));
    expect(offences(demos, isAllowed)).toEqual([]);
  });

  test("the chat that both demos share knows neither of them", () => {
    const shared = demos.filter((file) => file.path.startsWith("demo-web/chat/"));
    expect(offences(shared, (imported) => imported === "linknet" || imported.startsWith("demo-web/chat/"))).toEqual([]);
  });
});

describe("inside core", () => {
  // Each folder may use those to its right; everybody may use the files at the top, such as errors and bytes.
  const ORDER = ["session", "channel", "path", "noise"];
  const rank = (path: string) => {
    if (path === "src/core/network-manager.ts" || path === "src/core/index.ts") return -1;
    const folder = /^src\/core\/([^/]+)\//.exec(path)?.[1];
    const index = folder === undefined ? -1 : ORDER.indexOf(folder);
    return index < 0 ? Number.POSITIVE_INFINITY : index;
  };

  test("nobody imports upwards: network-manager, session, channel, path and noise", () => {
    const upwards = offences(inFolder("src/core"), (imported, file) => {
      const from = rank(file.path);
      // The index is there to gather everything, and types of path serve all transports.
      if (from === Number.POSITIVE_INFINITY || file.path === "src/core/index.ts") return true;
      return rank(imported) >= from;
    });
    expect(upwards).toEqual([]);
  });

  test("nothing below uses the manager or the index", () => {
    const above = new Set(["src/core/network-manager.ts", "src/core/index.ts"]);
    const below = inFolder("src/core").filter((file) => !above.has(file.path));
    expect(offences(below, (imported) => !above.has(imported))).toEqual([]);
  });

  test("time, randomness and sockets come through the runtime", () => {
    // Drawing an id for a message that has no manager yet is the one use of the platform's randomness.
    const mayDraw = new Set(["src/core/message/message-id.ts"]);
    expect(platformUses().filter((use) => !mayDraw.has(use.path))).toEqual([]);
  }, 30_000);
});

/** What core may take from the platform: pure functions and plain values, the same everywhere. */
const PLAIN = new Set([
  "TextEncoder",
  "TextDecoder",
  "URL",
  "URLSearchParams",
  "AbortController",
  "AbortSignal",
  "DOMException",
  "Blob",
  "ReadableStream",
  "WritableStream",
]);

/** Each use of a platform's global in core, found by the compiler: a name that leads into the declarations of web workers. */
function platformUses(): { path: string; line: number; name: string }[] {
  const configPath = join(ROOT, "src/core/tsconfig.json");
  const config = ts.parseJsonConfigFileContent(
    ts.readConfigFile(configPath, ts.sys.readFile).config,
    ts.sys,
    dirname(configPath),
  );
  const program = ts.createProgram(config.fileNames, config.options);
  const checker = program.getTypeChecker();
  const uses: { path: string; line: number; name: string }[] = [];

  const isGlobal = (node: ts.Identifier) => {
    const declarations = checker.getSymbolAtLocation(node)?.declarations ?? [];
    return declarations.some((declaration) => /lib\.(webworker|dom)[^/]*\.d\.ts$/.test(declaration.getSourceFile().fileName));
  };
  const check = (node: ts.Node, file: ts.SourceFile): void => {
    const add = (name: string) => {
      const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      uses.push({ path: relative(ROOT, file.fileName).split(sep).join("/"), line, name });
    };
    // Types cost nothing and name nothing that must exist.
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node)) return;
    if (ts.isPropertyAccessExpression(node)) {
      const name = node.getText();
      if (name === "Date.now" || name === "Math.random") add(name);
      check(node.expression, file);
      return;
    }
    if (ts.isNewExpression(node) && node.expression.getText() === "Date") add("new Date");
    if (ts.isIdentifier(node) && (node.text === "globalThis" || (!PLAIN.has(node.text) && isGlobal(node)))) {
      // The name of a member is declared where its interface is, and is no global.
      const isName = ts.isPropertyAssignment(node.parent) && node.parent.name === node;
      if (!isName && !ts.isBindingElement(node.parent)) add(node.text);
    }
    ts.forEachChild(node, (child) => check(child, file));
  };
  for (const file of program.getSourceFiles()) {
    if (!file.isDeclarationFile && file.fileName.startsWith(join(ROOT, "src/core").split(sep).join("/"))) check(file, file);
  }
  return uses;
}

describe("how files look", () => {
  test("no file in src is longer than 350 lines", () => {
    const long = source.filter((file) => file.lines.length > 350).map((file) => `${file.path}: ${file.lines.length} lines`);
    expect(long).toEqual([]);
  });

  test("each file begins by saying what it is about", () => {
    const silent = [...source, ...demos].filter(
      (file) => !/^(#![^\n]*\n)?(\/\/ \S|\/\*\*? ?\S?)/.test(file.lines.slice(0, 2).join("\n")),
    );
    expect(silent.map((file) => file.path)).toEqual([]);
  });

  test("no code is made from text at run time", () => {
    const offenders = [...source, ...demos].filter((file) =>
      /\beval\(|\bnew Function\(|dangerouslySetInnerHTML|\.innerHTML\b/.test(file.code),
    );
    expect(offenders.map((file) => file.path)).toEqual([]);
  });
});
