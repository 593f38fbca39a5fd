// Big records in real browsers: sealed and opened by WebCrypto where the browser has the cipher and the page may use it, by noble elsewhere.

import { type Browser, chromium, type Page } from "@playwright/test";
import { build } from "esbuild";
import { NetworkManager } from "linknet";
import { findBrowser } from "../../scripts/lib/browsers.mjs";
import { PAGE_PORT, PAGE_URL } from "../../scripts/lib/e2e-ports.mjs";
import { ROOT } from "../../scripts/lib/run.mjs";
import type { sealWithNonce } from "../../src/browser/noble-crypto.js";
import type { webCryptoKey } from "../../src/browser/webcrypto-aead.js";
import { readVectors, vectorsFolder } from "../vectors/vectors-folder.js";
import { expect, test } from "./fixtures.js";

/** Messages of several records, of one, and of a part of one, so that both ways of sealing take turns. */
const SIZES = [10, 70_000, 300_000, 1_000, 1, 2_000_000, 100, 65_536, 900, 1_200, 200_000, 5, 40_000, 40_000, 0, 64_000];
const ROUNDS = 3;

/** What a page of these tests has. */
interface SealingWindow extends Window {
  linknet_sdk: typeof import("linknet");
  pattern: typeof pattern;
  checksum: typeof checksum;
  net: NetworkManager;
  /** Texts that WebCrypto was given, in bytes. */
  given: { encrypt: number[]; decrypt: number[] };
  received: string[];
}

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2_654_435_761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** FNV-1a: a page from http has nothing better. */
function checksum(bytes: Uint8Array): string {
  let hash = 0x811c_9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return `${bytes.length}:${hash >>> 0}`;
}

/** Starts a manager in a page, which dials a Node peer, and notes what WebCrypto is given from then on. @returns its PeerId */
async function dialFrom(page: Page, port: number): Promise<string> {
  await page.waitForFunction(() => (window as unknown as SealingWindow).linknet_sdk !== undefined);
  await page.evaluate(`window.pattern = ${pattern}; window.checksum = ${checksum}`);
  return page.evaluate(async (dialled) => {
    const own = window as unknown as SealingWindow;
    Object.assign(own, { given: { encrypt: [], decrypt: [] }, received: [] });
    const prototype = globalThis.SubtleCrypto?.prototype;
    for (const work of ["encrypt", "decrypt"] as const) {
      const original = prototype?.[work];
      if (!prototype || !original) continue;
      prototype[work] = function (...args: Parameters<typeof original>) {
        own.given[work].push(args[2].byteLength);
        return original.apply(this, args);
      };
    }
    own.net = new own.linknet_sdk.NetworkManager({ disableTransports: ["webrtc"] });
    own.net.setMessageCallback(({ payload }) => own.received.push(own.checksum(payload as Uint8Array)));
    await own.net.start();
    await own.net.connectToPeer(`ws://127.0.0.1:${dialled}`);
    return own.net.peerId;
  }, port);
}

function sendFrom(page: Page, to: string): Promise<void> {
  return page.evaluate(
    async ({ sizes, rounds, peerId }) => {
      const { net, pattern: bytes } = window as unknown as SealingWindow;
      for (let i = 0; i < sizes.length * rounds; i++) {
        const message = { type: "bytes", payload: bytes(sizes[i % sizes.length] as number, i) };
        while (!net.sendMessage(peerId, message)) await net.ready(peerId);
      }
    },
    { sizes: SIZES, rounds: ROUNDS, peerId: to },
  );
}

/** Sends everything both ways at the same time, and compares. @returns sizes of what WebCrypto was given, its test of itself apart */
async function exchange(page: Page): Promise<SealingWindow["given"]> {
  const node = new NetworkManager({ host: "127.0.0.1" });
  const received: string[] = [];
  node.setMessageCallback(({ payload }) => {
    received.push(checksum(payload as Uint8Array));
  });
  await node.start(0);
  try {
    const pageId = await dialFrom(page, node.getLocalPort() ?? 0);
    await expect.poll(() => node.getPeer(pageId)?.path).toBe("websocket");
    const expected: string[] = [];
    const fromPage = sendFrom(page, node.peerId);
    for (let i = 0; i < SIZES.length * ROUNDS; i++) {
      const payload = pattern(SIZES[i % SIZES.length] as number, i);
      expected.push(checksum(payload));
      while (!node.sendMessage(pageId, { type: "bytes", payload })) await node.ready(pageId);
    }
    await fromPage;
    await expect.poll(() => received.length).toBe(expected.length);
    expect(received).toEqual(expected);
    const atPage = () => page.evaluate(() => (window as unknown as SealingWindow).received);
    await expect.poll(async () => (await atPage()).length).toBe(expected.length);
    expect(await atPage()).toEqual(expected);
  } finally {
    await node.stop();
  }
  const given = await page.evaluate(() => (window as unknown as SealingWindow).given);
  const records = (sizes: readonly number[]) => sizes.filter((size) => size > 200);
  return { encrypt: records(given.encrypt), decrypt: records(given.decrypt) };
}

test("a page from localhost has WebCrypto seal and open its big records, where the browser has the cipher", async ({
  openSdkPage,
  kind,
}) => {
  const page = await openSdkPage();
  expect(await page.evaluate(() => isSecureContext)).toBe(true);
  const { encrypt, decrypt } = await exchange(page);
  if (kind !== "chromium") {
    expect([encrypt, decrypt]).toEqual([[], []]);
    return;
  }
  // 8 MB each way are 126 full records and more; all but those of the first moments, and none that is short.
  for (const sizes of [encrypt, decrypt]) {
    expect(sizes.filter((size) => size > 60_000).length).toBeGreaterThan(100);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(1024);
  }
});

test("a page from http has no WebCrypto, and noble does all of it", { tag: "@any-browser" }, async () => {
  const host = "page.internal";
  const found = await findBrowser("chromium");
  const browser = await chromium.launch({ ...found, args: [`--host-resolver-rules=MAP ${host} 127.0.0.1`] });
  try {
    const page = await browser.newPage();
    await page.goto(`http://${host}:${PAGE_PORT}/contract/`);
    expect(await page.evaluate(() => [isSecureContext, typeof crypto.subtle])).toEqual([false, "undefined"]);
    expect(await exchange(page)).toEqual({ encrypt: [], decrypt: [] });
  } finally {
    await browser.close();
  }
});

/** What the bundle below leaves in a page. */
interface CipherWindow {
  webCryptoKey: typeof webCryptoKey;
  sealWithNonce: typeof sealWithNonce;
}

/** Opens a page from localhost that has both ciphers by themselves. */
async function openCipherPage(launch: (kind: "chromium") => Promise<Browser>): Promise<Page> {
  const contents = `
    import { webCryptoKey } from "./src/browser/webcrypto-aead.ts";
    import { sealWithNonce } from "./src/browser/noble-crypto.ts";
    Object.assign(globalThis, { webCryptoKey, sealWithNonce });`;
  const bundle = await build({ stdin: { contents, resolveDir: ROOT }, bundle: true, write: false, format: "iife" });
  const context = await (await launch("chromium")).newContext();
  await context.addInitScript({ content: bundle.outputFiles[0]?.text ?? "" });
  const page = await context.newPage();
  await page.goto(`${PAGE_URL}/contract/`);
  return page;
}

interface AeadGroup {
  readonly ivSize: number;
  readonly tests: readonly (Record<"key" | "iv" | "aad" | "msg" | "ct" | "tag" | "result", string> & { readonly tcId: number })[];
}

test("WebCrypto does with ChaCha20-Poly1305 what Wycheproof says", { tag: "@any-browser" }, async ({ launch }) => {
  test.skip(vectorsFolder() === null, "the vectors are missing");
  const page = await openCipherPage(launch);
  const groups = readVectors<{ testGroups: AeadGroup[] }>("wycheproof/chacha20_poly1305_test.json").testGroups;
  const vectors = groups.filter((group) => group.ivSize === 96).flatMap((group) => group.tests);
  const wrong = await page.evaluate(async (cases) => {
    const { webCryptoKey: importKey } = globalThis as unknown as CipherWindow;
    const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
    const hex = (array: Uint8Array) => Array.from(array, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const judge = async (vector: (typeof cases)[number]): Promise<string[]> => {
      const key = await importKey(crypto.subtle, bytes(vector.key));
      const [iv, aad, sealed] = [bytes(vector.iv), bytes(vector.aad), bytes(vector.ct + vector.tag)];
      const opened = await key("open", iv, aad, sealed).then(hex, () => "refused");
      const made = await key("seal", iv, aad, bytes(vector.msg)).then(hex);
      const isValid = vector.result === "valid";
      const faults = opened === (isValid ? vector.msg : "refused") ? [] : [`${vector.tcId} opened: ${opened}`];
      if (isValid && made !== vector.ct + vector.tag) faults.push(`${vector.tcId} sealed: ${made}`);
      return faults;
    };
    return (await Promise.all(cases.map(judge))).flat();
  }, vectors);
  await page.context().close();
  expect(vectors.length).toBe(316);
  expect(wrong).toEqual([]);
});

test("WebCrypto has copied text and counter when it returns: both may be overwritten at once", {
  tag: "@any-browser",
}, async ({ launch }) => {
  const page = await openCipherPage(launch);
  const same = await page.evaluate(async () => {
    const { webCryptoKey: importKey, sealWithNonce: seal } = globalThis as unknown as CipherWindow;
    const key = new Uint8Array(32).fill(7);
    const theirs = await importKey(crypto.subtle, key);
    const nothing = new Uint8Array(0);
    const shared = new Uint8Array(65_519);
    const pending: Promise<Uint8Array>[] = [];
    const expected: Uint8Array[] = [];
    const nonce = new Uint8Array(12);
    for (let i = 0; i < 16; i++) {
      shared.fill(i);
      nonce.fill(i);
      expected.push(seal("ChaChaPoly", key, nonce, nothing, shared));
      pending.push(theirs("seal", nonce, nothing, shared));
    }
    nonce.fill(255);
    shared.fill(255);
    return (await Promise.all(pending)).map((sealed, i) => sealed.every((byte, at) => byte === expected[i]?.[at]));
  });
  await page.context().close();
  expect(same).toEqual(Array(16).fill(true));
});
