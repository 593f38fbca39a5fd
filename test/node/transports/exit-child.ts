// Run as a process of its own by exit.test.ts: opens one of everything, closes it, and must then end by itself.

import { once } from "node:events";
import { createRequire } from "node:module";
import { createConnection } from "node:net";
import type { Link } from "../../../src/core/path/link.js";
import type { Negotiation } from "../../../src/core/path/transport.js";
import { nodeRuntime } from "../../../src/node/runtime.js";
import { quietContext } from "../../fixtures/quiet-context.js";
import { PREAMBLE } from "./support.js";

const runtime = nodeRuntime({ wrtc: createRequire(import.meta.url)("@roamhq/wrtc") });
const [tcp, websocket, udp, webrtc] = runtime.transports;
const { signal } = new AbortController();
const open: Link[] = [];
const accepted: Link[] = [];

const follow = (link: Link): Promise<unknown> => {
  open.push(link);
  return new Promise((resolve) => link.attach({ frame: () => undefined, drain: () => undefined, closed: resolve }));
};

// A signal is on its way for a moment, as it is between two processes.
const later = (deliver: () => void): void => queueMicrotask(deliver);

runtime.onNetworkChange(() => undefined);
runtime.clock.after(60_000, () => undefined);
const arrivals: Promise<unknown>[] = [];
const listener = await tcp?.listen?.({
  port: 0,
  host: "127.0.0.1",
  onLink: (link) => {
    accepted.push(link);
    arrivals.push(follow(link));
  },
  onError: console.error,
});
const udpListener = await udp?.listen?.({ port: 0, host: "127.0.0.1", onLink: () => undefined, onError: console.error });
if (!listener || !udpListener || !websocket?.dial || !tcp?.dial || !webrtc?.negotiate || !udp?.negotiate)
  throw new Error("transports are missing");

const raw = await tcp.dial(`tcp://127.0.0.1:${listener.port}`, { signal });
const web = await websocket.dial(`ws://127.0.0.1:${listener.port}`, { signal });
const ends = [follow(raw), follow(web)];
raw.send(PREAMBLE);
web.send(PREAMBLE);

const a: Negotiation = webrtc.negotiate({ ...quietContext, initiator: true, signal, sendSignal: (one) => b.receiveSignal(one) });
const b: Negotiation = webrtc.negotiate({ ...quietContext, initiator: false, signal, sendSignal: (one) => a.receiveSignal(one) });
for (const link of await Promise.all([a.link, b.link])) ends.push(follow(link));

const c: Negotiation = udp.negotiate({
  ...quietContext,
  initiator: true,
  signal,
  sendSignal: (one) => later(() => d.receiveSignal(one)),
});
const d: Negotiation = udp.negotiate({
  ...quietContext,
  initiator: false,
  signal,
  sendSignal: (one) => later(() => c.receiveSignal(one)),
});
for (const link of await Promise.all([c.link, d.link])) ends.push(follow(link));

const idle = createConnection({ port: listener.port ?? 0, host: "127.0.0.1" });
idle.on("error", () => undefined);
await once(idle, "connect");
const idleGone = once(idle.resume(), "close");
// The idle socket's connection may be accepted after ours has opened.
while (accepted.length < 2) await new Promise((resolve) => setImmediate(resolve));

await listener.close();
await udpListener.close();
await idleGone;
for (const link of open) link.close();
await Promise.all([...ends, ...arrivals]);
console.log(`closed ${open.length} links`);
