// A link over one TCP socket: frames with a length before each.

import type { Socket } from "node:net";
import { NetworkError } from "../core/errors.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import { LinkBase, type LinkOutput } from "../core/path/link.js";
import { brokenError } from "./error-map.js";
import { FrameOutput } from "./frame-output.js";
import { FrameParser, MAX_STREAM_FRAME_BYTES } from "./frame-parser.js";

/** Bytes that wait in the socket before `send` returns `false`. `drain` comes when they have all gone to the kernel. */
export const HIGH_WATER_BYTES = 256 * 1024;

/** How long `close` waits for the other side to take what was sent, in ms. */
const CLOSE_DEADLINE_MS = 1_000;

/** A plain array over the same memory: `Buffer` answers `slice` and `toString` in ways of its own. */
export function plainBytes(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

const flush = (output: FrameOutput): void => output.flush();

/** `tcp` link. It reads from the socket only once it is attached, so that nothing piles up before. */
export class TcpLink extends LinkBase {
  readonly kind = "tcp";
  readonly maxFrameBytes = MAX_STREAM_FRAME_BYTES;
  readonly #socket: Socket;
  readonly #parser: FrameParser;
  readonly #output: FrameOutput;
  readonly output: LinkOutput;
  #blocked = false;
  #closing = false;

  /** @param socket - connected and paused, with an error listener from its first moment; it belongs to the link from here on */
  constructor(socket: Socket) {
    super(socket.remoteAddress === undefined ? null : formatEndpoint(socket.remoteAddress, socket.remotePort ?? 0));
    this.#socket = socket;
    this.#parser = new FrameParser((frame) => this.deliver(frame));
    this.#output = new FrameOutput((bytes, done) => {
      socket.write(bytes, done);
      // The kernel takes what it has room for before `write` returns: where nothing waits, it has copied all of it.
      return socket.writableLength === 0 && !socket.destroyed;
    });
    this.output = { room: (length) => this.#room(length), send: () => this.#commit() };
    socket.setNoDelay(true);
    socket.on("error", (error) => this.#over(brokenError(error)));
    socket.on("close", () => this.#over(this.#closing ? null : new NetworkError("ERR_CLOSED_ABORTED")));
    socket.on("end", () => this.#ended());
    socket.on("drain", () => {
      if (!this.#blocked) return;
      this.#blocked = false;
      this.drained();
    });
  }

  override attach(handlers: Parameters<LinkBase["attach"]>[0]): void {
    super.attach(handlers);
    if (this.ended || this.#closing) return;
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#socket.resume();
  }

  send(frame: Uint8Array): boolean {
    if (this.#closing || this.ended) return false;
    if (frame.length === 0 || frame.length > this.maxFrameBytes)
      throw new NetworkError("ERR_FRAME_TOO_LARGE", `${frame.length} bytes`);
    const { bytes, at } = this.#output.room(frame.length);
    bytes.set(frame, at);
    return this.#commit();
  }

  #room(length: number): ReturnType<LinkOutput["room"]> {
    return this.#closing || this.ended ? null : this.#output.room(length);
  }

  #commit(): boolean {
    // Records are filled at the end of a turn: what comes next is the end of that.
    if (this.#output.commit()) process.nextTick(flush, this.#output);
    if (this.#socket.writableLength + this.#output.waitingBytes < HIGH_WATER_BYTES) return true;
    this.#blocked = true;
    return false;
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#output.flush();
    this.#parser.stop();
    // What still arrives is read and dropped: closing with unread bytes would send a reset, and the other side
    // could lose what it has not read yet.
    this.#socket.resume();
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), CLOSE_DEADLINE_MS).unref();
  }

  #read(chunk: Buffer): void {
    if (this.#closing) return;
    try {
      this.#parser.push(plainBytes(chunk));
    } catch (error) {
      this.#socket.destroy();
      this.#over(error instanceof NetworkError ? error : brokenError(error));
    }
  }

  #ended(): void {
    if (this.#closing || !this.#parser.midFrame) this.#over(null);
    else this.#over(new NetworkError("ERR_CLOSED_ABORTED", "the stream ended inside a frame"));
    // The other side has gone: nobody is left to take a long queue.
    setTimeout(() => this.#socket.destroy(), CLOSE_DEADLINE_MS).unref();
  }

  #over(error: NetworkError | null): void {
    this.#parser.stop();
    this.finish(this.#closing ? null : error);
  }
}
