// Many connections that have carried one message each and then rest: how much larger either process is by them.

import { Session } from "node:inspector/promises";
import { setTimeout as pause } from "node:timers/promises";
import { binaryMessages } from "../lib/messages.mjs";

/** @typedef {{ bytes: number, warmUp: number, connections: number, collections: number }} Params */
/** @typedef {import("../lib/types.js").Side<Params>} Side */

/** Dialled at a time. */
const AT_A_TIME = 8;
/** After each collection, for what finalizers and the allocator still do. */
const PAUSE_MS = 100;

/** @typedef {{ afterGc: number, rested: number }} Rss bytes */

/**
 * Twice: after `gc()`, and after a collection as the developer tools make it. The latter gives back the room for new objects, too: that
 * grows up to 32 MB by what a process allocates at a stretch, no matter for what, and V8 gives it back by itself once the process has
 * rested for some seconds.
 * @param {number} collections of each kind
 * @returns {Promise<Rss>}
 */
async function settledRss(collections) {
  const collect = async (/** @type {() => unknown} */ once) => {
    for (let i = 0; i < collections; i++) {
      await once();
      await pause(PAUSE_MS);
    }
    return process.memoryUsage.rss();
  };
  const afterGc = await collect(() => global.gc?.());
  const session = new Session();
  session.connect();
  const rested = await collect(() => session.post("HeapProfiler.collectGarbage"));
  session.disconnect();
  return { afterGc, rested };
}

/** @param {Rss} before @param {Rss} after @param {number} connections @returns {Rss} of each connection */
function growth(before, after, connections) {
  return { afterGc: (after.afterGc - before.afterGc) / connections, rested: (after.rested - before.rested) / connections };
}

/** @param {Side} side @returns {Promise<Rss>} of each connection */
export async function server(side) {
  const { warmUp, connections, collections } = side.params;
  const listening = await side.adapter.listen({ connections: warmUp + connections }, (connection) => {
    connection.onMessage = (message) => {
      if (!connection.send(message)) side.fail(new Error("one message is too much for the queue"));
    };
  });
  side.tell(listening.address);
  await side.hear();
  const before = await settledRss(collections);
  side.tell("measured");
  await side.hear();
  const after = await settledRss(collections);
  side.tell("measured");
  return growth(before, after, connections);
}

/** @param {Side} side @returns {Promise<Rss>} of each connection */
export async function client(side) {
  const { bytes, warmUp, connections, collections } = side.params;
  const source = binaryMessages(bytes);
  const dialer = await side.adapter.createDialer({ connections: warmUp + connections }, await side.hear());

  /** @param {number} count */
  const open = async (count) => {
    /** @type {import("../lib/types.js").Connection[]} */
    const opened = [];
    const one = async () => {
      while (count-- > 0) {
        const connection = await dialer.dial();
        await new Promise((resolve) => {
          connection.onMessage = (message) => {
            if (!source.check(0, message)) side.fail(new Error("an answer is not what was sent"));
            resolve(undefined);
          };
          if (!connection.send(source.make(0))) side.fail(new Error("one message is too much for the queue"));
        });
        connection.onMessage = () => undefined;
        opened.push(connection);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, one));
    return opened;
  };

  // Code, pools and tables that the first connections bring are no part of the later ones. They stay open: what closing gives back to
  // the allocator, but not to the system, would otherwise hide what the next ones take.
  const first = await open(warmUp);
  const before = await settledRss(collections);
  side.tell("warm");
  await side.hear();
  const held = await open(connections);
  const after = await settledRss(collections);
  side.tell("open");
  await side.hear();
  const count = first.length + held.length;
  if (count !== warmUp + connections) throw new Error(`${count} connections instead of ${warmUp + connections}`);
  return growth(before, after, connections);
}
