// When the browser's link asks for a pause, and when it goes on: a WebSocket tells how much it holds, and nothing when that changes.

import { expect, test } from "vitest";
import { WebSocketLink } from "../../src/browser/websocket-link.js";
import { VirtualClock } from "../sim/virtual-clock.js";

const KIB = 1024;

/** A socket that holds what the test says. */
class HoldingSocket {
  readonly url = "ws://192.0.2.1:1";
  readyState = 1;
  bufferedAmount = 0;
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null;

  send(frame: Uint8Array): void {
    this.bufferedAmount += frame.length;
  }

  close(): void {
    this.readyState = 3;
  }
}

function open() {
  const clock = new VirtualClock();
  const socket = new HoldingSocket();
  const link = new WebSocketLink(socket as unknown as WebSocket, clock);
  const told = { drains: 0 };
  link.attach({ frame: () => undefined, drain: () => told.drains++, closed: () => undefined });
  /** Sends until the link asks for a pause. @returns KiB that lie in the socket then */
  const fill = (): number => {
    while (link.send(new Uint8Array(16 * KIB))) {
      if (socket.bufferedAmount > 16 * KIB * KIB) throw new Error("never said stop");
    }
    return socket.bufferedAmount / KIB;
  };
  return { clock, socket, link, told, fill };
}

test("asks for a pause at 256 KiB, and goes on at half of that", () => {
  const { clock, socket, told, fill } = open();
  expect(fill()).toBe(256);
  socket.bufferedAmount = 128 * KIB + 1;
  clock.advance(4);
  expect(told.drains).toBe(0);
  socket.bufferedAmount = 128 * KIB;
  clock.advance(7);
  expect(told.drains).toBe(0);
  clock.advance(1);
  expect(told.drains).toBe(1);
  expect(clock.pendingTimers).toBe(0);
});

test("looks at a buffer that stays full ever more rarely, up to every 64 ms", () => {
  const { clock, fill } = open();
  fill();
  const looks: number[] = [];
  while (clock.now() < 400) {
    clock.runNext();
    looks.push(clock.now());
  }
  expect(looks).toEqual([4, 12, 28, 60, 124, 188, 252, 316, 380, 444]);
});

test("looks when a message comes as well, as timers stand still in a hidden tab", () => {
  const { socket, told, fill } = open();
  fill();
  socket.bufferedAmount = 100;
  socket.onmessage?.({ data: new ArrayBuffer(1) });
  expect(told.drains).toBe(1);
  socket.onmessage?.({ data: new ArrayBuffer(1) });
  expect(told.drains).toBe(1);
});

test("fills up to 1 MiB on a path that empties it between two looks, and 256 KiB again on one that does not", () => {
  const { clock, socket, told, fill } = open();
  for (const expected of [256, 512, 1024, 1024]) {
    expect(fill()).toBe(expected);
    socket.bufferedAmount = 0;
    clock.advance(4);
  }
  // Fast enough for what it has.
  fill();
  socket.bufferedAmount = 400 * KIB;
  clock.advance(4);
  expect(told.drains).toBe(5);
  expect(fill()).toBe(1024);
  socket.bufferedAmount = 600 * KIB;
  clock.advance(4);
  expect(told.drains).toBe(5);
  socket.bufferedAmount = 128 * KIB;
  clock.advance(8);
  expect(told.drains).toBe(6);
  expect(fill()).toBe(256);
});

test("looks no more when it is closed", () => {
  const { clock, link, fill, told } = open();
  fill();
  link.close();
  clock.advance(5_000);
  expect(told.drains).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});
