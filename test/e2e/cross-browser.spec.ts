// One browser to the other: both have to make the same of WebRTC.

import { talk, test } from "./fixtures.js";

test("Chromium and Firefox chat with each other over WebRTC", async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "Alice", kind: "chromium" });
  const bob = await openChat(room, { name: "Bob", kind: "firefox" });
  await talk(alice, bob);
  await alice.movesTo(bob.peerId, "webrtc");
  await bob.movesTo(alice.peerId, "webrtc");
});
