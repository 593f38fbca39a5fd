import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { PeerInfo } from "linknet";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { progressText } from "../../demo-node/chat-files.js";
import { findPeers, messageLine, peersTable } from "../../demo-node/chat-lines.js";
import { parseChatOptions } from "../../demo-node/chat-options.js";
import { diskSink, openSource, typedPath } from "../../demo-node/disk-files.js";
import { answerTo, GreeterManners, greeting } from "../../demo-node/greeter.js";
import { readIdentity } from "../../demo-node/identity-file.js";
import { enableColours } from "../../demo-node/style-text.js";
import type { FileOffer } from "../../demo-web/chat/file-protocol.js";

const PEER: PeerInfo = {
  ...{ id: "abcdefghij", name: "Ada", address: null, path: "webrtc", status: "connected", rttMs: 4.23 },
  ...{ messagesIn: 3, messagesOut: 4, bytesIn: 0, bytesOut: 0, queuedBytes: 0 },
};

describe("the command line", () => {
  test("needs a room or a ticket", () => {
    expect(parseChatOptions([], {})).toMatchObject({ problem: expect.stringContaining("which room") });
    expect(parseChatOptions(["--ticket", "x"], {})).toMatchObject({ room: null, ticket: "x" });
  });

  test("fills in what is not given", () => {
    expect(parseChatOptions(["garden"], {})).toMatchObject({
      ...{ room: "garden", relay: "ws://127.0.0.1:8787", port: 0, greet: false, downloads: "linknet-downloads" },
    });
    expect(parseChatOptions(["garden"], { LINKNET_RELAY: "wss://r.example" })).toMatchObject({ relay: "wss://r.example" });
    expect(parseChatOptions(["garden", "--greet"], {})).toMatchObject({ name: "Greeter", greet: true });
  });

  test.each([
    ["a", "b"],
    ["a", "--port", "65536"],
    ["a", "--port", "-1"],
    ["a", "--port", "x"],
    ["a", "--nonsense"],
  ])("refuses %j with a sentence", (...argv) => {
    expect(parseChatOptions(argv, {})).toMatchObject({ problem: expect.any(String) });
  });

  test("gives help, whatever else is there", () => {
    expect(parseChatOptions(["--help"], {})).toBe("help");
  });
});

describe("lines of the terminal", () => {
  test("a message cannot pretend to be the line of somebody else", () => {
    const line = messageLine("Mallory", "id", "hi\n12:00 Ada I agree\r12:01 Ada really", 0);
    const rows = line.split("\n");
    expect(rows).toHaveLength(3);
    for (const row of rows.slice(1)) expect(row).toMatch(/^ {6}│ /);
  });

  test("nothing from outside keeps its escape sequences", () => {
    const line = messageLine("\u001b[31mred", "id", "\u001b[2J\u0007boo", 0) + peersTable([{ ...PEER, name: "\u001b[2Jx" }]);
    expect(line).not.toContain("\u001b");
  });

  test("there are no colours without a terminal, with NO_COLOR, or in a dumb one", () => {
    const line = (isTerminal: boolean, env: Record<string, string>): string => {
      enableColours(isTerminal, env);
      const text = messageLine("Ada", "id", "hi", 0);
      enableColours(false, {});
      return text;
    };
    expect(line(true, {})).toContain("\u001b[");
    for (const [isTerminal, env] of [
      [false, {}],
      [true, { NO_COLOR: "1" }],
      [true, { TERM: "dumb" }],
    ] as const) {
      expect(line(isTerminal, env)).not.toContain("\u001b[");
    }
  });

  test("/peers shows who is reached how", () => {
    const [head, row] = peersTable([PEER]).split("\n");
    expect(head?.trim()).toMatch(/^name +id +path +round trip +status +messages$/);
    expect(row?.trim()).toBe("Ada   abcdef  WebRTC  4.2 ms      connected  3 in, 4 out");
  });

  test("peers are found by name first, then by beginnings", () => {
    const adam = { ...PEER, id: "zzzz", name: "Adam" };
    expect(findPeers([PEER, adam], "ada")).toEqual([PEER]);
    expect(findPeers([PEER, adam], "ad")).toEqual([PEER, adam]);
    expect(findPeers([PEER, adam], "zz")).toEqual([adam]);
    expect(findPeers([PEER, adam], "bob")).toEqual([]);
  });

  test("progress names the first file and counts the others", () => {
    const moving = { mark: "↑", name: "a.bin", size: 200, bytes: 86 } as const;
    expect(progressText([])).toBeNull();
    expect(progressText([moving])).toBe("↑43% a.bin");
    expect(progressText([moving, moving])).toBe("↑43% a.bin +1");
  });
});

describe("the greeter", () => {
  const reach = { path: "webrtc", rttMs: 3.21 };

  test("answers its few words, and nothing else", () => {
    expect(answerTo("Hello!", "Ada", reach)).toBe("Nice to meet you, Ada.");
    expect(answerTo("/path?", "Ada", reach)).toBe("Ada, you reach me directly, over WebRTC, 3.2 ms there and back.");
    expect(answerTo("/path?", "Ada", { path: "relay", rttMs: null })).toBe("Ada, you reach me through the relay.");
    expect(answerTo("hello everybody, how are you", "Ada", reach)).toBeNull();
  });

  test("says nothing that another greeter would answer", () => {
    const said = [greeting("Ada"), ...["hello", "path", "help", "time"].map((word) => answerTo(word, "Ada", reach) ?? "")];
    for (const text of said) {
      expect(text).not.toBe("");
      expect(answerTo(text, "Bob", reach)).toBeNull();
    }
  });

  test("greets each peer once, and answers no more than five times in ten seconds", () => {
    const manners = new GreeterManners();
    expect([manners.isNew("ada"), manners.isNew("ada"), manners.isNew("bob")]).toEqual([true, false, true]);
    const answers = Array.from({ length: 7 }, (_, index) => manners.mayAnswer("ada", index));
    expect(answers).toEqual([true, true, true, true, true, false, false]);
    expect(manners.mayAnswer("bob", 6)).toBe(true);
    expect(manners.mayAnswer("ada", 10_001)).toBe(true);
  });
});

describe("files on disk", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "linknet-demo-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const offer = (name: string, size = 1): FileOffer => ({ transferId: "0123456789abcdef".repeat(2), name, size, mime: "" });
  const parts = (): string[] => readdirSync(folder).filter((name) => name.endsWith(".part"));
  /** As if the process that wrote the part had died: no process has this number. */
  const orphan = (): void => {
    for (const name of parts()) renameSync(join(folder, name), join(folder, name.replace(/-\d+\.part$/, "-2147483647.part")));
  };

  test("a received file stays in its folder, under a name of its own", () => {
    writeFileSync(join(folder, "a.txt"), "mine");
    const sink = diskSink(folder, "ada", offer("../../a.txt"));
    sink.write(new TextEncoder().encode("theirs"));
    expect(readdirSync(folder)).toHaveLength(2);
    const path = sink.finish();
    expect(basename(path)).toBe("a (2).txt");
    expect(readFileSync(path, "utf8")).toBe("theirs");
    expect(readFileSync(join(folder, "a.txt"), "utf8")).toBe("mine");
    expect(readdirSync(folder).sort()).toEqual(["a (2).txt", "a.txt"]);
  });

  test("two that arrive at once under one name do not mix", () => {
    const sinks = ["ada", "bob"].map((peerId) => diskSink(folder, peerId, offer("x.bin")));
    sinks[1]?.write(Uint8Array.of(2));
    sinks[0]?.write(Uint8Array.of(1));
    const bytes = sinks.map((sink) => readFileSync(sink.finish())[0]);
    expect(bytes).toEqual([1, 2]);
  });

  test("one that is given up leaves nothing behind", () => {
    const sink = diskSink(join(folder, "new"), "ada", offer("x.bin"));
    sink.write(Uint8Array.of(1));
    sink.abort();
    expect(readdirSync(join(folder, "new"))).toEqual([]);
  });

  test("a part that another process left is gone on with", () => {
    const first = diskSink(folder, "ada", offer("x.bin", 4));
    first.write(Uint8Array.of(1, 2, 3));
    first.suspend();
    orphan();
    const second = diskSink(folder, "ada", offer("x.bin", 4));
    expect(second.hasBytes).toBe(3);
    expect(parts()).toHaveLength(1);
    second.write(Uint8Array.of(4));
    expect([...readFileSync(second.finish())]).toEqual([1, 2, 3, 4]);
    expect(readdirSync(folder)).toEqual(["x.bin"]);
  });

  test("a part is left alone by other senders, other sizes, and while its process lives", () => {
    const first = diskSink(folder, "ada", offer("x.bin", 4));
    first.write(Uint8Array.of(1, 2, 3));
    expect(diskSink(folder, "mallory", offer("x.bin", 4)).hasBytes).toBe(0);
    expect(diskSink(folder, "ada", offer("x.bin", 3)).hasBytes).toBe(0);
    for (const name of parts())
      renameSync(join(folder, name), join(folder, name.replace(/-\d+\.part$/, `-${process.ppid}.part`)));
    expect(diskSink(folder, "ada", offer("x.bin", 4)).hasBytes).toBe(0);
  });

  test("parts of dead processes go after a day, and when they are many", () => {
    const mark = "0123456789abcdef01234567";
    const old = join(folder, `old.${mark}-2147483647.part`);
    writeFileSync(old, "x");
    utimesSync(old, 0, 0);
    for (let count = 0; count < 40; count++) writeFileSync(join(folder, `${count}.${mark}-2147483647.part`), "x");
    writeFileSync(join(folder, "mine.part"), "x");
    diskSink(folder, "ada", offer("x.bin")).abort();
    expect(parts()).toContain("mine.part");
    expect(parts()).not.toContain(basename(old));
    expect(parts()).toHaveLength(33);
  });

  test("an identity is made once, for its owner alone, and read again", () => {
    const path = join(folder, "key");
    const made = readIdentity(path);
    expect(made).toHaveLength(32);
    expect(readIdentity(path)).toEqual(made);
    if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o600);
    writeFileSync(path, "short");
    expect(() => readIdentity(path)).toThrow("holds no identity");
    expect(() => readIdentity(folder)).toThrow("cannot be read");
  });

  test("a file to send is read where it is asked for", async () => {
    const path = join(folder, "b.bin");
    writeFileSync(path, "0123456789");
    const source = await openSource(path);
    if (typeof source === "string") throw new Error(source);
    expect(source).toMatchObject({ name: "b.bin", size: 10 });
    expect(Buffer.from(await source.read(3, 4)).toString()).toBe("3456");
    expect(await source.read(8, 4)).toHaveLength(2);
    await source.close();
  });

  test("what cannot be sent is told in a sentence", async () => {
    expect(await openSource(join(folder, "missing"))).toBe("There is no such file.");
    expect(await openSource(folder)).toContain("not a file");
  });

  test.runIf(process.platform !== "win32")("paths are taken as terminals write them", () => {
    expect(typedPath(' "my file.txt" ')).toBe("my file.txt");
    expect(typedPath("my\\ file.txt")).toBe("my file.txt");
    expect(typedPath("~/a").startsWith("~")).toBe(false);
  });
});
