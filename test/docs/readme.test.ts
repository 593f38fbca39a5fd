// README.md: its code runs, its commands and names exist.

import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as linknet from "../../src/node/index.js";
import { codeBlocks, ROOT, readPage, tableRows } from "./page.js";
import { runCode } from "./run-code.js";

const page = readPage("README.md");

describe("README.md", () => {
  test("shows code that runs, says hello and ends by itself", async () => {
    const [first] = codeBlocks(page).filter((block) => block.info === "ts");
    expect((first?.content ?? "").split("\n").filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(10);
    expect(await runCode("readme", first?.content ?? "")).toBe("Bob received: Hello, world!\n");
  }, 30_000);

  test("names only npm scripts that exist", () => {
    const { scripts } = JSON.parse(readPage("package.json")) as { scripts: Record<string, string> };
    const named = [...page.matchAll(/npm (?:run ([a-z]+)|(test))\b/g)].map(([, script, short]) => script ?? short ?? "");
    expect(named).toContain("demo");
    expect(named).toContain("test");
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });

  test("lists only methods that NetworkManager has, and all of the contract", () => {
    const named = tableRows(page, "Method").flatMap(([cell = ""]) => [...cell.matchAll(/(\w+)\(/g)].map(([, name = ""]) => name));
    const contract = ["start", "stop", "connectToPeer", "disconnectFromPeer", "sendMessage", "broadcastMessage"];
    const more = ["getConnectedPeers", "getLocalPort", "setMessageCallback", "setConnectionCallback", "setErrorCallback"];
    expect(named).toEqual(expect.arrayContaining([...contract, ...more]));
    const has = (name: string): boolean => name in linknet || name in linknet.NetworkManager.prototype;
    expect(named.filter((name) => !has(name))).toEqual([]);
  });

  test.each(["README.md", "PROTOCOL.md", "CHANGELOG.md", "docs/architecture.md", "docs/custom-transport.md"])(
    "%s links to nothing that is missing",
    (path) => {
      const targets = [...readPage(path).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)].map(([, target = ""]) => target);
      const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : "";
      expect(targets.filter((target) => !existsSync(`${ROOT}${folder}${target}`))).toEqual([]);
    },
  );

  test("docs/architecture.md names only files and folders that exist", () => {
    const quoted = [...readPage("docs/architecture.md").matchAll(/`([\w./-]+)`/g)].map(([, path = ""]) => path);
    const paths = quoted.filter((path) => path.includes("/") && !path.startsWith("/"));
    const exists = (path: string): boolean => ["", "src/", "src/core/"].some((folder) => existsSync(ROOT + folder + path));
    expect(paths.length).toBeGreaterThan(30);
    expect(paths.filter((path) => !exists(path))).toEqual([]);
  });

  test("headings that PROTOCOL.md and the code point to exist", () => {
    const protocol = readPage("PROTOCOL.md");
    const headings = [...protocol.matchAll(/^#+ (.+)$/gm)].map(([, text = ""]) => text);
    const anchors = headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, "")
        .replaceAll(" ", "-"),
    );
    const linked = [...protocol.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = ""]) => anchor);
    expect(linked.filter((anchor) => !anchors.includes(anchor))).toEqual([]);
    for (const heading of ["Preamble", "Identity proof", "Records", "Control messages", "Frames on a stream"]) {
      expect(headings).toContain(heading);
    }
  });
});
