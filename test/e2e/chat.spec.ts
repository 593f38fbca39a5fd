// The chat page in real browsers: tabs and Node in one room, over the relay first and directly soon after.

import type { NetworkManager } from "linknet";
import { GREETED_ROOM, RELAY_URL } from "../../scripts/lib/e2e-ports.mjs";
import { expect, patternBytes, peerIdBytes, searchRelay, sha256, talk, test } from "./fixtures.js";
import { startNodePeer } from "./node-peer.js";

test("two tabs of one browser chat, and their path turns from relay to WebRTC", async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "Alice" });
  const bob = await openChat(room, { name: "Bob" });
  await talk(alice, bob);
  await alice.movesTo(bob.peerId, "webrtc");
  await bob.movesTo(alice.peerId, "webrtc");
  await alice.say("and this goes directly");
  await bob.hears("and this goes directly");
});

test("a message of our own shows when it was delivered", async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "Alice" });
  const bob = await openChat(room, { name: "Bob" });
  await alice.meets(bob.peerId);
  await alice.say("do you have it?");
  const mine = alice.page.getByTestId("message").filter({ hasText: "do you have it?" });
  await expect(mine).toHaveAttribute("data-mine", "true");
  await expect(mine).toHaveAttribute("data-ticks", "delivered");
});

test("a tab and a Node peer chat, and their path turns from relay to WebSocket", async ({ openChat, room }) => {
  const tab = await openChat(room, { name: "Tab" });
  const node = await startNodePeer(room);
  try {
    await tab.meets(node.peerId);
    await tab.say("hello from the tab");
    await node.hears("hello from the tab");
    node.say("hello from the terminal");
    await tab.hears("hello from the terminal");
    await tab.movesTo(node.peerId, "websocket");
    await node.movesTo(tab.peerId, "websocket");
    for (const text of ["hello from the tab", "hello from the terminal"]) expect((await searchRelay(text)).hits).toBe(0);
  } finally {
    await node.stop();
  }
});

test("the Node peer of the demo greets whoever comes", async ({ openChat }) => {
  const tab = await openChat(GREETED_ROOM, { name: "Guest" });
  await expect(tab.page.getByTestId("message").first()).toBeVisible();
});

test("two tabs and a Node peer hear each other in one room", async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "Alice" });
  const bob = await openChat(room, { name: "Bob" });
  const node = await startNodePeer(room);
  try {
    for (const tab of [alice, bob]) await tab.meets(node.peerId);
    await alice.meets(bob.peerId);
    await node.connectedTo([alice.peerId, bob.peerId]);
    node.say("one word to both of you");
    await alice.hears("one word to both of you");
    await bob.hears("one word to both of you");
    await alice.say("heard by tab and terminal");
    await bob.hears("heard by tab and terminal");
    await node.hears("heard by tab and terminal");
  } finally {
    await node.stop();
  }
});

test("a file of 10 MiB arrives bit for bit, both ways", async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "Alice" });
  const bob = await openChat(room, { name: "Bob" });
  await alice.movesTo(bob.peerId, "webrtc");
  await bob.movesTo(alice.peerId, "webrtc");
  const size = 10 * 1024 * 1024;
  for (const [from, to, seed] of [
    [alice, bob, 1],
    [bob, alice, 2],
  ] as const) {
    const buffer = patternBytes(size, seed);
    const before = (await to.receivedHashes()).length;
    await from.page
      .getByTestId("file-input")
      .setInputFiles({ name: `file-${seed}.bin`, mimeType: "application/octet-stream", buffer });
    const done = to.page.getByTestId("file-done").filter({ hasText: `file-${seed}.bin` });
    await expect(done).toBeVisible({ timeout: 60_000 });
    await expect.poll(async () => (await to.receivedHashes()).length).toBeGreaterThan(before);
    expect(await to.receivedHashes()).toContain(sha256(buffer));
  }
});

test("markup in a message is shown as text", async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "<b>Alice</b>" });
  const bob = await openChat(room, { name: "Bob" });
  await alice.meets(bob.peerId);
  const markup = `<img src=x onerror="document.title='broken'"><b>bold</b>`;
  await alice.say(markup);
  await bob.hears(markup);
  expect(await bob.page.getByTestId("message").locator("img, b").count()).toBe(0);
  expect(await bob.page.title()).not.toBe("broken");
});

test("the relay forwards a text that it cannot read", async ({ openSdkPage, room }) => {
  const secret = `a secret that stays on the relay ${room}`;
  const before = await searchRelay(secret);
  const [alice, bob] = [await openSdkPage(), await openSdkPage()];
  type SdkWindow = Window & { linknet_sdk: typeof import("linknet"); net: NetworkManager; heard: Promise<unknown> };
  const start = async (page: typeof alice, relay: string) =>
    page.evaluate(async (url) => {
      const here = window as unknown as SdkWindow;
      const { NetworkManager } = here.linknet_sdk;
      here.net = new NetworkManager({ relays: [url], upgrade: false });
      here.heard = new Promise((resolve) => here.net.setMessageCallback((message) => resolve(message.payload)));
      await here.net.start();
      return here.net.peerId;
    }, relay);
  await start(alice, RELAY_URL);
  const bobId = await start(bob, RELAY_URL);
  await alice.evaluate(
    async ([peerId, text]) => {
      const here = window as unknown as SdkWindow;
      await here.net.connectToPeer(peerId);
      await here.net.deliver(peerId, here.linknet_sdk.text(text));
    },
    [bobId, secret] as const,
  );
  expect(await bob.evaluate(() => (window as unknown as SdkWindow).heard)).toBe(secret);
  const path = await alice.evaluate((id) => (window as unknown as SdkWindow).net.getPeer(id)?.path, bobId);
  expect(path).toBe("relay");
  for (const page of [alice, bob]) await page.evaluate(() => (window as unknown as SdkWindow).net.stop());

  const after = await searchRelay(secret);
  expect(after.hits).toBe(0);
  // It passed there, sealed: each way in and out of the relay holds at least its length.
  expect(after.bytes - before.bytes).toBeGreaterThan(2 * secret.length);
});

test("the relay learns who is there, but not the name of the room", async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "Alice" });
  const bob = await openChat(room, { name: "Bob" });
  await alice.meets(bob.peerId);
  // The relay has to know these; so this also proves that the search would find what is not sealed.
  for (const { peerId } of [alice, bob]) expect((await searchRelay(peerIdBytes(peerId))).hits).toBeGreaterThan(0);
  expect((await searchRelay(room)).hits).toBe(0);
});
