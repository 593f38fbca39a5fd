// Pages: from one to another over WebRTC, and between a page and Node over WebSocket. Chromium, as users have it; see services.mjs.

import { readFileSync } from "node:fs";
import { chromium } from "@playwright/test";
import { findBrowser } from "../../scripts/lib/browsers.mjs";
import { allSystems } from "../adapters/index.mjs";
import { DIST } from "../lib/linknet.mjs";
import { WorkerProcess, withWorkers } from "../lib/worker-process.mjs";
import { BarePages } from "./bare-pages.mjs";

/** @typedef {import("../lib/types.js").Workload} Workload */
/** @typedef {import("./page/main.js").Task} Task */
/**
 * @typedef {object} Surroundings
 * @property {import("@playwright/test").Browser} browser
 * @property {WorkerProcess} worker
 * @property {{ pages: string, signalling: string, relays: Record<string, string> }} services
 */

const here = (/** @type {string} */ name) => new URL(name, import.meta.url).href;

const MESSAGE_BYTES = 64 * 1024;
/** After it a page has hung, in ms. */
const TIMEOUT_MS = 60_000;
/** How often a page that loads is asked whether it is there, in ms. */
const LOOK_MS = 20;

const other = allSystems().find(({ name }) => name === "linknet-other")?.settings?.dist;
/** The folders "dist", by the names that pages know them by. */
const builds = { sdk: DIST, ...(other ? { "sdk-other": other } : {}) };

/** @param {boolean} quick WebRTC needs a while until it has found out how fast the path is */
const timesOf = (quick) => ({ warmUpMs: quick ? 300 : 1_000, measureMs: quick ? 500 : 2_000 });

/** @type {Surroundings | Error} */
let surroundings = new Error("not prepared");
let connections = 0;

/** Starts browser and servers. What fails is told by each measurement: others can go on without a browser. */
async function prepare() {
  const worker = new WorkerProcess(here("services.mjs"));
  try {
    const found = await findBrowser("chromium");
    if (!found) throw new Error("there is no Chromium: npm test installs it");
    const services = await worker.call("start", builds);
    const args = ["--allow-loopback-in-peer-connection"];
    surroundings = { worker, services, browser: await chromium.launch({ ...found, args }) };
  } catch (error) {
    surroundings = error instanceof Error ? error : new Error(String(error));
  }
  return async () => {
    if (!(surroundings instanceof Error)) await surroundings.browser.close();
    await worker.stop();
  };
}

/**
 * Opens pages for one measurement, and closes them after it: each has a process of its own, and nothing of the one before.
 * @template Result
 * @param {(surroundings: Surroundings, openPage: (file?: string) => Promise<PageEnd>) => Promise<Result>} body
 * @returns {Promise<Result>}
 */
async function withPages(body) {
  if (surroundings instanceof Error) throw surroundings;
  const { browser, services } = surroundings;
  /** @type {(error: Error) => void} */
  let fail = () => undefined;
  const failed = new Promise((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  const pages = await BarePages.create(browser, fail);
  const timer = setTimeout(() => fail(new Error(`no result after ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
  try {
    const run = body(surroundings, async (file = "") => {
      const evaluate = await pages.open(`${services.pages}/${file}`);
      while (!(await evaluate('"bench" in window'))) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      return new PageEnd(evaluate);
    });
    run.catch(() => undefined);
    return /** @type {Result} */ (await Promise.race([run, failed]));
  } finally {
    clearTimeout(timer);
    await pages.close();
  }
}

/** The functions of page/main.js, called from here. */
class PageEnd {
  #evaluate;

  /** @param {(expression: string) => Promise<any>} evaluate */
  constructor(evaluate) {
    this.#evaluate = evaluate;
  }

  /** @param {Task} task @returns {Promise<string | undefined>} */
  open(task) {
    return this.#evaluate(`bench.open(${JSON.stringify(task)})`);
  }

  /** @param {number} bytes */
  receive(bytes) {
    return this.#evaluate(`bench.receive(${bytes})`);
  }

  /** @param {number} bytes @param {{ warmUpMs: number, measureMs: number }} times @returns {Promise<{ messages: number, seconds: number }>} */
  send(bytes, times) {
    return this.#evaluate(`bench.send(${bytes}, ${JSON.stringify(times)})`);
  }
}

/** @param {{ messages: number, seconds: number }} result @param {number} bytes */
const megabytesPerSecond = ({ messages, seconds }, bytes) => (messages * bytes) / seconds / 1e6;

/** @type {Record<string, { title: string, system: Task["system"], file?: string, bytes?: number, sdk?: string, seals?: boolean }>} */
const WEBRTC = {
  "rtc-channel": { title: "bare `RTCDataChannel`, 64 KiB", system: "rtc" },
  "rtc-channel-chacha": { title: "the same + ChaCha20-Poly1305 (the floor)", system: "rtc", seals: true },
  "rtc-channel-16k": { title: "bare `RTCDataChannel`, 16 KiB", system: "rtc", bytes: 16 * 1024 },
  "simple-peer": { title: "bare simple-peer", system: "simple-peer", file: "simple-peer.html" },
  peerjs: { title: "PeerJS", system: "peerjs", file: "peerjs.html" },
  "linknet-webrtc": { title: "**LinkNet** over WebRTC", system: "linknet", sdk: "sdk" },
  ...(other
    ? { "linknet-webrtc-other": { title: "LinkNet over WebRTC, the other build", system: "linknet", sdk: "sdk-other" } }
    : {}),
};

/** @type {Workload} */
const webrtcBulk = {
  name: "webrtc-bulk",
  title: "Page to page: binary messages of 64 KiB over WebRTC",
  metrics: [{ name: "webrtc", title: "bulk", unit: "MB/s", better: "more", digits: 1 }],
  systems: Object.keys(WEBRTC),
  titles: titlesOf(WEBRTC),
  prepare,
  versions,
  async measure(name, { quick }) {
    const { system, file, bytes = MESSAGE_BYTES, sdk, seals = false } = /** @type {typeof WEBRTC[string]} */ (WEBRTC[name]);
    return withPages(async ({ services }, openPage) => {
      const [receiver, sender] = [await openPage(file), await openPage(file)];
      const url = system === "linknet" ? services.relays[sdk ?? "sdk"] : services.signalling;
      const task = { system, url, path: "webrtc", name: `connection-${++connections}`, seals, ...(sdk ? { sdk } : {}) };
      const peerId = await receiver.open({ ...task, initiates: false });
      await sender.open({ ...task, initiates: true, ...(peerId ? { peerId } : {}) });
      await receiver.receive(bytes);
      return { webrtc: megabytesPerSecond(await sender.send(bytes, timesOf(quick)), bytes) };
    });
  },
};

/** @type {Record<string, { title: string, node: "ws" | "sealed" | "linknet", system: Task["system"], sdk?: string, dist?: string }>} */
const WEBSOCKET = {
  "page-ws": { title: "bare WebSocket, `ws` in Node", node: "ws", system: "websocket" },
  "page-ws-chacha": { title: "the same + ChaCha20-Poly1305 (the floor)", node: "sealed", system: "websocket" },
  "linknet-page-ws": { title: "**LinkNet** over WebSocket", node: "linknet", system: "linknet", sdk: "sdk" },
  ...(other
    ? {
        "linknet-page-ws-other": {
          title: "LinkNet over WebSocket, the other build",
          node: "linknet",
          system: "linknet",
          sdk: "sdk-other",
          dist: other,
        },
      }
    : {}),
};

/** @type {Workload} */
const websocketBulk = {
  name: "websocket-bulk",
  title: "Page and Node: binary messages of 64 KiB over WebSocket",
  metrics: [
    { name: "ws-up", title: "page to Node", unit: "MB/s", better: "more" },
    { name: "ws-down", title: "Node to page", unit: "MB/s", better: "more" },
  ],
  systems: Object.keys(WEBSOCKET),
  titles: titlesOf(WEBSOCKET),
  prepare,
  versions,
  async measure(name, { quick }) {
    const { node, system, sdk, dist } = /** @type {typeof WEBSOCKET[string]} */ (WEBSOCKET[name]);
    const params = { bytes: MESSAGE_BYTES, ...timesOf(quick) };
    /** @param {boolean} down whether Node sends */
    const oneWay = (down) =>
      withWorkers({ peer: new WorkerProcess(here("node-peer.mjs")) }, ({ peer }) =>
        withPages(async (_, openPage) => {
          const url = await peer.call("listen", node, { dist, sends: down, params });
          const page = await openPage();
          await page.open({ system, url, path: "websocket", initiates: true, seals: node === "sealed", ...(sdk ? { sdk } : {}) });
          if (!down) return page.send(MESSAGE_BYTES, params);
          await page.receive(MESSAGE_BYTES);
          return peer.call("finish");
        }),
      );
    return {
      "ws-up": megabytesPerSecond(await oneWay(false), MESSAGE_BYTES),
      "ws-down": megabytesPerSecond(await oneWay(true), MESSAGE_BYTES),
    };
  },
};

/** @param {Record<string, { title: string }>} systems */
function titlesOf(systems) {
  return Object.fromEntries(Object.entries(systems).map(([name, { title }]) => [name, title]));
}

/** @returns {Record<string, string>} */
function versions() {
  const lock = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"));
  const names = ["simple-peer", "peerjs"];
  return Object.fromEntries([
    ...names.map((name) => [name, lock.packages[`node_modules/${name}`].version]),
    ...(surroundings instanceof Error ? [] : [["chromium", surroundings.browser.version()]]),
  ]);
}

/** @type {readonly Workload[]} */
export const workloads = [webrtcBulk, websocketBulk];
