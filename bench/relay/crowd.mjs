// Many clients in one process, which log in, say one thing, hear the answer, and then are silent.

import { connect, pingFrame } from "./client.mjs";

/** Connections in the making at a time. */
const AT_ONCE = 50;
/** From one address, as many as the relay takes by default leaves some room. */
const PER_ADDRESS = 250;

/** @type {import("./client.mjs").RelayClient[]} */
let clients = [];

/**
 * @param {"relay" | "bare"} kind
 * @param {string} url
 * @param {number} count
 */
export async function gather(kind, url, count) {
  let next = 0;
  const one = async () => {
    while (next < count) {
      const index = next++;
      const client = await connect(kind, url, `127.0.0.${1 + Math.floor(index / PER_ADDRESS)}`);
      clients.push(client);
      await new Promise((resolve) => {
        client.onFrame = resolve;
        client.ws.send(pingFrame());
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

/** Everybody leaves. */
export async function leave() {
  const gone = clients.map((client) => new Promise((resolve) => client.ws.once("close", resolve)));
  for (const client of clients) client.ws.close();
  clients = [];
  await Promise.all(gone);
}

/** @returns {number} clients that are still connected */
export const present = () => clients.filter(({ ws }) => ws.readyState === ws.OPEN).length;
