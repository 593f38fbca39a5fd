// A page and a Node peer that was given a WebRTC implementation: where the page cannot dial, they meet over WebRTC.

import { NetworkManager } from "linknet";
import { RELAY_URL } from "../../scripts/lib/e2e-ports.mjs";
import { expect, test } from "./fixtures.js";

test("a page that can dial nobody reaches a Node peer over WebRTC, and 4 MiB pass both ways", async ({ openSdkPage }) => {
  const { default: wrtc } = await import("@roamhq/wrtc");
  const node = new NetworkManager({ relays: [RELAY_URL], wrtc });
  const paths: string[] = [];
  node.on("path", ({ path }) => paths.push(path));
  const received: { type: string; length: number; sum: number }[] = [];
  node.on("message", (message) => {
    const bytes = message.payload as Uint8Array;
    received.push({ type: message.type, length: bytes.length, sum: bytes.reduce((sum, byte) => sum + byte, 0) });
    node.sendMessage(message.senderId, { type: "back", payload: bytes });
  });
  await node.start(0);
  try {
    const page = await openSdkPage();
    const echo = await page.evaluate(
      async ({ relay, nodeId }) => {
        const sdk = (window as unknown as { linknet_sdk: typeof import("linknet") }).linknet_sdk;
        const net = new sdk.NetworkManager({ relays: [relay], disableTransports: ["websocket"] });
        const onWebRtc = new Promise<void>((resolve) => net.on("path", ({ path }) => path === "webrtc" && resolve()));
        const back = new Promise<Uint8Array>((resolve) => net.on("message", ({ payload }) => resolve(payload as Uint8Array)));
        await net.start();
        await net.connectToPeer(nodeId);
        await onWebRtc;
        const bytes = new Uint8Array(4 * 1024 * 1024);
        for (let i = 0; i < bytes.length; i++) bytes[i] = i * 31 + (i >> 8);
        await net.deliver(nodeId, { type: "there", payload: bytes });
        const echoed = await back;
        const same = echoed.length === bytes.length && echoed.every((byte, i) => byte === bytes[i]);
        const path = net.getPeer(nodeId)?.path;
        await net.stop();
        return { same, path };
      },
      { relay: RELAY_URL, nodeId: node.peerId },
    );
    expect(echo).toEqual({ same: true, path: "webrtc" });
    expect(received.map(({ type, length }) => ({ type, length }))).toEqual([{ type: "there", length: 4 * 1024 * 1024 }]);
    expect(paths).toEqual(["relay", "webrtc"]);
  } finally {
    await node.stop();
  }
});
