// One connection, one way, for a given time. Both halves: the client sends as fast as the system takes it, the server checks and counts.

import { cpuSeconds } from "../lib/cpu.mjs";
import { BEGIN, binaryMessages, END, objectMessages } from "../lib/messages.mjs";

/** @typedef {import("../lib/types.js").Connection} Connection */
/** @typedef {{ bytes: number, warmUpMs: number, measureMs: number }} Params `bytes` 0 means objects */
/** @typedef {import("../lib/types.js").Side<Params>} Side */

/** The clock is looked at after so many bytes, or so many objects. */
const LOOK_BYTES = 256 * 1024;
const LOOK_OBJECTS = 64;

/** @param {Params} params */
const sourceOf = ({ bytes }) => (bytes === 0 ? objectMessages() : binaryMessages(bytes));

/**
 * Sends, waiting where the system asks for it.
 * @param {Connection} connection
 * @param {any} message
 */
async function send(connection, message) {
  while (!connection.send(message)) await connection.ready();
}

/** @param {Side} side @returns {Promise<{ cpuSeconds: number }>} of the measured part */
export async function server(side) {
  const source = sourceOf(side.params);
  let expected = 0;
  let cpu = cpuSeconds();
  let spent = 0;
  const listening = await side.adapter.listen({ objects: side.params.bytes === 0 }, (connection) => {
    connection.onMessage = (message) => {
      const control = source.asControl(message);
      if (!control) {
        if (!source.check(expected, message)) side.fail(new Error(`message ${expected} is missing, or not what was sent`));
        expected++;
      } else if (control.kind === BEGIN) {
        expected = 0;
        cpu = cpuSeconds();
        void send(connection, source.control(BEGIN, 0));
      } else {
        if (control.value !== expected) side.fail(new Error(`${expected} messages arrived of ${control.value}`));
        spent = cpuSeconds() - cpu;
        void send(connection, source.control(END, expected));
      }
    };
  });
  side.tell(listening.address);
  await side.hear();
  return { cpuSeconds: spent };
}

/** @param {Side} side @returns {Promise<{ messages: number, seconds: number, cpuSeconds: number }>} of the measured part */
export async function client(side) {
  const { bytes, warmUpMs, measureMs } = side.params;
  const source = sourceOf(side.params);
  const dialer = await side.adapter.createDialer({ objects: bytes === 0 }, await side.hear());
  const connection = await dialer.dial();
  /** @type {(control: import("../lib/messages.mjs").Control) => void} */
  let onControl = () => undefined;
  connection.onMessage = (message) => {
    const control = source.asControl(message);
    if (control) onControl(control);
  };
  /** @param {number} kind @param {number} value */
  const ask = async (kind, value) => {
    /** @type {Promise<import("../lib/messages.mjs").Control>} */
    const answered = new Promise((resolve) => {
      onControl = resolve;
    });
    await send(connection, source.control(kind, value));
    return answered;
  };

  /** @param {number} ms */
  const run = async (ms) => {
    await ask(BEGIN, 0);
    const cpu = cpuSeconds();
    const startedAt = performance.now();
    const stride = bytes === 0 ? LOOK_OBJECTS : Math.max(1, Math.floor(LOOK_BYTES / bytes));
    let sent = 0;
    while (performance.now() - startedAt < ms) {
      for (const end = sent + stride; sent < end; sent++) {
        const message = source.make(sent);
        while (!connection.send(message)) await connection.ready();
      }
    }
    const { value } = await ask(END, sent);
    if (value !== sent) throw new Error(`${value} messages arrived of ${sent}`);
    return { messages: sent, seconds: (performance.now() - startedAt) / 1000, cpuSeconds: cpuSeconds() - cpu };
  };

  await run(warmUpMs);
  const result = await run(measureMs);
  side.tell("done");
  return result;
}
