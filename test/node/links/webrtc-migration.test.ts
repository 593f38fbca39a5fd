// A session moves between WebSocket, relay and WebRTC, all of them real, while messages flow both ways: once and in order.

import wrtc from "@roamhq/wrtc";
import type { LinkKind, NetworkManager, NetworkManagerOptions } from "linknet";
import { createRelay } from "linknet/relay";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Transport } from "../../../src/core/path/transport.js";
import { websocketTransport } from "../../../src/node/websocket-transport.js";
import { record, started } from "../manager/support.js";
import { CuttingProxy } from "./cutting-proxy.js";
import { numbersBothWays, QUICK, statusesOf, type TwoWays, until } from "./support.js";

/** Messages each way on each path. */
const PER_PATH = 2_000;
/** A direct path is tried again 5 to 10 s after the last one was found, and then takes some time. */
const FOUND_AGAIN_MS = 25_000;

/** Two seeds; the PeerId of the first comes before that of the second. */
const SEEDS = [new Uint8Array(32).fill(3), new Uint8Array(32).fill(2)] as const;

/** A WebSocket port that is reached through a proxy and not otherwise, as behind a router that forwards it, and may stop to. */
function behindProxy(): { readonly transport: Transport; readonly proxy: () => CuttingProxy } {
  const own = websocketTransport({ ownPort: true });
  let proxy: CuttingProxy | null = null;
  const opened = (): CuttingProxy => {
    if (!proxy) throw new Error("nobody listens yet");
    return proxy;
  };
  const listen: Transport["listen"] = async (context) => {
    const listener = await own.listen?.(context);
    if (!listener) throw new Error("it opens a port of its own");
    const opening = await CuttingProxy.open(listener.port ?? 0);
    onTestFinished(() => opening.stop());
    proxy = opening;
    return { ...listener, addresses: () => [`ws://127.0.0.1:${opening.port}`] };
  };
  return { transport: { ...own, listen }, proxy: opened };
}

/** Alice dials and cannot be dialled, as a page; Bob's port is behind the proxy. Both have WebRTC and a relay. */
async function connected(offers: "alice" | "bob") {
  const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
  onTestFinished(() => relay.close());
  const start = (options: NetworkManagerOptions): Promise<NetworkManager> =>
    started({ relays: [relay.url], disableTransports: ["tcp", "udp", "websocket"], wrtc, limits: QUICK, ...options });
  const { transport, proxy } = behindProxy();
  const [ofAlice, ofBob] = offers === "alice" ? SEEDS : [SEEDS[1], SEEDS[0]];
  const alice = await start({ identity: ofAlice, transports: [websocketTransport({ ownPort: false })] });
  const bob = await start({ identity: ofBob, transports: [transport] });
  expect(alice.peerId < bob.peerId).toBe(offers === "alice");
  const paths = [record(alice, "path"), record(bob, "path")];
  const statuses = [statusesOf(alice), statusesOf(bob)];
  await alice.connectToPeer(`ws://127.0.0.1:${proxy().port}`);
  return { alice, bob, proxy: proxy(), paths, statuses };
}

/** Until both are on this kind of path, and messages have come over it each way. */
async function talkOn(path: LinkKind, alice: NetworkManager, bob: NetworkManager, traffic: TwoWays): Promise<void> {
  const arrived = (): boolean => alice.getPeer(bob.peerId)?.path === path && bob.getPeer(alice.peerId)?.path === path;
  await until([alice, bob], arrived, `both on the path ${path}`, FOUND_AGAIN_MS);
  await Promise.all([traffic.alice, traffic.bob].map((check) => check.reached(check.next + PER_PATH)));
}

describe("a session moves while messages flow both ways", () => {
  test.each(["alice", "bob"] as const)(
    "from WebSocket over the relay to WebRTC when the port is closed, and back when it is open again (%s offers)",
    { timeout: 60_000 },
    async (offers) => {
      const { alice, bob, proxy, paths, statuses } = await connected(offers);
      const traffic = numbersBothWays(alice, bob);
      await talkOn("websocket", alice, bob, traffic);
      proxy.refuse();
      proxy.reset();
      await talkOn("webrtc", alice, bob, traffic);
      proxy.acceptAgain();
      await talkOn("websocket", alice, bob, traffic);
      const counts = await traffic.settle();
      console.log(
        `websocket, relay, webrtc, websocket: ${counts.fromAlice} + ${counts.fromBob} messages, longest time without one ` +
          [traffic.alice, traffic.bob].map((check) => `${Math.round(check.longestGapMs)} ms`).join(", "),
      );
      expect(traffic.faults()).toEqual([]);
      for (const seen of paths) expect(seen.map(({ path }) => path)).toEqual(["websocket", "relay", "webrtc", "websocket"]);
      // Only where the path was cut there was a gap; the other moves are made before the old path is left.
      for (const heard of statuses) expect(heard).toEqual(["connecting", "connected", "reconnecting", "connected"]);
    },
  );
});
