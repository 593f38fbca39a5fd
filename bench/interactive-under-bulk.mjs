// What a transfer of 1 GiB does to the round trip of small messages, between two processes on loopback.
// node bench/interactive-under-bulk.mjs [--mib 1024]        after npm run build

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadLinkNet } from "./lib/linknet.mjs";

const { NetworkManager } = await loadLinkNet();

const CHUNK_BYTES = 256 * 1024;
const IDLE_PINGS = 500;
const PAUSE_MS = 5;

/** The other process: answers pings, and reads streams to their end. */
async function answer() {
  const net = new NetworkManager();
  net.on("stream", async ({ stream }) => {
    let bytes = 0;
    for await (const chunk of stream.readable) bytes += chunk.length;
    process.send?.({ bytes });
  });
  net.setMessageCallback(({ senderId, type, payload }) => {
    if (type === "ping") net.sendMessage(senderId, { type: "pong", payload });
  });
  await net.start();
  process.send?.({ port: net.getLocalPort() });
}

/**
 * Measures from this process.
 * @param {number} mebibytes
 */
async function measure(mebibytes) {
  const child = fork(fileURLToPath(import.meta.url), ["--answer"]);
  /** @returns {Promise<any>} */
  const told = () => new Promise((resolve) => child.once("message", resolve));
  const { port } = await told();
  const net = new NetworkManager();
  await net.start();
  const peer = await net.connectToPeer("127.0.0.1", port);
  /** @type {() => void} */
  let pong = () => undefined;
  net.setMessageCallback(() => pong());
  const roundTrip = async () => {
    const sentAt = performance.now();
    await new Promise((resolve) => {
      pong = () => resolve(undefined);
      net.sendMessage(peer, { type: "ping", payload: null });
    });
    return performance.now() - sentAt;
  };
  const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

  const idle = [];
  for (let i = 0; i < IDLE_PINGS; i++) idle.push(await roundTrip());
  const arrived = told();
  const writer = net.openStream(peer, "bulk").writable.getWriter();
  const chunk = new Uint8Array(CHUNK_BYTES);
  let writing = true;
  const startedAt = performance.now();
  const written = (async () => {
    for (let sent = 0; sent < mebibytes * 1024 * 1024; sent += CHUNK_BYTES) await writer.write(chunk);
    await writer.close();
    writing = false;
  })();
  const busy = [];
  while (writing) {
    busy.push(await roundTrip());
    await pause();
  }
  await written;
  const { bytes } = await arrived;
  const seconds = (performance.now() - startedAt) / 1000;
  if (bytes !== mebibytes * 1024 * 1024) throw new Error(`${bytes} bytes arrived`);
  await net.stop();
  child.kill();
  return { idle, busy, megabytesPerSecond: bytes / 1e6 / seconds };
}

/** @param {number[]} values @param {number} share */
function quantile(values, share) {
  return [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN;
}

const { values } = parseArgs({ options: { answer: { type: "boolean" }, mib: { type: "string", default: "1024" } } });
if (values.answer) {
  await answer();
} else {
  const { idle, busy, megabytesPerSecond } = await measure(Number(values.mib));
  const record = (64 * 1024) / 1e3 / megabytesPerSecond;
  console.log("| round trip of a small message, ms | p50 | p90 | n |\n|---|--:|--:|--:|");
  for (const [name, times] of /** @type {const} */ ([
    ["idle", idle],
    ["while the stream runs", busy],
  ])) {
    console.log(`| ${name} | ${quantile(times, 0.5).toFixed(2)} | ${quantile(times, 0.9).toFixed(2)} | ${times.length} |`);
  }
  const bound = 2 * quantile(idle, 0.5) + record;
  console.log(`\nStream: ${megabytesPerSecond.toFixed(0)} MB/s. Twice idle and one record: ${bound.toFixed(2)} ms.`);
}
