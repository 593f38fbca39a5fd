// Dial, one message, its answer, close; and again. The processes are warm: what is measured is a connection, not a start.

import { binaryMessages } from "../lib/messages.mjs";
import { median } from "../lib/statistics.mjs";

/** @typedef {{ bytes: number, warmUp: number, dials: number }} Params */
/** @typedef {import("../lib/types.js").Side<Params>} Side */

/** Answers each message with itself. @param {Side} side */
export async function server(side) {
  const listening = await side.adapter.listen({}, (connection) => {
    connection.onMessage = (message) => {
      if (!connection.send(message)) side.fail(new Error("one message is too much for the queue"));
    };
  });
  side.tell(listening.address);
  await side.hear();
}

/** @param {Side} side @returns {Promise<{ milliseconds: number }>} the median of the dials */
export async function client(side) {
  const { bytes, warmUp, dials } = side.params;
  const source = binaryMessages(bytes);
  const dialer = await side.adapter.createDialer({}, await side.hear());
  /** @type {number[]} */
  const times = [];
  for (let i = 0; i < warmUp + dials; i++) {
    const startedAt = performance.now();
    const connection = await dialer.dial();
    await new Promise((resolve) => {
      connection.onMessage = (message) => {
        if (!source.check(i, message)) side.fail(new Error(`answer ${i} is not what was sent`));
        resolve(undefined);
      };
      if (!connection.send(source.make(i))) side.fail(new Error("one message is too much for the queue"));
    });
    if (i >= warmUp) times.push(performance.now() - startedAt);
    await connection.close();
  }
  side.tell("done");
  return { milliseconds: median(times) };
}
