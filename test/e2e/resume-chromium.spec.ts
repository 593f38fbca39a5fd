// The same where it takes Chromium's tools or would only take time again: offline, frozen, reloaded, a path that dies in silence.

import { type ChatPage, expect } from "./fixtures.js";
import { expectCompleteTranscript, PAUSE_MS, startConversation } from "./numbering-tab.js";
import { RECONNECTED, RELAYED, test, UNDISTURBED } from "./resume-fixtures.js";
import { canCutUdp, cutUdp } from "./udp-cut.js";

/** One browser is enough: these take its own tools, or long. */
const ONCE = { tag: "@any-browser" };

test(
  "the chat page says that it reconnects while the relay is gone, and then shows every message",
  ONCE,
  async ({ openChat, relay, room }) => {
    const alice = await openChat(room, { name: "Alice", relay: relay.url, webrtc: false });
    const bob = await openChat(room, { name: "Bob", relay: relay.url, webrtc: false });
    await alice.meets(bob.peerId);
    await bob.meets(alice.peerId);
    const banners = [alice, bob].map(({ page }) => page.getByTestId("banner"));
    for (const banner of banners) await expect(banner).toHaveCount(0);
    await sayInTurn(alice, bob, "before");
    await relay.kill();
    for (const banner of banners) await expect(banner).toContainText("Reconnecting");
    await sayInTurn(alice, bob, "meanwhile");
    await relay.start();
    for (const banner of banners) await expect(banner).toHaveCount(0);
    await sayInTurn(alice, bob, "after");
    const expected = ["before", "meanwhile", "after"].flatMap((when) => [`${when} 1`, `${when} 2`, `${when} 3`]);
    for (const { page } of [alice, bob]) {
      const heard = page.locator("[data-testid=message][data-mine=false]").getByTestId("message-text");
      await expect(heard).toHaveText(expected);
      const said = page.locator("[data-testid=message][data-mine=true]");
      await expect(said).toHaveCount(expected.length);
      for (const message of await said.all()) await expect(message).toHaveAttribute("data-ticks", "delivered");
    }
  },
);

test(
  "a tab that is reloaded is gone at once for the others, and the new one takes its place",
  ONCE,
  async ({ openChat, room }) => {
    const alice = await openChat(room, { name: "Alice" });
    const bob = await openChat(room, { name: "Bob" });
    await alice.movesTo(bob.peerId, "webrtc");
    await bob.movesTo(alice.peerId, "webrtc");
    await bob.say("the first of us");
    await alice.hears("the first of us");
    await bob.page.reload();
    await expect(memberRow(alice, bob.peerId)).toHaveCount(0, { timeout: 5_000 });
    await bob.page.getByTestId("join").click();
    await expect(bob.page.getByTestId("message-input")).toBeVisible();
    const again = await bob.page.evaluate(() => (window as Window & { linknet?: { peerId: string } }).linknet?.peerId ?? "");
    expect(again).not.toBe(bob.peerId);
    await alice.meets(again);
    await expect(memberRow(bob, alice.peerId)).toHaveAttribute("data-path", /./);
    await alice.say("the second of us");
    await bob.hears("the second of us");
    await expect(memberRow(alice, bob.peerId)).toHaveCount(0);
  },
);

test("a tab is offline for ten seconds: nothing is lost on the relay path, nor on WebRTC", ONCE, async ({ openTab }) => {
  const onRelay = [await openTab(RELAYED), await openTab(RELAYED)] as const;
  const onWebRtc = [await openTab(), await openTab()] as const;
  const pairs = [onRelay, onWebRtc];
  for (const [alice, bob] of pairs) await alice.connectTo(bob);
  await onWebRtc[0].movesTo("webrtc", onWebRtc[1]);
  await onWebRtc[1].movesTo("webrtc", onWebRtc[0]);
  for (const [alice, bob] of pairs) await startConversation(alice, bob);
  const contexts = pairs.map(([_, bob]) => bob.page.context());
  for (const context of contexts) await context.setOffline(true);
  await Promise.all(pairs.flat().map((tab) => tab.saysMore(10_000 / PAUSE_MS, 40_000)));
  for (const context of contexts) await context.setOffline(false);
  for (const [alice, bob] of pairs) await expectCompleteTranscript(alice, bob);
  // Playwright takes the relay away from the tab, but no WebRTC connection: that one goes on meanwhile.
  expect(await onWebRtc[0].statusesOf(onWebRtc[1])).toEqual(UNDISTURBED);
  expect(await onWebRtc[1].statusesOf(onWebRtc[0])).toEqual(UNDISTURBED);
});

test(
  "a tab is frozen for longer than the keep-alive waits: reconnecting, then every message",
  ONCE,
  async ({ openTab, openFreezableTab }) => {
    const alice = await openTab();
    const bob = await openFreezableTab();
    await alice.connectTo(bob);
    await alice.movesTo("webrtc", bob);
    await bob.movesTo("webrtc", alice);
    await startConversation(alice, bob);
    await bob.page.freeze();
    const saidAtMost = await bob.said();
    await alice.becomes("reconnecting", bob, 25_000);
    await alice.saysMore(50);
    expect(await bob.said()).toBe(saidAtMost);
    await bob.page.thaw();
    await alice.becomes("connected", bob);
    await bob.becomes("connected", alice);
    await expectCompleteTranscript(alice, bob);
    expect(await alice.statusesOf(bob)).toEqual(RECONNECTED);
  },
);

test("a WebRTC path dies in silence: the relay takes over within 15 s, until UDP passes again", ONCE, async ({ openTab }) => {
  // Without a network of our own there is nothing that we may cut.
  test.skip(!canCutUdp(), "needs a network namespace: Linux and root");
  const [alice, bob] = [await openTab(), await openTab()];
  await alice.connectTo(bob);
  await alice.movesTo("webrtc", bob);
  await bob.movesTo("webrtc", alice);
  await startConversation(alice, bob);
  const mend = await cutUdp();
  try {
    const cutAt = performance.now();
    await alice.hasBeen("reconnecting", bob);
    expect(performance.now() - cutAt).toBeLessThan(15_000);
    for (const [tab, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      await tab.movesTo("relay", other);
      await tab.hearsMore(other);
    }
  } finally {
    await mend();
  }
  await alice.movesTo("webrtc", bob, 40_000);
  await bob.movesTo("webrtc", alice, 40_000);
  await expectCompleteTranscript(alice, bob);
  for (const [tab, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    expect(await tab.statusesOf(other)).toEqual(RECONNECTED);
    expect(await tab.pathsTo(other)).toEqual(["relay", "webrtc", "relay", "webrtc"]);
  }
});

function memberRow({ page }: ChatPage, peerId: string) {
  return page.locator(`[data-testid=member][data-peer-id="${peerId}"]`);
}

/** Three messages of each, one after the other. */
async function sayInTurn(alice: ChatPage, bob: ChatPage, text: string): Promise<void> {
  for (const number of [1, 2, 3]) {
    await alice.say(`${text} ${number}`);
    await bob.say(`${text} ${number}`);
  }
}
