// The messages that are sent, and how the receiver checks them: the same work for each system.
//
// A source makes the i-th message and tells whether what arrived is the i-th: so nothing can be lost, doubled, swapped or changed unseen.
// Control messages mark where a measurement begins and ends; they go the same way and differ in length, or in type.

/** A queue of LinkNet holds this much, more than any other here; the ring below must outlive it. */
const MOST_QUEUED_BYTES = 4 * 1024 * 1024;
/** The counter at the head of each binary message. */
const COUNTER_BYTES = 4;
/** Every so many messages all bytes are compared, of the others two. */
const WHOLE_EVERY = 64;
const CONTROL_BYTES = 8;

/**
 * @typedef {{ kind: number, value: number }} Control
 * @typedef {object} Source
 * @property {(index: number) => any} make
 * @property {(index: number, message: any) => boolean} check
 * @property {(kind: number, value: number) => any} control
 * @property {(message: any) => Control | null} asControl
 */

/** The kinds of control messages. */
export const BEGIN = 1;
export const END = 2;

/** @param {number} length Bytes that look random and are the same in both processes. */
function pattern(length) {
  const bytes = Buffer.allocUnsafeSlow(length);
  let state = 0x9e3779b9;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/**
 * Binary messages. They come from a ring of ready buffers, twice as large as the largest queue: nobody pays for making them, and a system
 * that keeps a reference instead of a copy finds it unchanged.
 * @param {number} size at least 16 bytes
 * @returns {Source}
 */
export function binaryMessages(size) {
  const content = pattern(size);
  const tail = content.subarray(COUNTER_BYTES);
  /** @type {Buffer[]} */
  let ring = [];
  const fill = () => {
    const length = Math.max(4, Math.ceil((2 * MOST_QUEUED_BYTES) / size));
    const all = Buffer.allocUnsafeSlow(length * size);
    ring = Array.from({ length }, (_, i) => {
      const message = all.subarray(i * size, (i + 1) * size);
      content.copy(message);
      return message;
    });
  };
  return {
    make(index) {
      if (ring.length === 0) fill();
      const message = /** @type {Buffer} */ (ring[index % ring.length]);
      message[0] = index;
      message[1] = index >>> 8;
      message[2] = index >>> 16;
      message[3] = index >>> 24;
      return message;
    },
    check(index, message) {
      if (message.length !== size) return false;
      if ((message[0] | (message[1] << 8) | (message[2] << 16) | (message[3] << 24)) !== index) return false;
      const at = COUNTER_BYTES + ((index * 7_919) % (size - COUNTER_BYTES));
      if (message[at] !== content[at] || message[size - 1] !== content[size - 1]) return false;
      return index % WHOLE_EVERY !== 0 || Buffer.compare(message.subarray(COUNTER_BYTES), tail) === 0;
    },
    control(kind, value) {
      const message = Buffer.alloc(CONTROL_BYTES);
      message.writeUInt32LE(kind, 0);
      message.writeUInt32LE(value, 4);
      return message;
    },
    asControl(message) {
      if (message.length !== CONTROL_BYTES) return null;
      const view = new DataView(message.buffer, message.byteOffset, CONTROL_BYTES);
      return { kind: view.getUint32(0, true), value: view.getUint32(4, true) };
    },
  };
}

const TEXT_LENGTH = 100;
const FIRST_TS = 1_700_000_000_000;
const TEXTS = Array.from({ length: 16 }, (_, i) =>
  `${i}: the quick brown fox jumps over the lazy dog, and over again, until the line of text is as long as it has to be, which is here.`.slice(
    0,
    TEXT_LENGTH,
  ),
);

/**
 * Objects such as a chat sends: a type, a text of 100 characters, a time. The time counts, so the order is checked as well.
 * @returns {Source}
 */
export function objectMessages() {
  return {
    make: (index) => ({ type: "chat", text: TEXTS[index & 15], ts: FIRST_TS + index }),
    check: (index, message) => message.ts === FIRST_TS + index && message.type === "chat" && message.text === TEXTS[index & 15],
    control: (kind, value) => ({ type: "control", kind, value }),
    asControl: (message) => (message.type === "control" ? { kind: message.kind, value: message.value } : null),
  };
}
