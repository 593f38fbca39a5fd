// The panel "Why this path?" of the chat page: what it says about a path that moved and one that stays, by keyboard and on a phone.

import { expect, test } from "./fixtures.js";

test("tells why the path to another tab is direct, with the attempts and their outcome", async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "Alice" });
  const bob = await openChat(room, { name: "Bob" });
  await alice.movesTo(bob.peerId, "webrtc");
  await alice.page.getByTestId("member").filter({ hasText: "Bob" }).click();
  const panel = alice.page.getByTestId("why-path");
  // Closed at first, and opened by the keyboard.
  await expect(panel.getByTestId("path-reason")).toHaveCount(0);
  await expect(panel.locator("summary")).toBeVisible();
  // Firefox lets keys do nothing of their own in a window that is behind another one.
  await alice.page.bringToFront();
  await panel.locator("summary").focus();
  await alice.page.keyboard.press("Enter");
  await expect(panel.getByTestId("path-reason")).toHaveText(/^Nothing better is known that both sides have\./);
  await expect(panel).toContainText("Relay → WebRTC");
  const lane = panel.getByTestId("lane");
  await expect(lane).toHaveAttribute("data-outcome", "opened");
  await expect(lane).toContainText(/^WebRTC, begun by (us|them)opened after \d/);
  // The drawing is for eyes alone: what it says stands beside it.
  expect(await panel.locator("svg:not([aria-hidden=true])").count()).toBe(0);
});

test("tells why a path stays on the relay, and what would help", async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "Alice", webrtc: false });
  const bob = await openChat(room, { name: "Bob" });
  await alice.meets(bob.peerId);
  await bob.page.getByTestId("member").filter({ hasText: "Alice" }).click();
  const panel = bob.page.getByTestId("why-path");
  await panel.locator("summary").click();
  await expect(panel.getByTestId("path-reason")).toHaveText(/^The two sides have no direct way in common\./);
  await expect(panel).toContainText("This side has tried no other path.");
});

test("opens on a phone, out of the list of members, and fits", async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "Alice" });
  const bob = await openChat(room, { name: "Bob" });
  await alice.meets(bob.peerId);
  await alice.page.setViewportSize({ width: 360, height: 740 });
  await alice.page.getByTestId("members-toggle").click();
  await alice.page.getByTestId("member").filter({ hasText: "Bob" }).click();
  const panel = alice.page.getByTestId("why-path");
  await panel.locator("summary").click();
  await expect(panel.getByTestId("path-reason")).toBeVisible();
  const widths = await panel.evaluate((element) => [element.scrollWidth, element.clientWidth]);
  expect(widths[0]).toBeLessThanOrEqual(widths[1] as number);
  await alice.page.keyboard.press("Escape");
  await expect(panel).toHaveCount(0);
});
