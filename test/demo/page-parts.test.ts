import { describe, expect, test } from "vitest";
import type { Entry } from "../../demo-web/state/chat-state.js";
import { defaultRelay, formatInvitation, parseInvitation } from "../../demo-web/state/invitation.js";
import { pictureType } from "../../demo-web/state/pictures.js";
import { inventRoomName } from "../../demo-web/state/room-names.js";
import { groupEntries } from "../../demo-web/views/group-entries.js";
import { splitLinks } from "../../demo-web/views/rich-text.js";
import { sparkline } from "../../demo-web/views/sparkline.js";

describe("links that lead into a conversation", () => {
  test.each(["garden", "two words", "a&b=c#d", "名前", "100%"])("bring the room %j back", (room) => {
    expect(parseInvitation(formatInvitation({ room }))).toEqual({ room, ticket: null, relay: null });
  });

  test("take a relay only when it is one", () => {
    expect(parseInvitation("#room=a&relay=wss%3A%2F%2Fr.example").relay).toBe("wss://r.example");
    for (const relay of ["javascript:alert(1)", "https://r.example", "nonsense"]) {
      expect(parseInvitation(`#room=a&relay=${encodeURIComponent(relay)}`).relay).toBeNull();
    }
  });

  test("lead nowhere when they are empty, foreign or endless", () => {
    for (const hash of ["", "#", "#room=", "#garden", `#room=${"x".repeat(5000)}`]) {
      expect(parseInvitation(hash)).toEqual({ room: null, ticket: null, relay: null });
    }
  });

  test("the relay is what the page says, else port 8787 of its host", () => {
    const page = { protocol: "http:", hostname: "box.local" };
    expect(defaultRelay("wss://relay.example", page)).toBe("wss://relay.example");
    expect(defaultRelay("", page)).toBe("ws://box.local:8787");
    expect(defaultRelay(null, { ...page, protocol: "https:" })).toBe("wss://box.local:8787");
  });
});

describe("addresses in messages", () => {
  const links = (text: string): (string | null)[] => splitLinks(text).flatMap(({ href }) => (href === null ? [] : [href]));

  test("become links when they are http or https", () => {
    expect(splitLinks("see https://example.org/a?b=c#d, please")).toEqual([
      { text: "see ", href: null },
      { text: "https://example.org/a?b=c#d", href: "https://example.org/a?b=c#d" },
      { text: ", please", href: null },
    ]);
    expect(links("(http://example.org/x) and https://en.wikipedia.org/wiki/A_(b)")).toEqual([
      "http://example.org/x",
      "https://en.wikipedia.org/wiki/A_(b)",
    ]);
  });

  test.each(["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "https://", "blob:https://a/b"])(
    "leave %j as text",
    (text) => {
      // A web address inside of another scheme may be a link, but never the other scheme.
      for (const href of links(text)) expect(href).toMatch(/^https?:/);
      expect(
        splitLinks(text)
          .map((part) => part.text)
          .join(""),
      ).toBe(text);
    },
  );

  test("do not hide where they lead", () => {
    expect(links("https://bank.example@evil.example/")).toEqual([]);
    expect(splitLinks("https://exаmple.org/")[0]?.text).toBe("https://xn--exmple-4nf.org/");
    expect(links("https://a.example/\u202egpj.exe")).toEqual(["https://a.example/"]);
  });

  test("markup around them stays text", () => {
    expect(splitLinks('<a href="https://a.example">').map(({ text }) => text)).toEqual(['<a href="', "https://a.example", '">']);
  });
});

describe("pictures", () => {
  const head = (...bytes: number[]): Uint8Array => Uint8Array.from([...bytes, ...new Array(12).fill(0)].slice(0, 12));

  test("are known by their first bytes", () => {
    expect(pictureType(head(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a))).toBe("image/png");
    expect(pictureType(head(0xff, 0xd8, 0xff, 0xe0))).toBe("image/jpeg");
    expect(pictureType(new TextEncoder().encode("GIF89a......"))).toBe("image/gif");
    expect(pictureType(new TextEncoder().encode("RIFF....WEBP"))).toBe("image/webp");
  });

  test.each(["<svg xmlns=", "<!doctype ht", "RIFF....WAVE", "GIF88a......", "", "BM"])("are not what begins with %j", (text) => {
    expect(pictureType(new TextEncoder().encode(text))).toBeNull();
  });
});

describe("the line of round-trip times", () => {
  test("is broken where there was no path, and ends at the right", () => {
    const { line, last } = sparkline([1, 2, null, 3]);
    expect(line.match(/M/g)).toHaveLength(2);
    expect(last?.x).toBe(54);
  });

  test("has no dot while there is no path, and no line without samples", () => {
    expect(sparkline([1, null]).last).toBeNull();
    expect(sparkline([])).toEqual({ line: "", last: null });
  });
});

test("what one person says in a row is one group, until a pause or a system line", () => {
  const say = (key: number, senderId: string, timeMs: number): Entry => ({
    ...{ kind: "text", key, timeMs, senderId, senderName: senderId, mine: false, text: "", messageId: "", receipts: {} },
  });
  const groups = groupEntries([
    say(1, "ada", 0),
    say(2, "ada", 1000),
    say(3, "bob", 2000),
    { kind: "system", key: 4, timeMs: 3000, text: "cyr joined" },
    say(5, "bob", 4000),
    say(6, "bob", 4000 + 10 * 60_000),
  ]);
  expect(groups.map((group) => (group.kind === "system" ? "system" : group.entries.map(({ key }) => key)))).toEqual([
    [1, 2],
    [3],
    "system",
    [5],
    [6],
  ]);
});

test("made-up room names follow from their random bytes and differ in each of the last eight", () => {
  expect(inventRoomName((length) => new Uint8Array(length))).toBe("amber-anchor-aaaaaaaa");
  expect(inventRoomName((length) => new Uint8Array(length).fill(255))).toBe("lucky-valley-99999999");
});
