// What a user sees when the relay dies and comes back: a short "reconnecting", or nothing at all, and every message.

import { expect } from "./fixtures.js";
import { expectCompleteTranscript, startConversation } from "./numbering-tab.js";
import { RECONNECTED, RELAYED, test, UNDISTURBED } from "./resume-fixtures.js";

test("the relay is killed and comes back under two tabs whose path it is: reconnecting, then every message", async ({
  openTab,
  relay,
}) => {
  const [alice, bob] = [await openTab(RELAYED), await openTab(RELAYED)];
  await alice.connectTo(bob);
  await startConversation(alice, bob);
  await relay.kill();
  await alice.becomes("reconnecting", bob);
  await bob.becomes("reconnecting", alice);
  await Promise.all([alice.saysMore(), bob.saysMore()]);
  await relay.start();
  await alice.becomes("connected", bob);
  await bob.becomes("connected", alice);
  await expectCompleteTranscript(alice, bob);
  expect(await alice.statusesOf(bob)).toEqual(RECONNECTED);
  expect(await bob.statusesOf(alice)).toEqual(RECONNECTED);
});

test("the relay is killed and comes back under two tabs on WebRTC: they notice nothing, and a third can join them", async ({
  openTab,
  relay,
  room,
}) => {
  const [alice, bob] = [await openTab(), await openTab()];
  for (const tab of [alice, bob]) await tab.joinRoom(room);
  await alice.movesTo("webrtc", bob);
  await bob.movesTo("webrtc", alice);
  await startConversation(alice, bob);
  await relay.kill();
  for (const tab of [alice, bob]) await tab.relayBecomes("disconnected");
  await Promise.all([alice.hearsMore(bob), bob.hearsMore(alice)]);
  await relay.start();
  for (const tab of [alice, bob]) await tab.relayBecomes("connected");
  const carol = await openTab();
  await carol.joinRoom(room);
  for (const tab of [alice, bob]) {
    await carol.becomes("connected", tab);
    await tab.becomes("connected", carol);
  }
  await expectCompleteTranscript(alice, bob);
  for (const [tab, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    expect(await tab.statusesOf(other)).toEqual(UNDISTURBED);
    expect(await tab.pathsTo(other)).toEqual(["relay", "webrtc"]);
  }
});
