import { describe, expect, test } from "vitest";
import {
  CHUNK_BYTES,
  isChatText,
  isFileCancel,
  isFileChunk,
  isFileEnd,
  isFileOffer,
  MAX_FILE_BYTES,
  MAX_TEXT_LENGTH,
  newTransferId,
} from "../../demo-web/chat/chat-protocol.js";

const ID = "0123456789abcdef0123456789abcdef";
const NOTHINGS = [null, undefined, 0, "", "text", [], new Uint8Array(3), true];

const offer = { transferId: ID, name: "photo.png", size: 10, mime: "image/png" };
const chunk = { transferId: ID, offset: 0, data: new Uint8Array(1) };
const cancel = { transferId: ID, reason: "cancelled" };

describe("every message of the chat", () => {
  test("is taken when it is as it should be", () => {
    expect(isChatText({ text: "hello" })).toBe(true);
    expect(isFileOffer(offer)).toBe(true);
    expect(isFileOffer({ ...offer, size: 0, name: "", mime: "" })).toBe(true);
    expect(isFileChunk({ ...chunk, data: new Uint8Array(CHUNK_BYTES) })).toBe(true);
    expect(isFileEnd({ transferId: ID })).toBe(true);
    expect(isFileCancel(cancel)).toBe(true);
  });

  test.each([isChatText, isFileOffer, isFileChunk, isFileEnd, isFileCancel])("is refused when it is no object: %o", (check) => {
    for (const nothing of NOTHINGS) expect(check(nothing)).toBe(false);
  });
});

test.each([1, null, "", "  \n ", "x".repeat(MAX_TEXT_LENGTH + 1), ["a"], new Uint8Array(2)])("refuses the text %j", (text) => {
  expect(isChatText({ text })).toBe(false);
});

const wrongIds = [undefined, 1, "", "abc", ID.toUpperCase(), `${ID}0`, `${ID}\n`, "__proto__"];

test.each(wrongIds)("refuses the transfer id %j everywhere", (transferId) => {
  expect(isFileOffer({ ...offer, transferId })).toBe(false);
  expect(isFileChunk({ ...chunk, transferId })).toBe(false);
  expect(isFileEnd({ transferId })).toBe(false);
  expect(isFileCancel({ ...cancel, transferId })).toBe(false);
});

test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, MAX_FILE_BYTES + 1, "1", undefined])(
  "refuses %j bytes",
  (bytes) => {
    expect(isFileOffer({ ...offer, size: bytes })).toBe(false);
    expect(isFileChunk({ ...chunk, offset: bytes })).toBe(false);
  },
);

test("refuses names and types that are too long or no text", () => {
  expect(isFileOffer({ ...offer, name: "x".repeat(1025) })).toBe(false);
  expect(isFileOffer({ ...offer, name: 5 })).toBe(false);
  expect(isFileOffer({ ...offer, mime: "x".repeat(129) })).toBe(false);
  expect(isFileOffer({ ...offer, mime: undefined })).toBe(false);
});

test("refuses chunks without bytes, with too many, and with anything else in their place", () => {
  for (const data of [new Uint8Array(0), new Uint8Array(CHUNK_BYTES + 1), "abc", [1], new ArrayBuffer(4), undefined]) {
    expect(isFileChunk({ ...chunk, data })).toBe(false);
  }
});

test("refuses reasons that it does not know", () => {
  for (const reason of ["left", "", "constructor", 1, undefined]) expect(isFileCancel({ ...cancel, reason })).toBe(false);
});

test("draws transfer ids that its own check takes", () => {
  expect(isFileEnd({ transferId: newTransferId() })).toBe(true);
  expect(newTransferId()).not.toBe(newTransferId());
});
