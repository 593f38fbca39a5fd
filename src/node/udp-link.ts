// A link over one UDX stream: frames with a length before each, as over TCP.

import type { UdxStream } from "udx-native";
import { EMPTY_BYTES } from "../core/bytes.js";
import { NetworkError } from "../core/errors.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import { LinkBase, type LinkOutput } from "../core/path/link.js";
import type { Endpoint } from "../nat/datagram-port.js";
import { brokenError } from "./error-map.js";
import { FRAME_HEADER_BYTES, FrameParser, MAX_STREAM_FRAME_BYTES } from "./frame-parser.js";
import { plainBytes } from "./tcp-link.js";

/** Bytes that wait in the stream before `send` returns `false`. */
const UDP_HIGH_WATER_BYTES = 256 * 1024;

/** How long `close` waits for the other side to take what was sent, in ms. */
const CLOSE_DEADLINE_MS = 1_000;

/** `udp` link. It reads only once it is attached, so that nothing piles up before. */
export class UdpLink extends LinkBase {
  readonly kind = "udp";
  readonly maxFrameBytes = MAX_STREAM_FRAME_BYTES;
  readonly #stream: UdxStream;
  readonly #parser: FrameParser;
  readonly output: LinkOutput = { room: (length) => this.#openRoom(length), send: () => this.#sendRoom() };
  /** Memory for the frame that comes next, behind its length; none between frames. */
  readonly #room: { bytes: Uint8Array; at: number } = { bytes: EMPTY_BYTES, at: FRAME_HEADER_BYTES };
  /** Bytes written since the stream last said that it has room. */
  #waiting = 0;
  #blocked = false;
  #closing = false;

  /**
   * @param stream - connected; it belongs to the link from here on
   * @param gone - called when the stream is over, so that its socket can be closed
   */
  constructor(stream: UdxStream, remote: Endpoint, gone: () => void) {
    super(formatEndpoint(remote.host, remote.port));
    this.#stream = stream;
    this.#parser = new FrameParser((frame) => this.deliver(frame));
    stream.on("error", (error) => this.#over(brokenError(error)));
    stream.on("close", () => {
      this.#over(this.#closing ? null : new NetworkError("ERR_CLOSED_ABORTED"));
      gone();
    });
    stream.on("end", () => this.#ended());
    stream.on("drain", () => {
      this.#waiting = 0;
      if (!this.#blocked) return;
      this.#blocked = false;
      this.drained();
    });
    stream.pause();
  }

  override attach(handlers: Parameters<LinkBase["attach"]>[0]): void {
    super.attach(handlers);
    if (this.ended || this.#closing) return;
    this.#stream.on("data", (chunk) => this.#read(chunk));
    this.#stream.resume();
  }

  send(frame: Uint8Array): boolean {
    if (this.#closing || this.ended) return false;
    if (frame.length === 0 || frame.length > this.maxFrameBytes)
      throw new NetworkError("ERR_FRAME_TOO_LARGE", `${frame.length} bytes`);
    this.#openRoom(frame.length);
    this.#room.bytes.set(frame, FRAME_HEADER_BYTES);
    return this.#sendRoom();
  }

  // Memory of its own for each frame: UDX reads it there until the other side has acknowledged it.
  #openRoom(length: number): ReturnType<LinkOutput["room"]> {
    if (this.#closing || this.ended) return null;
    const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
    bytes.writeUInt16BE(length);
    this.#room.bytes = bytes;
    return this.#room;
  }

  // One write, so that one request of UDX carries the frame and its length. It waits for the end of this turn, and leaves with others.
  #sendRoom(): boolean {
    const { bytes } = this.#room;
    if (this.#closing || this.ended) return false;
    this.#room.bytes = EMPTY_BYTES;
    // The stream's own mark is below the size of a frame, and it says so again when the batch has been taken.
    this.#waiting = this.#stream.write(bytes) ? 0 : this.#waiting + bytes.length;
    if (this.#waiting < UDP_HIGH_WATER_BYTES) return true;
    this.#blocked = true;
    return false;
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#parser.stop();
    this.#stream.resume();
    this.#stream.end();
    setTimeout(() => this.#stream.destroy(), CLOSE_DEADLINE_MS).unref();
  }

  #read(chunk: Uint8Array): void {
    if (this.#closing) return;
    try {
      this.#parser.push(plainBytes(chunk));
    } catch (error) {
      this.#stream.destroy();
      this.#over(error instanceof NetworkError ? error : brokenError(error));
    }
  }

  #ended(): void {
    this.#stream.end();
    if (this.#closing || !this.#parser.midFrame) this.#over(null);
    else this.#over(new NetworkError("ERR_CLOSED_ABORTED", "the stream ended inside a frame"));
    // The other side has gone: nobody is left to take a long queue.
    setTimeout(() => this.#stream.destroy(), CLOSE_DEADLINE_MS).unref();
  }

  #over(error: NetworkError | null): void {
    this.#parser.stop();
    this.finish(this.#closing ? null : error);
  }
}
