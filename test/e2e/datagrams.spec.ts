// Cursors and the like between two pages: on WebRTC they go by a channel of their own, and arrive as truly as ever.

import type { Page } from "@playwright/test";
import type { NetworkManager } from "linknet";
import { RELAY_URL } from "../../scripts/lib/e2e-ports.mjs";
import { type BrowserKind, expect, test } from "./fixtures.js";

/** What a page of these tests has. */
interface CursorWindow extends Window {
  linknet_sdk: typeof import("linknet");
  net: NetworkManager;
  /** Messages that were given to the channel for datagrams. */
  flown: number;
  channel: { ordered: boolean; maxRetransmits: number | null; id: number | null } | null;
  seen: number[];
  told: string[][];
}

const COUNT = 120;

/** Starts a manager in a page. @returns its PeerId */
function start(page: Page): Promise<string> {
  return page.evaluate(async (relay) => {
    const own = window as unknown as CursorWindow;
    Object.assign(own, { flown: 0, channel: null, seen: [], told: [] });
    const { prototype } = RTCPeerConnection;
    const create = prototype.createDataChannel;
    prototype.createDataChannel = function (label, settings) {
      const channel = create.call(this, label, settings);
      if (!settings?.negotiated) return channel;
      own.channel = { ordered: channel.ordered, maxRetransmits: channel.maxRetransmits, id: channel.id };
      const send = channel.send.bind(channel) as (data: ArrayBufferView) => void;
      channel.send = (data: unknown) => {
        own.flown++;
        send(data as ArrayBufferView);
      };
      return channel;
    };
    const net = new own.linknet_sdk.NetworkManager({ relays: [relay], disableTransports: ["websocket"] });
    own.net = net;
    net.on("message", ({ payload }) => own.seen.push(payload as number));
    const tell = (id: string, fate: string): void => {
      const number = Number.parseInt(id, 16);
      own.told[number] = [...(own.told[number] ?? []), fate];
    };
    net.on("delivered", ({ messageId }) => tell(messageId, "delivered"));
    net.on("failed", ({ messageId, error }) => tell(messageId, error.code));
    await net.start();
    return net.peerId;
  }, RELAY_URL);
}

/** Moves a cursor for two seconds. */
function move(page: Page, other: string): Promise<void> {
  return page.evaluate(
    async ({ other, count }) => {
      const { net } = window as unknown as CursorWindow;
      for (let i = 0; i < count; i++) {
        const message = { type: "cursor", payload: i, id: i.toString(16).padStart(32, "0") };
        if (!net.sendMessage(other, message, { latest: "cursor" })) throw new Error("refused");
        await new Promise((resolve) => setTimeout(resolve, 16));
      }
    },
    { other, count: COUNT },
  );
}

async function cursorsBothWays(openSdkPage: (kind?: BrowserKind) => Promise<Page>, kinds: readonly (BrowserKind | undefined)[]) {
  const pages = [await openSdkPage(kinds[0]), await openSdkPage(kinds[1])] as const;
  const [alice, bob] = [await start(pages[0]), await start(pages[1])];
  await pages[0].evaluate((id) => (window as unknown as CursorWindow).net.connectToPeer(id), bob);
  for (const [page, other] of [
    [pages[0], bob],
    [pages[1], alice],
  ] as const) {
    const path = () => page.evaluate((id) => (window as unknown as CursorWindow).net.getPeer(id)?.path, other);
    await expect.poll(path).toBe("webrtc");
  }
  await Promise.all([move(pages[0], bob), move(pages[1], alice)]);
  for (const page of pages) {
    const last = () => page.evaluate(() => (window as unknown as CursorWindow).seen.at(-1));
    await expect.poll(last).toBe(COUNT - 1);
    const toldOf = () => page.evaluate(() => (window as unknown as CursorWindow).told.filter(Boolean).length);
    await expect.poll(toldOf).toBe(COUNT);
    const { seen, told, flown, channel } = await page.evaluate(() => {
      const { seen, told, flown, channel } = window as unknown as CursorWindow;
      return { seen, told, flown, channel };
    });
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    expect(seen.length).toBeGreaterThan(COUNT / 2);
    expect(told.every((fates) => fates.length === 1)).toBe(true);
    const delivered = told.flatMap(([fate], number) => (fate === "delivered" ? [number] : []));
    expect(delivered.filter((number) => !seen.includes(number))).toEqual([]);
    expect(delivered.length).toBeGreaterThan(COUNT / 2);
    expect(told.filter(([fate]) => fate !== "delivered" && fate !== "ERR_MESSAGE_REPLACED")).toEqual([]);
    expect(flown).toBeGreaterThan(COUNT);
    expect(channel).toEqual({ ordered: false, maxRetransmits: 0, id: 10 });
  }
  for (const page of pages) await page.evaluate(() => (window as unknown as CursorWindow).net.stop());
}

test("cursors go by datagram on WebRTC, never go backwards, and each fate is told once", async ({ openSdkPage }) => {
  await cursorsBothWays(openSdkPage, []);
});

test("cursors go by datagram between Chromium and Firefox", { tag: "@both-browsers" }, async ({ openSdkPage }) => {
  await cursorsBothWays(openSdkPage, ["chromium", "firefox"]);
});
