// A link over one WebSocket in a browser: one binary message is one frame.

import { NetworkError } from "../core/errors.js";
import { LinkBase } from "../core/path/link.js";
import type { Clock, Millis, Timer } from "../core/runtime.js";

/** Largest frame, in bytes: as much as the Node end accepts. */
const MAX_FRAME_BYTES = 65_535;

/**
 * Bytes in the browser's buffer before `send` returns `false`; `drain` comes when half of them are left. It doubles as long as the path
 * empties the buffer between two looks, and is the least again when it does not: whatever else is sent waits behind what lies there.
 */
const LEAST_HIGH_WATER_BYTES = 256 * 1024;
const MOST_HIGH_WATER_BYTES = 1024 * 1024;

/** From a full buffer to the first look at it, in ms, and the most that this doubles to: a WebSocket has no event for it. */
const FIRST_LOOK_MS = 4;
const LAST_LOOK_MS = 64;

/** How long `close` waits for the other side's close frame, in ms; browsers wait up to a minute. */
const CLOSE_DEADLINE_MS = 1_000;

/** Close codes of RFC 6455 §7.4.1, and one of our own: a page may send only 1000 and 3000 to 4999. */
const NORMAL = 1000;
const GOING_AWAY = 1001;
const NO_STATUS = 1005;
const TOO_LARGE = 1009;
const REFUSED = 4003;

/** `websocket` link. */
export class WebSocketLink extends LinkBase {
  readonly kind = "websocket";
  readonly maxFrameBytes = MAX_FRAME_BYTES;
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  #highWaterBytes = LEAST_HIGH_WATER_BYTES;
  #drainTimer: Timer | null = null;
  #closeTimer: Timer | null = null;
  #closing = false;
  #fault: NetworkError | null = null;

  /** @param socket - open, with `binaryType` "arraybuffer"; it belongs to the link from here on */
  constructor(socket: WebSocket, clock: Clock) {
    super(socket.url);
    this.#socket = socket;
    this.#clock = clock;
    socket.onmessage = ({ data }) => this.#message(data);
    socket.onclose = ({ code }) => this.#closed(code);
    // Says nothing; "close" follows and has a code.
    socket.onerror = () => undefined;
  }

  send(frame: Uint8Array): boolean {
    if (this.#closing || this.ended || this.#socket.readyState !== 1) return false;
    if (frame.length === 0 || frame.length > this.maxFrameBytes)
      throw new NetworkError("ERR_FRAME_TOO_LARGE", `${frame.length} bytes`);
    this.#socket.send(frame as Uint8Array<ArrayBuffer>);
    if (this.#socket.bufferedAmount < this.#highWaterBytes) return true;
    this.#drainTimer ??= this.#lookAfter(FIRST_LOOK_MS);
    return false;
  }

  close(): void {
    this.#end(NORMAL);
  }

  #end(code: number): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#socket.close(code);
    this.#closeTimer = this.#clock.after(CLOSE_DEADLINE_MS, () => this.#closed(NORMAL));
  }

  #message(data: unknown): void {
    if (this.#closing || this.ended) return;
    // Also here, as timers stand still in a hidden tab while messages keep coming.
    if (this.#drainTimer) this.#drain();
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0) {
      this.#fault = new NetworkError("ERR_FRAME_MALFORMED", "a text or empty WebSocket message");
      this.#end(REFUSED);
    } else if (data.byteLength > MAX_FRAME_BYTES) {
      this.#fault = new NetworkError("ERR_FRAME_TOO_LARGE", `${data.byteLength} bytes`);
      this.#end(REFUSED);
    } else {
      this.deliver(new Uint8Array(data));
    }
  }

  #closed(code: number): void {
    this.#drainTimer?.cancel();
    this.#closeTimer?.cancel();
    if (this.#fault) this.finish(this.#fault);
    else if (this.#closing || code === NORMAL || code === GOING_AWAY || code === NO_STATUS) this.finish(null);
    else if (code === TOO_LARGE) this.finish(new NetworkError("ERR_FRAME_TOO_LARGE", "the other side refused a frame"));
    else this.finish(new NetworkError("ERR_CLOSED_ABORTED", `WebSocket close code ${code}`));
  }

  #lookAfter(delayMs: Millis): Timer {
    return this.#clock.after(delayMs, () => {
      if (this.#drain()) return;
      this.#highWaterBytes = LEAST_HIGH_WATER_BYTES;
      this.#drainTimer = this.#lookAfter(Math.min(2 * delayMs, LAST_LOOK_MS));
    });
  }

  /** @returns whether there was room */
  #drain(): boolean {
    const left = this.#socket.bufferedAmount;
    if (left > this.#highWaterBytes / 2) return false;
    this.#drainTimer?.cancel();
    this.#drainTimer = null;
    if (left === 0) this.#highWaterBytes = Math.min(2 * this.#highWaterBytes, MOST_HIGH_WATER_BYTES);
    this.drained();
    return true;
  }
}
