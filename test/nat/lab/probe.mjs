// Plain sockets in a namespace, by command: what shows how a NAT behaves without any of our own code in between.

import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { now, serve, tell } from "./lines.mjs";

/** @type {import("node:dgram").Socket[]} */
const sockets = [];

/** @param {number} socket */
function socketOf(socket) {
  const found = sockets[socket];
  if (!found) throw new Error(`no socket ${socket}`);
  return found;
}

serve({
  /**
   * Opens a UDP socket; what it receives is told as "datagram". With `echo` it answers each datagram with the address it came from.
   * @param {{ port?: number, address?: string, echo?: boolean }} args
   */
  udpOpen: ({ port = 0, address, echo = false }) =>
    new Promise((resolve, reject) => {
      const socket = createSocket("udp4");
      const number = sockets.push(socket) - 1;
      socket.on("message", (bytes, from) => {
        const seen = `${from.address}:${from.port}`;
        if (echo) socket.send(seen, from.port, from.address);
        else tell("datagram", { socket: number, from: seen, text: bytes.toString(), at: now() });
      });
      socket.once("error", reject);
      socket.bind(port, address, () => {
        socket.off("error", reject);
        // ICMP errors of what was sent; the test looks at what arrives.
        socket.on("error", () => {});
        resolve({ socket: number, port: socket.address().port });
      });
    }),
  /** @param {{ socket: number, port: number, address: string, text: string, ttl?: number }} args */
  udpSend: ({ socket, port, address, text, ttl = 64 }) =>
    new Promise((resolve, reject) => {
      const sender = socketOf(socket);
      sender.setTTL(ttl);
      const at = now();
      sender.send(text, port, address, (error) => (error ? reject(error) : resolve({ at })));
    }),
  /**
   * Listens for TCP and writes each caller the address it came from.
   * @param {{ port: number, address?: string }} args
   */
  tcpListen: ({ port, address }) =>
    new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        const from = `${socket.remoteAddress?.replace("::ffff:", "")}:${socket.remotePort}`;
        socket.on("error", () => {});
        socket.on("data", (bytes) => tell("tcp", { from, text: bytes.toString() }));
        tell("accepted", { from, port });
        socket.write(`${from}\n`);
      });
      server.once("error", reject);
      server.listen({ port, host: address ?? "0.0.0.0" }, () => resolve(null));
    }),
  /**
   * Connects and stays connected. `seen` is what the other side wrote first, if it writes.
   * @param {{ port: number, address: string, localPort?: number, localAddress?: string, timeoutMs?: number, expectsText?: boolean }} args
   */
  tcpConnect: ({ port, address, localPort, localAddress, timeoutMs = 2_000, expectsText = true }) =>
    new Promise((resolve, reject) => {
      const started = now();
      const socket = connect({ port, host: address, localAddress, localPort });
      const timer = setTimeout(() => socket.destroy(new Error("timeout")), timeoutMs);
      socket.on("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
      socket.on("connect", () => {
        const ms = now() - started;
        /** @param {string | null} seen */
        const done = (seen) => {
          clearTimeout(timer);
          resolve({ seen, ms, localPort: socket.localPort });
        };
        if (expectsText) socket.once("data", (bytes) => done(bytes.toString().trim()));
        else done(null);
      });
    }),
});
