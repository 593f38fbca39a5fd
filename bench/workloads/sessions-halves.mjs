// The same work over few or many connections: bursts on each of them, each burst answered before the next one on that connection.

import { cpuSeconds } from "../lib/cpu.mjs";
import { BEGIN, binaryMessages, END } from "../lib/messages.mjs";

/** @typedef {{ bytes: number, burst: number, connections: number, warmUpMs: number, measureMs: number }} Params */
/** @typedef {import("../lib/types.js").Side<Params>} Side */

/** Dialled at a time. */
const AT_A_TIME = 8;

/** @param {Side} side @returns {Promise<{ messages: number, cpuSeconds: number }>} of the measured part */
export async function server(side) {
  const { bytes, burst, connections } = side.params;
  const source = binaryMessages(bytes);
  let messages = 0;
  const listening = await side.adapter.listen({ connections }, (connection) => {
    let expected = 0;
    connection.onMessage = (message) => {
      // The positions in a burst are what is counted, so all connections can share the messages.
      if (!source.check(expected, message))
        side.fail(new Error(`message ${expected} of a burst is missing, or not what was sent`));
      messages++;
      expected = (expected + 1) % burst;
      if (expected === 0 && !connection.send(source.control(END, burst))) side.fail(new Error("no room to answer"));
    };
  });
  side.tell(listening.address);
  await side.hear();
  messages = 0;
  const cpu = cpuSeconds();
  side.tell("begun");
  const sent = await side.hear();
  if (sent !== messages) throw new Error(`${messages} messages arrived of ${sent}`);
  return { messages, cpuSeconds: cpuSeconds() - cpu };
}

/** @param {Side} side @returns {Promise<{ seconds: number, cpuSeconds: number }>} of the measured part */
export async function client(side) {
  const { bytes, burst, connections, warmUpMs, measureMs } = side.params;
  const source = binaryMessages(bytes);
  const dialer = await side.adapter.createDialer({ connections }, await side.hear());
  /** @type {{ connection: import("../lib/types.js").Connection, answered: () => void }[]} */
  const all = [];
  let left = connections;
  const dial = async () => {
    while (left-- > 0) {
      const one = { connection: await dialer.dial(), answered: () => {} };
      one.connection.onMessage = (message) => {
        if (source.asControl(message)?.value !== burst) side.fail(new Error("an answer is not what was sent"));
        one.answered();
      };
      all.push(one);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, dial));

  /** @param {(typeof all)[number]} one */
  const sendBurst = async (one) => {
    /** @type {Promise<void>} */
    const answered = new Promise((resolve) => {
      one.answered = resolve;
    });
    for (let i = 0; i < burst; i++) while (!one.connection.send(source.make(i))) await one.connection.ready();
    await answered;
  };
  /** @param {number} ms */
  const run = async (ms) => {
    const startedAt = performance.now();
    let bursts = 0;
    const work = async (/** @type {(typeof all)[number]} */ one) => {
      while (performance.now() - startedAt < ms) {
        await sendBurst(one);
        bursts++;
      }
    };
    await Promise.all(all.map(work));
    return { messages: bursts * burst, seconds: (performance.now() - startedAt) / 1000 };
  };

  await run(warmUpMs);
  side.tell(BEGIN);
  await side.hear();
  const cpu = cpuSeconds();
  const { messages, seconds } = await run(measureMs);
  const spent = cpuSeconds() - cpu;
  side.tell(messages);
  return { seconds, cpuSeconds: spent };
}
