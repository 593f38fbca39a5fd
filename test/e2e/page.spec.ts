// The chat page as a stranger uses it: ticket links, the invitation, fingerprints, the keyboard, a phone, the dark.

import { expect, test } from "./fixtures.js";

test("a ticket link leads a second tab to the first one, alone, and both see the same fingerprint", async ({
  openChat,
  room,
}) => {
  const alice = await openChat(room, { name: "Alice" });
  await alice.page.getByTestId("share").click();
  await alice.page.getByTestId("share-ticket").check({ force: true });
  await expect(alice.page.getByTestId("qr-code")).toBeVisible();
  const link = await alice.page.getByTestId("share-link").inputValue();
  expect(link).toContain("#ticket=ln1");
  await alice.page.keyboard.press("Escape");
  await expect(alice.page.getByTestId("share-link")).toBeHidden();
  // Escape gives the focus back to what opened the dialog.
  await expect(alice.page.getByTestId("share")).toBeFocused();

  const second = await alice.page.context().newPage();
  await second.goto(link);
  await expect(second.getByTestId("ticket-note")).toBeVisible();
  await second.getByTestId("name-input").fill("Bob");
  await second.getByTestId("join").click();
  await second.getByTestId("message-input").fill("by your ticket");
  await expect(second.getByTestId("member")).toHaveCount(1);
  await second.keyboard.press("Enter");
  await alice.hears("by your ticket");

  const digits: string[] = [];
  for (const page of [alice.page, second]) {
    await page.getByTestId("member-name").first().click();
    digits.push(((await page.getByTestId("fingerprint").textContent()) ?? "").replace(/\D/g, ""));
    await page.keyboard.press("Escape");
  }
  expect(digits[0]).toMatch(/^\d{30}$/);
  expect(digits[1]).toBe(digits[0]);
});

test("on a phone the members are a drawer, nothing is wider than the screen, and the dark is dark", {
  tag: "@any-browser",
}, async ({ openChat, room }) => {
  const alice = await openChat(room, { name: "Alice with a name that is rather long for a phone" });
  const { page } = alice;
  const brightness = (): Promise<number> =>
    page.evaluate(() => {
      const [red = 0, green = 0, blue = 0] = (getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g) ?? []).map(
        Number,
      );
      return (red + green + blue) / 3;
    });
  expect(await brightness()).toBeGreaterThan(200);
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(brightness).toBeLessThan(60);
  await page.setViewportSize({ width: 360, height: 640 });
  await page.getByTestId("message-input").fill(`a word ${"x".repeat(200)} that does not end`);
  await page.getByTestId("message-input").press("Enter");
  await expect(page.getByTestId("message")).toHaveCount(1);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await expect(page.getByTestId("self")).toBeHidden();
  await page.getByTestId("members-toggle").press("Enter");
  await expect(page.getByTestId("self")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("self")).toBeHidden();
});
