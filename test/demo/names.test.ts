import { describe, expect, test } from "vitest";
import { displayName, formatBytes, ownName, pathLabel, safeFileName, terminalText } from "../../demo-web/chat/names.js";

const ID = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst";

describe("names of other people", () => {
  test("markup stays the text that it is, for the view to show as text", () => {
    expect(displayName("<img src=x onerror=1>", ID)).toBe("<img src=x onerror=1>");
  });

  test("direction overrides, controls, zero-width and tag characters are taken out", () => {
    expect(displayName("Al\u202eice\u0007\u200b\ufeff\u{e0041}", ID)).toBe("Alice");
    expect(displayName("a\u001b[31mred", ID)).toBe("a[31mred");
  });

  test("line breaks become spaces, so that a name stays one line", () => {
    expect(displayName("Ada\r\n\n  left", ID)).toBe("Ada left");
  });

  test("a megabyte of name is cut to what a list can show", () => {
    const shown = displayName("x".repeat(1_000_000), ID);
    expect([...shown]).toHaveLength(32);
    expect(shown.endsWith("…")).toBe(true);
  });

  test("a tower of accents is cut to three", () => {
    expect(displayName(`a${"\u0301".repeat(50)}`, ID)).toBe(`a${"\u0301".repeat(3)}`);
  });

  test("a name of nothing visible is replaced by a piece of the id", () => {
    for (const name of ["", "   ", "\u202e\u200b", "\ud800"]) expect(displayName(name, ID)).toBe("peer abcdef");
  });

  test("our own name fits the 64 bytes that the SDK takes, whole letters only", () => {
    const name = ownName("😀".repeat(40));
    expect(new TextEncoder().encode(name).length).toBeLessThanOrEqual(64);
    expect(name).toBe("😀".repeat(16));
  });
});

describe("text on a terminal", () => {
  test("escape sequences lose what makes them act", () => {
    expect(terminalText("\u001b]0;title\u0007\u001b[2J\u009b31mhi")).toBe("]0;title[2J31mhi");
  });

  test("line breaks of every kind become plain ones, so that no text can overwrite its line", () => {
    expect(terminalText("real\rfake\r\nnext\ttab")).toBe("real\nfake\nnext\ttab");
  });
});

describe("file names from outside", () => {
  test.each([
    ["../../etc/passwd", "passwd"],
    ["..\\..\\windows\\system.ini", "system.ini"],
    ["/", "file"],
    ["..", "file"],
    [".bashrc", "bashrc"],
    ["a\u0000b.txt", "ab.txt"],
    ["photo\u202egnp.exe", "photognp.exe"],
    ["a\nb.txt", "a b.txt"],
    ["con.txt", "_con.txt"],
    ["LPT1", "_LPT1"],
    ["what?.txt:stream", "what_.txt_stream"],
    ["trailing. . ", "trailing"],
    ["-rf", "rf"],
    ["~", "file"],
    ["", "file"],
    ["Ünïcode 名前.png", "Ünïcode 名前.png"],
  ])("%j is saved as %j", (given, safe) => {
    expect(safeFileName(given)).toBe(safe);
  });

  test("a long name is cut, and keeps its extension", () => {
    const safe = safeFileName(`${"名".repeat(5000)}.png`);
    expect(new TextEncoder().encode(safe).length).toBeLessThanOrEqual(200);
    expect(safe.endsWith(".png")).toBe(true);
  });
});

test("sizes are written in the units of file managers", () => {
  expect([0, 999, 1000, 1_400_000, 20_000_000, 999_600, 104_857_600].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "1.4 MB",
    "20 MB",
    "1.0 MB",
    "105 MB",
  ]);
});

test("paths are called as people call them, and a custom one cannot reach into the table's prototype", () => {
  expect([null, "webrtc", "carrier-pigeon", "constructor"].map(pathLabel)).toEqual([
    "no path",
    "WebRTC",
    "carrier-pigeon",
    "constructor",
  ]);
});
