// Strangers at the port: whatever they send, they are hung up on, and a connected pair notices nothing.

import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { text } from "linknet";
import { describe, expect, test } from "vitest";
import { portOf, record, started } from "./support.js";

const MIB = 1024 * 1024;

/** A frame as TCP links carry it: two bytes of length, then the frame. */
function frame(...bytes: readonly number[]): Buffer {
  return Buffer.from([bytes.length >> 8, bytes.length & 255, ...bytes]);
}

const PREAMBLE = frame(0x4c, 0x4e, 1, 1);
const noise = (length: number): number[] => Array.from({ length }, (_, i) => (i * 73 + 11) & 255);

const STRANGERS: Readonly<Record<string, readonly Buffer[]>> = {
  "64 MiB of zeros": Array.from({ length: 64 }, () => Buffer.alloc(MIB)),
  "an HTTP request for a page": [Buffer.from("GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n")],
  "HTTP that never ends": [Buffer.from(`GET / HTTP/1.1\r\n${"X-Filler: yes\r\n".repeat(20_000)}`)],
  "a WebSocket upgrade without a key": [
    Buffer.from("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
  ],
  "a TLS ClientHello": [Buffer.from([0x16, 0x03, 0x01, 0x00, 0xc8, 0x01, 0x00, 0x00, 0xc4, 0x03, 0x03, ...noise(194)])],
  "an SSH greeting": [Buffer.from("SSH-2.0-OpenSSH_9.6\r\n")],
  "a preamble of another version": [frame(0x4c, 0x4e, 9, 1)],
  "a preamble and a wrong handshake": [PREAMBLE, frame(...noise(31))],
  "a handshake whose second half is noise": [PREAMBLE, frame(...noise(32)), frame(...noise(180))],
  "a handshake with the low-order point": [PREAMBLE, frame(...new Array<number>(32).fill(0)), frame(...noise(180))],
};

/** Sends everything and resolves when the other side has hung up. */
async function annoy(port: number, chunks: readonly Buffer[]): Promise<void> {
  const socket: Socket = createConnection({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const deadline = setTimeout(() => socket.destroy(new Error("too late")), 14_000);
  for (const chunk of chunks) {
    if (socket.destroyed) break;
    if (!socket.write(chunk)) await Promise.race([once(socket, "drain").catch(() => undefined), closed]);
  }
  let late = false;
  socket.once("error", (error) => {
    late = error.message === "too late";
  });
  await closed;
  clearTimeout(deadline);
  expect(late, "it was never hung up on").toBe(false);
}

describe("strangers at the port", () => {
  for (const [title, chunks] of Object.entries(STRANGERS)) {
    test(`${title}: hung up on, and a connected pair notices nothing`, { timeout: 30_000 }, async () => {
      const [alice, bob] = [await started(), await started()];
      const [statuses, errors] = [record(bob, "connection"), record(bob, "error")];
      await alice.connectToPeer("127.0.0.1", portOf(bob));
      const annoyed = annoy(portOf(bob), chunks);
      for (let i = 0; i < 20; i++) await alice.deliver(bob.peerId, text(`while it lasts, ${i}`));
      await annoyed;
      await bob.deliver(alice.peerId, text("and afterwards"));
      expect(statuses.map((event) => event.status)).toEqual(["connecting", "connected"]);
      expect(errors).toEqual([]);
      const carol = await started();
      expect(await carol.connectToPeer("127.0.0.1", portOf(bob))).toBe(bob.peerId);
    });
  }

  test("half-open strangers in great number keep no peer out", { timeout: 30_000 }, async () => {
    const bob = await started({ limits: { maxUnproven: 8 } });
    const sockets = Array.from({ length: 60 }, () => createConnection({ port: portOf(bob), host: "127.0.0.1" }));
    await Promise.all(sockets.map((socket) => once(socket.on("error", () => undefined).resume(), "connect")));
    for (const socket of sockets.slice(30)) socket.write(PREAMBLE.subarray(0, 3));
    const alice = await started();
    expect(await alice.connectToPeer("127.0.0.1", portOf(bob))).toBe(bob.peerId);
    for (const socket of sockets) socket.destroy();
  });
});
