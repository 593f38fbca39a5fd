// CBOR for payloads: our own walk on the way out, the gate and then cbor-x on the way in.

// The build without `Function(`: it runs under a content security policy, and it loads no native addon.
import { Decoder } from "cbor-x/index-no-eval";
import { toNetworkError } from "../errors.js";
import { checkCbor } from "./cbor-gate.js";
import { writePayload } from "./payload.js";

// `int64AsNumber` is there but not in the declarations of cbor-x.
const OPTIONS = {
  useRecords: false,
  mapsAsObjects: true,
  // The gate has bounded integers to what a number holds; without this, those above 2^32 would come out as bigint.
  int64AsNumber: true,
  // Byte strings with memory of their own: they can be transferred, viewed as Float32Array, and kept without the whole message.
  copyBuffers: true,
};

// `end`, where the payload in a larger array ends, is not in the declarations either.
const codec = new Decoder(OPTIONS) as { decode(source: Uint8Array, end?: number): unknown };

/**
 * Where payloads of up to its size are read: cbor-x keeps a DataView with each array that it has read, and to make one for every message
 * would cost as much as reading it. What it gives out has memory of its own.
 */
const SCRATCH = new Uint8Array(4096);

/**
 * Encodes a payload; what comes out passes {@link checkCbor}.
 * @param maxBytes - largest encoding, in bytes. Default: no bound
 * @returns a fresh array
 * @throws NetworkError `ERR_MESSAGE_INVALID` when the value is none that can be sent, see {@link writePayload}
 * @throws NetworkError `ERR_MESSAGE_TOO_LARGE` when it passes `maxBytes`
 */
export function encodeCbor(value: unknown, maxBytes = Number.POSITIVE_INFINITY): Uint8Array {
  return writePayload(value, 0, maxBytes, (encoded) => encoded.slice());
}

/**
 * Decodes what another peer sent. Maps become plain objects, byte strings a `Uint8Array` each with memory of its own.
 * @throws NetworkError `ERR_MESSAGE_MALFORMED` when the bytes are not of the subset that {@link checkCbor} lets through
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const { markedTexts } = checkCbor(bytes);
  try {
    if (markedTexts.length > 0) return codec.decode(doubleByteOrderMarks(bytes, markedTexts));
    if (bytes.length <= SCRATCH.length) {
      SCRATCH.set(bytes);
      return codec.decode(SCRATCH, bytes.length);
    }
    // A view of our own: cbor-x leaves a property on the array that it reads, and copies byte strings as the class of it.
    return codec.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    throw toNetworkError(error, "ERR_MESSAGE_MALFORMED");
  }
}

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;
/** Texts above this many bytes are read by cbor-x with a TextDecoder, which swallows one byte order mark at their start. */
const PLAIN_TEXT_BYTES = 64;

/** Gives such texts a second mark, so that the one that was sent remains. Their heads lie at `headOffsets`, ascending. */
function doubleByteOrderMarks(bytes: Uint8Array, headOffsets: readonly number[]): Uint8Array {
  // A head of one byte may become one of five, and three bytes are added.
  const doubled = new Uint8Array(bytes.length + 7 * headOffsets.length);
  const view = new DataView(doubled.buffer);
  let from = 0;
  let to = 0;
  for (const headAt of headOffsets) {
    const { start, length } = readTextHead(bytes, headAt);
    if (length <= PLAIN_TEXT_BYTES) continue;
    doubled.set(bytes.subarray(from, headAt), to);
    to += headAt - from;
    doubled[to] = 0x7a; // text whose length follows in 32 bits
    view.setUint32(to + 1, length + 3);
    doubled.set(BYTE_ORDER_MARK, to + 5);
    to += 8;
    from = start;
  }
  doubled.set(bytes.subarray(from), to);
  return doubled.subarray(0, to + bytes.length - from);
}

/** Where a text begins and how many bytes it has; the gate has been here before. */
function readTextHead(bytes: Uint8Array, headAt: number): { start: number; length: number } {
  const info = (bytes[headAt] as number) & 0x1f;
  const size = info < 24 ? 0 : 1 << (info - 24);
  let length = size === 0 ? info : 0;
  for (let i = 1; i <= size; i++) length = length * 256 + (bytes[headAt + i] as number);
  return { start: headAt + 1 + size, length };
}
