// A peer is looked for where it was, and somebody else is there now.

import { expect, test } from "vitest";
import { next, portOf, record, started } from "../manager/support.js";
import { proxiedPair } from "./support.js";

test("a handshake that proves somebody else ends the session at once, and nobody knocks there again", async () => {
  const { alice, bob, proxy } = await proxiedPair();
  const stranger = await started();
  const strangers = record(stranger, "connection");
  const statuses = record(alice, "connection");
  const failed = record(alice, "failed");
  const lost = next(alice, "connection", ({ status }) => status === "reconnecting");
  const ended = next(alice, "connection", ({ status }) => status === "disconnected");
  proxy.target = portOf(stranger);
  proxy.reset();
  await lost;
  const id = "0".repeat(32);
  alice.sendMessage(bob.peerId, { type: "t", payload: 1, id });
  expect((await ended).error?.code).toBe("ERR_HANDSHAKE_AUTH");
  expect(statuses.map(({ status }) => status)).toEqual(["reconnecting", "disconnected"]);
  expect(failed.map(({ messageId, error }) => [messageId, error.code])).toEqual([[id, "ERR_HANDSHAKE_AUTH"]]);
  const knocks = proxy.accepted;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(proxy.accepted).toBe(knocks);
  // The stranger never learned who asked: our identity is sent only to whom we expect.
  expect(strangers).toEqual([]);
});
