// A page that talks with a Node peer over WebSocket when its port is closed: they go on over WebRTC, and back when it is open again.

import { type LinkKind, type Message, NetworkManager, type NetworkManagerOptions } from "linknet";
import { websocketTransport } from "../../src/node/websocket-transport.js";
import { CuttingProxy } from "../node/links/cutting-proxy.js";
import { expect } from "./fixtures.js";
import { PAUSE_MS } from "./numbering-tab.js";
import { test } from "./resume-fixtures.js";

/** A Node peer whose WebSocket port is reached through a proxy and not otherwise, and what it has said and heard. */
class ProxiedPeer {
  readonly net: NetworkManager;
  readonly paths: LinkKind[] = [];
  readonly statuses: string[] = [];
  readonly heard: unknown[] = [];
  readonly failed: string[] = [];
  refused = 0;
  said = 0;
  #proxy: CuttingProxy | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: NetworkManagerOptions) {
    const own = websocketTransport({ ownPort: true });
    const listen: typeof own.listen = async (context) => {
      const listener = await own.listen?.(context);
      if (!listener) throw new Error("it opens a port of its own");
      const proxy = await CuttingProxy.open(listener.port ?? 0);
      this.#proxy = proxy;
      return { ...listener, addresses: () => [`ws://127.0.0.1:${proxy.port}`] };
    };
    this.net = new NetworkManager({
      ...options,
      disableTransports: ["tcp", "udp", "websocket"],
      transports: [{ ...own, listen }],
    });
    this.net.on("path", ({ path }) => this.paths.push(path));
    this.net.setConnectionCallback((_peerId, status) => this.statuses.push(status));
    this.net.setMessageCallback((message: Message) => this.heard.push(message.payload));
    this.net.on("failed", ({ messageId }) => this.failed.push(messageId));
  }

  get proxy(): CuttingProxy {
    if (!this.#proxy) throw new Error("not started");
    return this.#proxy;
  }

  startTalking(to: string): void {
    this.#timer = setInterval(() => {
      if (!this.net.sendMessage(to, { type: "number", payload: this.said++ })) this.refused++;
    }, PAUSE_MS);
  }

  stopTalking(): void {
    clearInterval(this.#timer);
  }

  async stop(): Promise<void> {
    this.stopTalking();
    await this.net.stop();
    await this.#proxy?.stop();
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test("a page and a Node peer move from WebSocket to WebRTC when the port is closed, and back, and nothing is lost", {
  tag: "@any-browser",
}, async ({ openTab, relay }) => {
  const { default: wrtc } = await import("@roamhq/wrtc");
  const node = new ProxiedPeer({ relays: [relay.url], wrtc });
  await node.net.start();
  try {
    const tab = await openTab();
    const peer = { peerId: node.net.peerId };
    await tab.connectToAddress(node.proxy.port);
    await tab.movesTo("websocket", peer);
    await tab.startTalking(peer);
    node.startTalking(tab.peerId);
    await tab.hearsMore(peer);

    node.proxy.refuse();
    node.proxy.reset();
    await tab.movesTo("webrtc", peer);
    await expect.poll(() => node.paths.at(-1)).toBe("webrtc");
    await tab.hearsMore(peer);

    node.proxy.acceptAgain();
    // A direct path is tried again after 5 to 10 s.
    await tab.movesTo("websocket", peer, 30_000);
    await expect.poll(() => node.paths.at(-1)).toBe("websocket");
    await tab.hearsMore(peer);

    node.stopTalking();
    const saidByTab = await tab.stopTalking();
    await expect.poll(() => node.heard.length).toBeGreaterThanOrEqual(saidByTab);
    await expect.poll(async () => (await tab.heardFrom(peer)).length).toBeGreaterThanOrEqual(node.said);
    expect(node.heard).toEqual(numbers(saidByTab));
    expect(await tab.heardFrom(peer)).toEqual(numbers(node.said));
    expect(await tab.faults()).toEqual({ refused: 0, failed: [] });
    expect({ refused: node.refused, failed: node.failed }).toEqual({ refused: 0, failed: [] });
    const path = ["websocket", "relay", "webrtc", "websocket"];
    expect([await tab.pathsTo(peer), node.paths]).toEqual([path, path]);
    expect(await tab.statusesOf(peer)).toEqual(["connecting", "connected", "reconnecting", "connected"]);
  } finally {
    await node.stop();
  }
});
