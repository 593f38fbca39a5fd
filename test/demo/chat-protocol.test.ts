import { describe, expect, test } from "vitest";
import { isChatText, MAX_TEXT_LENGTH, textOf } from "../../demo-web/chat/chat-protocol.js";
import {
  CANCEL_REASONS,
  decodeReport,
  encodeOffer,
  encodeReport,
  type FileOffer,
  isFileOffer,
  MAX_FILE_BYTES,
  MAX_HEADER_BYTES,
  newTransferId,
  REPORT_BYTES,
  readOffer,
} from "../../demo-web/chat/file-protocol.js";
import { PieceReader } from "../../demo-web/chat/piece-reader.js";

const ID = "0123456789abcdef0123456789abcdef";
const offer: FileOffer = { transferId: ID, name: "photo.png", size: 10, mime: "image/png" };

function streamOf(...pieces: Uint8Array[]): PieceReader {
  return new PieceReader(
    new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(piece);
        controller.close();
      },
    }),
  );
}

function headerOf(json: string, length = json.length): Uint8Array {
  const bytes = new Uint8Array(4 + json.length);
  new DataView(bytes.buffer).setUint32(0, length);
  bytes.set(new TextEncoder().encode(json), 4);
  return bytes;
}

describe("texts", () => {
  test.each([1, null, "", "  \n ", "x".repeat(MAX_TEXT_LENGTH + 1), ["a"], new Uint8Array(2)])("refuses the text %j", (text) => {
    expect(isChatText({ text })).toBe(false);
  });

  test.each([null, undefined, 0, "text", [], new Uint8Array(3), true])("refuses what is no object: %j", (nothing) => {
    expect(isChatText(nothing)).toBe(false);
    expect(isFileOffer(nothing)).toBe(false);
  });

  test("come through by both of their types, and what is malformed is left alone", () => {
    const come = (type: string, payload: unknown) => textOf({ type, payload, id: "", senderId: "ada", timestamp: 0 });
    expect([come("chat.text", { text: "one" }), come("text", "two")]).toEqual(["one", "two"]);
    expect(come("chat.text", "three")).toBeNull();
    expect(come("text", { text: "four" })).toBeNull();
    expect(come("text", "x".repeat(5000))).toBeNull();
    expect(come("something.else", null)).toBeNull();
  });
});

describe("the header of a file", () => {
  test("comes back as it was, however its bytes are cut", async () => {
    const bytes = encodeOffer({ ...offer, name: "Größe \u{1f600}.png" });
    const pieces = Array.from(bytes, (byte) => Uint8Array.of(byte));
    expect(await readOffer(streamOf(...pieces))).toEqual({ ...offer, name: "Größe \u{1f600}.png" });
  });

  test("leaves the bytes behind it to the file", async () => {
    const reader = streamOf(new Uint8Array([...encodeOffer(offer), 7, 8]));
    expect(await readOffer(reader)).toEqual(offer);
    expect(await reader.next()).toEqual(Uint8Array.of(7, 8));
    expect(await reader.next()).toBeNull();
  });

  test("fits at its longest, every character escaped", async () => {
    const longest = { ...offer, name: "\u0001".repeat(300), mime: "\u0001".repeat(300) };
    expect(encodeOffer(longest).length).toBeLessThan(MAX_HEADER_BYTES);
    expect(await readOffer(streamOf(encodeOffer(longest)))).toMatchObject({ name: "\u0001".repeat(255) });
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["half a length", new Uint8Array(3)],
    ["a header that is cut short", encodeOffer(offer).subarray(0, 40)],
    ["a length that nobody may keep", headerOf("{}", 0xffff_ffff)],
    ["no JSON", headerOf("{nonsense")],
    ["no offer", headerOf("[]")],
    ["bytes that are no UTF-8", Uint8Array.of(0, 0, 0, 1, 0xff)],
  ])("is refused: %s", async (_name, bytes) => {
    expect(await readOffer(streamOf(bytes))).toBeNull();
  });

  test.each([undefined, 1, "", "abc", ID.toUpperCase(), `${ID}0`, `${ID}\n`, "__proto__"])(
    "is refused with the transfer id %j",
    (transferId) => {
      expect(isFileOffer({ ...offer, transferId })).toBe(false);
    },
  );

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, MAX_FILE_BYTES + 1, "1", undefined])(
    "is refused with %j bytes",
    (size) => {
      expect(isFileOffer({ ...offer, size })).toBe(false);
    },
  );

  test("is refused with names and types that are too long or no text", () => {
    expect(isFileOffer({ ...offer, name: "x".repeat(256) })).toBe(false);
    expect(isFileOffer({ ...offer, name: 5 })).toBe(false);
    expect(isFileOffer({ ...offer, mime: "x".repeat(129) })).toBe(false);
    expect(isFileOffer({ ...offer, mime: undefined })).toBe(false);
    expect(isFileOffer({ ...offer, size: 0, name: "", mime: "" })).toBe(true);
  });

  test("draws transfer ids that its own check takes", () => {
    expect(isFileOffer({ ...offer, transferId: newTransferId() })).toBe(true);
    expect(newTransferId()).not.toBe(newTransferId());
  });
});

describe("a report", () => {
  test("comes back as it was", () => {
    for (const bytes of [0, 1, MAX_FILE_BYTES]) {
      expect(decodeReport(encodeReport({ kind: "have", bytes }))).toEqual({ kind: "have", bytes });
    }
    for (const reason of CANCEL_REASONS) {
      expect(decodeReport(encodeReport({ kind: "refused", reason }))).toEqual({ kind: "refused", reason });
    }
    expect(encodeReport({ kind: "have", bytes: 258 })).toEqual(Uint8Array.of(1, 0, 0, 0, 0, 1, 2));
    expect(encodeReport({ kind: "have", bytes: 0 })).toHaveLength(REPORT_BYTES);
  });

  test.each([
    ["an unknown kind", [3, 0, 0, 0, 0, 0, 0]],
    ["more than any file has", [1, 0, 0, 0xff, 0, 0, 0]],
    ["more than 32 bits", [1, 0, 1, 0, 0, 0, 0]],
    ["an unknown reason", [2, 0, 0, 0, 0, 0, 99]],
  ])("makes no sense with %s", (_name, bytes) => {
    expect(decodeReport(Uint8Array.from(bytes))).toBeNull();
  });
});
