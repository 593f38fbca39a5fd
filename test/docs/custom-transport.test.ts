// docs/custom-transport.md: its code is one program, which does what the page says.

import { describe, expect, test } from "vitest";
import { codeBlocks, readPage } from "./page.js";
import { runCode } from "./run-code.js";

describe("docs/custom-transport.md", () => {
  test("is a program: two peers talk over its transport, and a session moves to it", async () => {
    const blocks = codeBlocks(readPage("docs/custom-transport.md"));
    const code = blocks.filter((block) => block.info === "ts").map((block) => block.content);
    const printed = blocks.find((block) => block.info === "text")?.content;
    expect(code).toHaveLength(4);
    expect(await runCode("custom-transport", code.join("\n"))).toBe(printed);
  }, 30_000);

  test("needs nothing but the public API", () => {
    const code = codeBlocks(readPage("docs/custom-transport.md")).map((block) => block.content);
    const imports = code.flatMap((content) => [...content.matchAll(/from "([^"]+)"/g)].map(([, from]) => from));
    expect(imports).toEqual(["linknet"]);
  });
});
