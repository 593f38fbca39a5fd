// A message goes, comes back, and the next one goes: the round trip of each.

import { binaryMessages } from "../lib/messages.mjs";
import { quantile } from "../lib/statistics.mjs";

/** @typedef {{ bytes: number, warmUp: number, measureMs: number }} Params */
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

/** @param {Side} side @returns {Promise<{ p50: number, p99: number, count: number }>} in µs */
export async function client(side) {
  const { bytes, warmUp, measureMs } = side.params;
  const source = binaryMessages(bytes);
  const dialer = await side.adapter.createDialer({}, await side.hear());
  const connection = await dialer.dial();
  let index = 0;

  /** @param {(count: number) => boolean} isOver @returns {Promise<number[]>} */
  const run = (isOver) =>
    new Promise((resolve) => {
      /** @type {number[]} */
      const times = [];
      let sentAt = 0;
      const next = () => {
        sentAt = performance.now();
        if (!connection.send(source.make(index))) side.fail(new Error("one message is too much for the queue"));
      };
      connection.onMessage = (message) => {
        times.push((performance.now() - sentAt) * 1_000);
        if (!source.check(index, message)) side.fail(new Error(`answer ${index} is not what was sent`));
        index++;
        if (isOver(times.length)) resolve(times);
        else next();
      };
      next();
    });

  await run((count) => count >= warmUp);
  const end = performance.now() + measureMs;
  const times = await run(() => performance.now() >= end);
  side.tell("done");
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), count: times.length };
}
