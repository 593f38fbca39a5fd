// Opens chat pages and blank SDK pages in the browsers of this machine, and watches what the pages must never do.

import { createHash, randomUUID } from "node:crypto";
import { type Browser, test as base, chromium, expect, firefox, type Page } from "@playwright/test";
import type { LinkKind, NetworkManager } from "linknet";
import { findBrowser } from "../../scripts/lib/browsers.mjs";
import { CONTROL_URL, PAGE_URL } from "../../scripts/lib/e2e-ports.mjs";
import { presentNetwork } from "../../scripts/lib/test-network.mjs";

export type BrowserKind = "chromium" | "firefox";

/** What a project of playwright.config.ts chooses. */
export interface BrowserOptions {
  kind: BrowserKind;
}

type Sdk = typeof import("linknet");

/** What our script at the start of each page leaves behind there. */
interface WatchedWindow extends Window {
  linknet?: NetworkManager;
  linknet_sdk?: Sdk;
  watchedPaths?: { peerId: string; path: LinkKind }[];
  watchedBlobs?: Blob[];
  watchedViolations?: string[];
}

/** A page with the chat in it. */
export interface ChatPage {
  readonly page: Page;
  readonly peerId: string;
  /** Sends a chat message to the room, by the keyboard. */
  say(text: string): Promise<void>;
  /** Waits until a message with this text stands in the page. */
  hears(text: string): Promise<void>;
  /** Waits until the member list shows a path to this peer. */
  meets(peerId: string): Promise<void>;
  /** The kinds of path to this peer, in the order in which they were used. */
  pathsTo(peerId: string): Promise<string[]>;
  /** Waits until the relay was the first path to this peer and `kind` is the present one. */
  movesTo(peerId: string, kind: LinkKind): Promise<void>;
  /** SHA-256 of the files that arrived, as hexadecimal text. */
  receivedHashes(): Promise<string[]>;
}

/** How a chat page is opened. */
interface ChatOptions {
  readonly name?: string;
  readonly kind?: BrowserKind;
  /** Default: the page's own. */
  readonly relay?: string;
  /** `false` takes WebRTC out of the page, so that the relay stays its path. Default `true`. */
  readonly webrtc?: boolean;
}

interface TestFixtures {
  /** Opens the chat page and joins a room. */
  openChat(room: string, options?: ChatOptions): Promise<ChatPage>;
  /** Opens a blank page, under the same policy as the chat, that has the browser build as `window.linknet_sdk`. */
  openSdkPage(kind?: BrowserKind): Promise<Page>;
  /** A room that no other test uses. */
  room: string;
}

interface WorkerFixtures extends BrowserOptions {
  launch(kind: BrowserKind): Promise<Browser>;
}

/** Runs in the page, before any script of its own. */
function watch(): void {
  const page = window as WatchedWindow;
  const paths: { peerId: string; path: LinkKind }[] = [];
  const blobs: Blob[] = [];
  const violations: string[] = [];
  page.watchedPaths = paths;
  page.watchedBlobs = blobs;
  page.watchedViolations = violations;
  document.addEventListener("securitypolicyviolation", (event) => {
    violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
  });
  const createObjectURL = URL.createObjectURL.bind(URL);
  URL.createObjectURL = (object: Blob | MediaSource) => {
    if (object instanceof Blob) blobs.push(object);
    return createObjectURL(object);
  };
  // The page's own variable, caught when it is set: a listener that came later would miss the first path.
  let net: NetworkManager | undefined;
  Object.defineProperty(window, "linknet", {
    configurable: true,
    get: () => net,
    set(value: NetworkManager) {
      net = value;
      value.on("path", ({ peerId, path }) => paths.push({ peerId, path }));
    },
  });
}

/** Runs in the page likewise. simple-peer takes what it finds by these names. */
function removeWebRtc(): void {
  for (const name of ["RTCPeerConnection", "mozRTCPeerConnection", "webkitRTCPeerConnection"])
    Reflect.deleteProperty(window, name);
}

async function launchBrowser(kind: BrowserKind): Promise<Browser> {
  const found = await findBrowser(kind);
  if (!found) throw new Error(`there is no ${kind}: npm test installs it`);
  if (kind === "firefox") return firefox.launch(found);
  const args = presentNetwork() === "loopback" ? ["--allow-loopback-in-peer-connection"] : [];
  return chromium.launch({ ...found, args });
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  kind: ["chromium", { option: true, scope: "worker" }],

  launch: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from this pattern
    async ({}, use) => {
      const browsers = new Map<BrowserKind, Promise<Browser>>();
      await use((kind) => {
        const present = browsers.get(kind) ?? launchBrowser(kind);
        browsers.set(kind, present);
        return present;
      });
      for (const browser of browsers.values()) await (await browser).close();
    },
    { scope: "worker", timeout: 60_000 },
  ],

  // biome-ignore lint/correctness/noEmptyPattern: as above
  room: async ({}, use) => {
    await use(`room-${randomUUID().slice(0, 8)}`);
  },

  openSdkPage: async ({ launch, kind: ownKind }, use) => {
    await withPages(launch, async (open) => {
      await use(async (kind = ownKind) => {
        const page = await open(kind, "/contract/");
        await page.waitForFunction(() => (window as WatchedWindow).linknet_sdk !== undefined);
        return page;
      });
    });
  },

  openChat: async ({ launch, kind: ownKind }, use) => {
    await withPages(launch, async (open) => {
      await use(async (room, { name = "tab", kind = ownKind, relay, webrtc = true } = {}) => {
        const path = relay === undefined ? "/" : `/#relay=${encodeURIComponent(relay)}`;
        const page = await open(kind, path, webrtc ? undefined : removeWebRtc);
        await page.getByTestId("name-input").fill(name);
        await page.getByTestId("room-input").fill(room);
        await page.getByTestId("join").click();
        await expect(page.getByTestId("message-input")).toBeVisible();
        const peerId = await page.evaluate(() => (window as WatchedWindow).linknet?.peerId ?? "");
        expect(peerId).toMatch(/^[a-z2-7]{52}$/);
        return chatPage(page, peerId);
      });
    });
  },
});

type OpenPage = (kind: BrowserKind, path: string, script?: () => void) => Promise<Page>;

/** Gives pages of fresh contexts, closes them in the end, and fails the test if a page broke its policy or threw. */
async function withPages(
  launch: (kind: BrowserKind) => Promise<Browser>,
  body: (open: OpenPage) => Promise<void>,
): Promise<void> {
  const pages: Page[] = [];
  const faults: string[] = [];
  await body(async (kind, path, script) => {
    const browser = await launch(kind);
    // Over the loopback, Chromium shows its addresses only to pages that may use a camera.
    const permissions = kind === "chromium" && presentNetwork() === "loopback" ? ["microphone", "camera"] : [];
    const context = await browser.newContext({ permissions });
    await context.addInitScript(watch);
    if (script) await context.addInitScript(script);
    const page = await context.newPage();
    page.on("pageerror", (error) => {
      if (!isFailedDial(error.message)) faults.push(`${kind}: ${error.stack ?? error.message}`);
    });
    page.on("console", (message) => {
      if (/Content.Security.Policy|TrustedHTML|TrustedScript/i.test(message.text())) faults.push(`${kind}: ${message.text()}`);
    });
    pages.push(page);
    await page.goto(PAGE_URL + path);
    return page;
  });
  for (const page of pages) {
    if (!page.isClosed()) faults.push(...(await page.evaluate(() => (window as WatchedWindow).watchedViolations ?? [])));
  }
  // Closing takes a screenshot, for which Playwright puts a style into the page: that is no fault of ours.
  const found = [...faults];
  for (const page of pages) await page.context().close();
  expect(found).toEqual([]);
}

function chatPage(page: Page, peerId: string): ChatPage {
  const self: ChatPage = {
    page,
    peerId,
    async say(text) {
      await page.getByTestId("message-input").fill(text);
      await page.getByTestId("message-input").press("Enter");
    },
    async hears(text) {
      await expect(page.getByTestId("message").filter({ hasText: text })).toBeVisible();
    },
    async meets(other) {
      await expect(page.locator(`[data-testid=member][data-peer-id="${other}"]`)).toHaveAttribute("data-path", /./);
    },
    pathsTo(other) {
      return page.evaluate((id) => {
        const { watchedPaths = [] } = window as WatchedWindow;
        return watchedPaths.filter((event) => event.peerId === id).map((event) => event.path);
      }, other);
    },
    async movesTo(other, kind) {
      await expect.poll(async () => (await self.pathsTo(other)).at(-1), { message: `path to ${other}` }).toBe(kind);
      expect((await self.pathsTo(other))[0]).toBe("relay");
      await expect(page.locator(`[data-testid=member][data-peer-id="${other}"]`)).toHaveAttribute("data-path", kind);
      const info = await page.evaluate(
        (id) => (window as WatchedWindow).linknet?.getConnectedPeers().find((peer) => peer.id === id) ?? null,
        other,
      );
      expect(info).toMatchObject({ path: kind, status: "connected" });
    },
    receivedHashes() {
      return page.evaluate(async () => {
        const { watchedBlobs = [] } = window as WatchedWindow;
        const digests = watchedBlobs.map(async (blob) => crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
        const toHex = (digest: ArrayBuffer) =>
          Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
        return (await Promise.all(digests)).map(toHex);
      });
    },
  };
  return self;
}

/** Both say something that the other one hears, and it stays secret from the relay. */
export async function talk(alice: ChatPage, bob: ChatPage): Promise<void> {
  const texts = [`hello from alice ${alice.peerId.slice(0, 8)}`, `hello from bob ${bob.peerId.slice(0, 8)}`] as const;
  await alice.meets(bob.peerId);
  await bob.meets(alice.peerId);
  await alice.say(texts[0]);
  await bob.hears(texts[0]);
  await bob.say(texts[1]);
  await alice.hears(texts[1]);
  for (const text of texts) expect((await searchRelay(text)).hits).toBe(0);
}

/** What the relay saw, searched for a text or other bytes, at least 8. */
export async function searchRelay(
  wanted: string | Uint8Array<ArrayBuffer>,
): Promise<{ frames: number; bytes: number; hits: number }> {
  const response = await fetch(CONTROL_URL, { method: "POST", body: wanted });
  return (await response.json()) as { frames: number; bytes: number; hits: number };
}

/** Bytes that differ everywhere, the same each time. */
export function patternBytes(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed >>> 0;
  for (let index = 0; index < length; index++) {
    // xorshift32 (Marsaglia 2003): enough that no two chunks are equal.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state & 255;
  }
  return bytes;
}

/** The 32 bytes of a PeerId: base32 (RFC 4648 §6) in lower case, without padding. */
export function peerIdBytes(peerId: string): Uint8Array<ArrayBuffer> {
  const bits = Array.from(peerId, (letter) =>
    "abcdefghijklmnopqrstuvwxyz234567".indexOf(letter).toString(2).padStart(5, "0"),
  ).join("");
  return Uint8Array.from({ length: 32 }, (_, index) => Number.parseInt(bits.slice(8 * index, 8 * index + 8), 2));
}

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

export { expect };

/** Firefox reports a WebSocket that could not be opened as an error of the page; to us it is a way that was tried in vain. */
function isFailedDial(message: string): boolean {
  return /can.t establish a connection to the server at wss?:|was interrupted while the page was loading/i.test(message);
}
