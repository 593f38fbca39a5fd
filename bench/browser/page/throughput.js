// Both halves of the workload, as workloads/throughput-halves.mjs has them for Node: the receiver checks and counts, the sender sends as
// fast as the system takes it.

import { BEGIN, binaryMessages, END } from "./messages.js";

/** @typedef {import("./main.js").Connection} Connection */

/** The clock is looked at after so many bytes. */
const LOOK_BYTES = 256 * 1024;

/** @param {Connection} connection @param {Uint8Array<ArrayBuffer>} message */
async function sendOne(connection, message) {
  while (!connection.send(message)) await connection.ready();
}

/** @param {Error} error */
function fail(error) {
  // From outside of the callback, as somebody may catch what callbacks throw.
  setTimeout(() => {
    throw error;
  });
}

/** @param {Connection} connection @param {number} bytes */
export function receive(connection, bytes) {
  const source = binaryMessages(bytes);
  let expected = 0;
  connection.onMessage = (message) => {
    const control = source.asControl(message);
    if (!control) {
      if (!source.check(expected, message)) fail(new Error(`message ${expected} is missing, or not what was sent`));
      expected++;
    } else if (control.kind === BEGIN) {
      expected = 0;
      void sendOne(connection, source.control(BEGIN, 0));
    } else {
      void sendOne(connection, source.control(END, expected));
    }
  };
}

/**
 * @param {Connection} connection
 * @param {number} bytes
 * @param {{ warmUpMs: number, measureMs: number }} times
 * @returns {Promise<{ messages: number, seconds: number }>} of the measured part
 */
export async function send(connection, bytes, { warmUpMs, measureMs }) {
  const source = binaryMessages(bytes);
  /** @type {(value: number) => void} */
  let onAnswer = () => undefined;
  connection.onMessage = (message) => {
    const control = source.asControl(message);
    if (control) onAnswer(control.value);
  };
  /** @param {number} kind @param {number} value @returns {Promise<number>} */
  const ask = async (kind, value) => {
    const answered = new Promise((resolve) => {
      onAnswer = resolve;
    });
    await sendOne(connection, source.control(kind, value));
    return answered;
  };
  /** @param {number} ms */
  const run = async (ms) => {
    await ask(BEGIN, 0);
    const startedAt = performance.now();
    const stride = Math.max(1, Math.floor(LOOK_BYTES / bytes));
    let sent = 0;
    while (performance.now() - startedAt < ms) {
      for (const end = sent + stride; sent < end; sent++) await sendOne(connection, source.make(sent));
    }
    const arrived = await ask(END, sent);
    if (arrived !== sent) throw new Error(`${arrived} messages arrived of ${sent}`);
    return { messages: sent, seconds: (performance.now() - startedAt) / 1000 };
  };
  await run(warmUpMs);
  return run(measureMs);
}
