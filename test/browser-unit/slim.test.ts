// What the browser build leaves out of its libraries is what nothing reaches. noble's vectors run over the rest in test/crypto and
// test/vectors, simple-peer in test/e2e.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { Source } from "../../scripts/lib/slim/source.mjs";
import { importSlim } from "./slim.js";

const slimCrypto = await importSlim<typeof import("../../src/browser/noble-crypto.js")>("src/browser/noble-crypto.ts");

test("signing and making keys are blinded in a page too", () => {
  const random = vi.spyOn(globalThis.crypto, "getRandomValues");
  const crypto = slimCrypto.nobleCrypto({ bytes: (length) => new Uint8Array(length).fill(7) });
  const counts: number[] = [];
  const key = crypto.signingKeyFrom(new Uint8Array(32).fill(1));
  for (const call of [() => crypto.generateDhKeyPair(), () => key.sign(new Uint8Array(1))]) {
    random.mockClear();
    call();
    counts.push(random.mock.calls.length);
  }
  random.mockRestore();
  // Of a signature both the key and the nonce.
  expect(counts).toEqual([1, 2]);
});

describe("a source that is cut", () => {
  const folder = mkdtempSync(join(tmpdir(), "linknet-source-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "library.js");
  const source = (code: string): Source => {
    writeFileSync(path, code);
    return new Source(path);
  };

  test("says what is no longer there", () => {
    const library = source("function one() {}\nclass A { two() { return 1 } }\n");
    expect(() => library.without(["two", "three"])).toThrow(/has changed: it has no three/);
    expect(() => library.bodies({ four: "{}" })).toThrow(/no four/);
    expect(() => library.instead({ "1 + 1": "2" })).toThrow(/no 1 \+ 1/);
    expect(() => library.only(["five"])).toThrow(/no five/);
    expect(() => library.values({ six: "6" })).toThrow(/no six/);
    expect(() => library.clauses({ 7: "" })).toThrow(/no 7/);
    expect(() => library.withoutStatements(["eight()"])).toThrow(/no eight/);
    expect(() => library.unwrapping("nine")).toThrow(/no nine/);
  });

  test("is cut where it was told, and nowhere else", () => {
    expect(source("class A { a() { x = b ? 1 : 2; b = 3 } c() {} }").without(["c"]).instead({ b: "true" }).code).toBe(
      "class A { a() { x = true ? 1 : 2; b = 3 }  }",
    );
    expect(source("log('a')\nthis.b = 1\nlog.c()\n").withoutStatements(["log()", "this.b ="]).code).toBe(";\n;\nlog.c()\n");
    expect(source("throw new TypeError('a' + b); throw wrap(new Error(c))").withoutErrorTexts().code).toBe(
      "throw new TypeError(); throw wrap(new Error(c))",
    );
  });
});
