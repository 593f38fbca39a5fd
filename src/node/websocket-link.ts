// A link over one WebSocket in Node: one binary message is one frame.

import type { RawData, WebSocket } from "ws";
import { NetworkError } from "../core/errors.js";
import { LinkBase } from "../core/path/link.js";
import { brokenError } from "./error-map.js";
import { MAX_STREAM_FRAME_BYTES } from "./frame-parser.js";
import { HIGH_WATER_BYTES, plainBytes } from "./tcp-link.js";

/** Bytes still waiting when `drain` comes. */
const LOW_WATER_BYTES = 128 * 1024;

/** How long `close` waits for the other side's close frame, in ms. */
const CLOSE_TIMEOUT_MS = 1_000;

/** What we let `ws` accept, on either side. Its own defaults allow 100 MiB per message and 262,144 buffered pieces. */
export const WEBSOCKET_LIMITS = {
  maxPayload: MAX_STREAM_FRAME_BYTES,
  maxFragments: 64,
  maxBufferedChunks: 4_096,
  perMessageDeflate: false,
  closeTimeout: CLOSE_TIMEOUT_MS,
} as const;

/** Close codes of RFC 6455 §7.4.1. */
const NORMAL = 1000;
const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;
const NO_STATUS = 1005;
const ABNORMAL = 1006;
const TOO_LARGE = 1009;

/** `websocket` link. It reads from the socket only once it is attached. */
export class WebSocketLink extends LinkBase {
  readonly kind = "websocket";
  readonly maxFrameBytes = MAX_STREAM_FRAME_BYTES;
  readonly #socket: WebSocket;
  #blocked = false;
  #closing = false;
  #fault: NetworkError | null = null;

  /** @param socket - open, with an error listener from its first moment; it belongs to the link from here on */
  constructor(socket: WebSocket, remoteAddress: string | null) {
    super(remoteAddress);
    this.#socket = socket;
    socket.pause();
    socket.binaryType = "nodebuffer";
    socket.on("message", (data, isBinary) => this.#message(data, isBinary));
    socket.on("error", (error) => this.#failed(error));
    socket.on("close", (code) => this.#closed(code));
  }

  override attach(handlers: Parameters<LinkBase["attach"]>[0]): void {
    super.attach(handlers);
    this.#socket.resume();
  }

  send(frame: Uint8Array): boolean {
    if (this.#closing || this.ended || this.#socket.readyState !== this.#socket.OPEN) return false;
    if (frame.length === 0 || frame.length > this.maxFrameBytes)
      throw new NetworkError("ERR_FRAME_TOO_LARGE", `${frame.length} bytes`);
    this.#socket.send(frame, { binary: true }, this.#sent);
    if (this.#socket.bufferedAmount < HIGH_WATER_BYTES) return true;
    this.#blocked = true;
    return false;
  }

  close(): void {
    this.#end(NORMAL);
  }

  #end(code: number): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#socket.resume();
    this.#socket.close(code);
    // The time limit of `ws` starts only when the close frame has left, which a peer that never reads can put off for ever.
    setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS).unref();
  }

  readonly #sent = (error?: Error | null): void => {
    if (error || !this.#blocked || this.#socket.bufferedAmount > LOW_WATER_BYTES) return;
    this.#blocked = false;
    this.drained();
  };

  #message(data: RawData, isBinary: boolean): void {
    if (this.#closing) return;
    const bytes = data as Buffer;
    if (isBinary && bytes.length > 0) {
      this.deliver(plainBytes(bytes));
      return;
    }
    this.#fault = new NetworkError("ERR_FRAME_MALFORMED", isBinary ? "an empty WebSocket message" : "a WebSocket text message");
    this.#end(UNSUPPORTED_DATA);
  }

  /** `ws` closes by itself after an error; `close` follows. */
  #failed(error: Error & { code?: unknown }): void {
    if (this.#fault || this.#closing) return;
    const code = String(error.code ?? "");
    if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH")
      this.#fault = new NetworkError("ERR_FRAME_TOO_LARGE", "above 65535 bytes", { cause: error });
    else if (code.startsWith("WS_ERR_")) this.#fault = new NetworkError("ERR_FRAME_MALFORMED", code, { cause: error });
    else this.#fault = brokenError(error);
    setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS).unref();
  }

  #closed(code: number): void {
    if (this.#fault) this.finish(this.#fault);
    else if (this.#closing || code === NORMAL || code === GOING_AWAY || code === NO_STATUS) this.finish(null);
    else if (code === TOO_LARGE) this.finish(new NetworkError("ERR_FRAME_TOO_LARGE", "the other side refused a frame"));
    else this.finish(new NetworkError("ERR_CLOSED_ABORTED", code === ABNORMAL ? undefined : `WebSocket close code ${code}`));
  }
}
