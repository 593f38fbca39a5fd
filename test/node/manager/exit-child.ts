// Run as a process of its own by exit.test.ts: does one thing with managers, stops them, and must then end by itself.

import { createServer, type Socket } from "node:net";
import { NetworkManager, text } from "../../../src/node/index.js";
import { createRelay } from "../../../src/server/index.js";

const open = (relays: readonly string[] = []): NetworkManager => new NetworkManager({ relays, host: "127.0.0.1" });
const failed = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "no error",
    (error: { name: string; code?: unknown }) => (typeof error.code === "string" ? error.code : error.name),
  );

async function pair(relays: readonly string[] = []): Promise<[NetworkManager, NetworkManager]> {
  const [alice, bob] = [open(relays), open(relays)];
  await Promise.all([alice.start(), bob.start()]);
  return [alice, bob];
}

/** What each story prints when it is over. */
const STORIES: Readonly<Record<string, () => Promise<string>>> = {
  async connected() {
    const [alice, bob] = await pair();
    await alice.connectToPeer("127.0.0.1", bob.getLocalPort() ?? 0);
    await alice.deliver(bob.peerId, text("hello"));
    await alice.stop();
    await bob.stop();
    return "delivered";
  },
  async webSocket() {
    const [alice, bob] = await pair();
    await alice.connectToPeer(`ws://127.0.0.1:${bob.getLocalPort()}`);
    await bob.deliver(alice.peerId, text("hello"));
    await Promise.all([alice.stop(), bob.stop()]);
    return "delivered";
  },
  async room() {
    const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
    const [alice, bob] = await pair([relay.url]);
    const met = new Promise<void>((resolve) => alice.on("path", ({ path }) => path === "tcp" && resolve()));
    await alice.joinRoom("room");
    await bob.joinRoom("room");
    await met;
    await Promise.all([alice.stop(), bob.stop(), relay.close()]);
    return "met";
  },
  async failedConnects() {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.on("error", () => undefined)));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as { port: number };
    const alice = open();
    await alice.start();
    const late = await failed(alice.connectToPeer("127.0.0.1", port, { timeoutMs: 100 }));
    const aborted = await failed(alice.connectToPeer("127.0.0.1", port, { signal: AbortSignal.timeout(50) }));
    // Still under way when stop comes.
    const pending = failed(alice.connectToPeer("127.0.0.1", port));
    await alice.stop();
    for (const socket of sockets) socket.destroy();
    silent.close();
    const again = open();
    await again.start();
    const refused = await failed(again.connectToPeer("127.0.0.1", port));
    await again.stop();
    return [late, aborted, await pending, refused].join(" ");
  },
  async relayDown() {
    const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
    const { url } = relay;
    await relay.close();
    const alice = open([url]);
    await alice.start();
    const unreachable = await failed(alice.connectToPeer("a".repeat(52), { timeoutMs: 200 }));
    await alice.stop();
    return unreachable;
  },
  async stopWhileStarting() {
    const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
    const alice = open([relay.url]);
    const starting = failed(alice.start());
    await alice.stop();
    const code = await starting;
    await relay.close();
    return code;
  },
  async otherSideStops() {
    const [alice, bob] = await pair();
    await alice.connectToPeer("127.0.0.1", bob.getLocalPort() ?? 0);
    const waiting = new Promise<void>((resolve) =>
      alice.on("connection", ({ status }) => status === "disconnected" && resolve()),
    );
    alice.sendMessage(bob.peerId, text("on its way"));
    await bob.stop();
    await waiting;
    await alice.stop();
    return "told";
  },
};

const story = STORIES[process.argv[2] ?? ""];
if (!story) throw new Error("which story?");
console.log(await story());
