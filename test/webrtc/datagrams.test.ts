// Two managers over WebRTC, all of it real: cursors and the like go by the second channel, and what it loses comes all the same.

import wrtc from "@roamhq/wrtc";
import { NetworkManager } from "linknet";
import { createRelay } from "linknet/relay";
import { describe, expect, onTestFinished, test, vi } from "vitest";

/** Every channel for datagrams that is made, with how many messages were given to it. */
interface Watched {
  sent: number;
  /** Whether the message of this number, counted from 0, is lost. */
  loses(index: number): boolean;
}

/** Watches all channels for datagrams that are made during the test, and may lose what they send. */
function watchChannels(): Watched {
  const watched: Watched = { sent: 0, loses: () => false };
  const { prototype } = (wrtc as { RTCPeerConnection: typeof RTCPeerConnection }).RTCPeerConnection;
  const create = prototype.createDataChannel;
  prototype.createDataChannel = function (label, settings) {
    const channel = create.call(this, label, settings);
    if (!settings?.negotiated) return channel;
    const send = channel.send.bind(channel) as (data: ArrayBufferView) => void;
    channel.send = (data: unknown) => {
      if (!watched.loses(watched.sent++)) send(data as ArrayBufferView);
    };
    return channel;
  };
  onTestFinished(() => {
    prototype.createDataChannel = create;
  });
  return watched;
}

async function pairOnWebRtc(): Promise<{ alice: NetworkManager; bob: NetworkManager }> {
  const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
  onTestFinished(() => relay.close());
  const start = async (): Promise<NetworkManager> => {
    const net = new NetworkManager({ relays: [relay.url], wrtc, disableTransports: ["tcp", "udp", "websocket"] });
    onTestFinished(() => net.stop());
    await net.start();
    return net;
  };
  const [alice, bob] = [await start(), await start()];
  await alice.connectToPeer(bob.peerId);
  for (const [one, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await vi.waitFor(() => expect(one.getPeer(other.peerId)?.path).toBe("webrtc"), { timeout: 15_000 });
  }
  return { alice, bob };
}

/** What becomes of each message, by its number. */
function fates(net: NetworkManager): Map<string, string[]> {
  const told = new Map<string, string[]>();
  const add = (id: string, fate: string): void => void told.set(id, [...(told.get(id) ?? []), fate]);
  net.on("delivered", ({ messageId }) => add(messageId, "delivered"));
  net.on("failed", ({ messageId, error }) => add(messageId, error.code));
  return told;
}

const idOf = (number: number): string => number.toString(16).padStart(32, "0");

describe("messages that may be dropped or replaced, over a real WebRTC path", () => {
  test.each([
    ["nothing is lost", () => false],
    ["every fourth datagram is lost, acknowledgements among them", (index: number) => index % 4 === 1],
    ["all datagrams are lost", () => true],
  ])(
    "%s: positions never go backwards, the last one arrives, and each fate is told once",
    { timeout: 40_000 },
    async (_n, loses) => {
      const watched = watchChannels();
      const { alice, bob } = await pairOnWebRtc();
      watched.loses = loses;
      const told = fates(alice);
      const seen: Record<string, number[]> = { cursor: [], ttl: [], plain: [] };
      bob.on("message", ({ type, payload }) => seen[type]?.push(payload as number));
      const count = 150;
      let number = 0;
      for (let i = 0; i < count; i++) {
        for (const [type, options] of [
          ["cursor", { latest: "cursor" }],
          ["ttl", { ttlMs: 60_000 }],
          ["plain", {}],
        ] as const) {
          expect(alice.sendMessage(bob.peerId, { type, payload: i, id: idOf(number++) }, options)).toBe(true);
        }
        await new Promise((resolve) => setTimeout(resolve, 8));
      }
      await vi.waitFor(() => expect(told.size).toBe(3 * count), { timeout: 20_000 });
      const all = Array.from({ length: count }, (_, i) => i);
      expect(seen.plain).toEqual(all);
      expect([...(seen.ttl ?? [])].sort((a, b) => a - b)).toEqual(all);
      expect(seen.cursor).toEqual([...(seen.cursor ?? [])].sort((a, b) => a - b));
      expect(seen.cursor?.at(-1)).toBe(count - 1);
      expect(alice.getPeer(bob.peerId)?.path).toBe("webrtc");
      expect([...told.values()].every((fate) => fate.length === 1)).toBe(true);
      const failed = [...told].filter(([, [fate]]) => fate !== "delivered");
      expect(failed.every(([id, [fate]]) => Number.parseInt(id, 16) % 3 === 0 && fate === "ERR_MESSAGE_REPLACED")).toBe(true);
      // All of one kind flew at first, whatever came of them.
      if (!loses(0)) expect(watched.sent).toBeGreaterThan(count);
    },
  );

  test("deliver() resolves when it has arrived by datagram, and stop() waits for what still flies", {
    timeout: 30_000,
  }, async () => {
    const watched = watchChannels();
    const { alice, bob } = await pairOnWebRtc();
    const seen: unknown[] = [];
    bob.on("message", ({ payload }) => seen.push(payload));
    await alice.deliver(bob.peerId, { type: "cursor", payload: 1 }, { latest: "cursor" });
    expect([seen, watched.sent > 0]).toEqual([[1], true]);
    watched.loses = () => true;
    const told = fates(alice);
    const before = watched.sent;
    alice.sendMessage(bob.peerId, { type: "cursor", payload: 2, id: idOf(2) }, { latest: "cursor" });
    await vi.waitFor(() => expect(watched.sent).toBe(before + 1));
    await alice.stop();
    expect([...told.values()]).toEqual([["delivered"]]);
    expect(seen).toEqual([1, 2]);
  });
});
