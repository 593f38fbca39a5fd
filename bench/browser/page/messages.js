// The messages of lib/messages.mjs as a page makes and checks them: the same bytes.

/** As there: LinkNet's queue holds 4 MiB, and the ring below must outlive it. */
const RING_BYTES = 8 * 1024 * 1024;
const COUNTER_BYTES = 4;
const WHOLE_EVERY = 64;
const CONTROL_BYTES = 8;

export const BEGIN = 1;
export const END = 2;

/** @param {number} length */
function pattern(length) {
  const bytes = new Uint8Array(length);
  let state = 0x9e3779b9;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** @param {number} size */
export function binaryMessages(size) {
  const content = pattern(size);
  /** @type {Uint8Array<ArrayBuffer>[]} */
  let ring = [];
  return {
    /** @param {number} index @returns {Uint8Array<ArrayBuffer>} */
    make(index) {
      if (ring.length === 0) ring = Array.from({ length: Math.max(4, Math.ceil(RING_BYTES / size)) }, () => content.slice());
      const message = /** @type {Uint8Array<ArrayBuffer>} */ (ring[index % ring.length]);
      message[0] = index;
      message[1] = index >>> 8;
      message[2] = index >>> 16;
      message[3] = index >>> 24;
      return message;
    },
    /** @param {number} index @param {Uint8Array} message */
    check(index, message) {
      if (message.length !== size || new DataView(message.buffer, message.byteOffset).getInt32(0, true) !== index) return false;
      if (index % WHOLE_EVERY === 0) return message.every((byte, at) => at < COUNTER_BYTES || byte === content[at]);
      const at = COUNTER_BYTES + ((index * 7_919) % (size - COUNTER_BYTES));
      return message[at] === content[at] && message[size - 1] === content[size - 1];
    },
    /** @param {number} kind @param {number} value */
    control(kind, value) {
      const view = new DataView(new ArrayBuffer(CONTROL_BYTES));
      view.setUint32(0, kind, true);
      view.setUint32(4, value, true);
      return new Uint8Array(view.buffer);
    },
    /** @param {Uint8Array} message @returns {{ kind: number, value: number } | null} */
    asControl(message) {
      if (message.length !== CONTROL_BYTES) return null;
      const view = new DataView(message.buffer, message.byteOffset, CONTROL_BYTES);
      return { kind: view.getUint32(0, true), value: view.getUint32(4, true) };
    },
  };
}
