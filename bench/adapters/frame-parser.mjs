// A length of four bytes, big-endian, before each message: what anybody writes upon a stream of bytes.

export const PREFIX_BYTES = 4;

/** Cuts a stream into its messages. What lies whole in a chunk is a view of it; what spans chunks is copied once. */
export class FrameParser {
  /** @param {(message: Buffer) => void} onMessage */
  constructor(onMessage) {
    this.onMessage = onMessage;
    /** @type {Buffer | null} The message under way, with room for all of it. */
    this.body = null;
    this.filled = 0;
    this.prefix = 0;
    this.prefixBytes = 0;
  }

  /** @param {Buffer} chunk */
  push(chunk) {
    const { length } = chunk;
    let offset = 0;
    while (offset < length) {
      if (this.body) {
        const end = Math.min(length, offset + this.body.length - this.filled);
        chunk.copy(this.body, this.filled, offset, end);
        this.filled += end - offset;
        offset = end;
        if (this.filled < this.body.length) return;
        const { body } = this;
        this.body = null;
        this.onMessage(body);
        continue;
      }
      while (this.prefixBytes < PREFIX_BYTES && offset < length) {
        this.prefix = ((this.prefix << 8) | /** @type {number} */ (chunk[offset++])) >>> 0;
        this.prefixBytes++;
      }
      if (this.prefixBytes < PREFIX_BYTES) return;
      const size = this.prefix;
      this.prefix = 0;
      this.prefixBytes = 0;
      if (length - offset >= size) {
        this.onMessage(chunk.subarray(offset, offset + size));
        offset += size;
      } else {
        this.body = Buffer.allocUnsafe(size);
        this.filled = 0;
      }
    }
  }
}
