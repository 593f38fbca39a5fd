// A Node peer for the browser tests, made of the built package: it joins a room and says and hears the demo's chat messages.

import { expect } from "@playwright/test";
import { type LinkKind, type Message, NetworkManager } from "linknet";
import { RELAY_URL } from "../../scripts/lib/e2e-ports.mjs";

/** The chat's own type of message, as in demo-web/chat/chat-protocol.ts. */
const CHAT_TEXT = "chat.text";

export interface NodePeer {
  readonly peerId: string;
  say(text: string): void;
  hears(text: string): Promise<void>;
  hearsAnything(): Promise<void>;
  connectedTo(peerIds: readonly string[]): Promise<void>;
  /** Waits until the relay was the first path to this peer and `kind` is the present one. */
  movesTo(peerId: string, kind: LinkKind): Promise<void>;
  stop(): Promise<void>;
}

function textOf(message: Message): string {
  if (message.type !== CHAT_TEXT) return "";
  const { text } = message.payload as { text?: unknown };
  return typeof text === "string" ? text : "";
}

export async function startNodePeer(roomName: string, name = "Node"): Promise<NodePeer> {
  const net = new NetworkManager({ relays: [RELAY_URL], name });
  const heard: string[] = [];
  const paths: { peerId: string; path: LinkKind }[] = [];
  net.on("message", (message) => heard.push(textOf(message)));
  net.on("path", ({ peerId, path }) => paths.push({ peerId, path }));
  await net.start(0);
  const room = await net.joinRoom(roomName);
  const pathsTo = (peerId: string) => paths.filter((event) => event.peerId === peerId).map((event) => event.path);
  return {
    peerId: net.peerId,
    say(text) {
      expect(room.broadcast({ type: CHAT_TEXT, payload: { text } })).toBeGreaterThan(0);
    },
    async hears(text) {
      await expect.poll(() => heard, { message: `${name} hears` }).toContain(text);
    },
    async hearsAnything() {
      await expect.poll(() => heard.filter((text) => text !== "").length, { message: `${name} hears` }).toBeGreaterThan(0);
    },
    async connectedTo(peerIds) {
      await expect.poll(() => net.getConnectedPeers().map((peer) => peer.id)).toEqual(expect.arrayContaining([...peerIds]));
    },
    async movesTo(peerId, kind) {
      await expect.poll(() => pathsTo(peerId).at(-1), { message: `path of ${name}` }).toBe(kind);
      expect(pathsTo(peerId)[0]).toBe("relay");
      expect(net.getConnectedPeers().find((peer) => peer.id === peerId)).toMatchObject({ path: kind, status: "connected" });
    },
    stop: () => net.stop(),
  };
}
