// A peer on a host of the laboratory: a NetworkManager by command. From the moment it is connected it sends numbered messages all
// the time, and it checks that those of the other side come once and in order.
// Argument: { module, options, seed, everyMs } as JSON; options are those of NetworkManager, where `wrtc: true` is @roamhq/wrtc.

import { createHash } from "node:crypto";
import { connect } from "node:net";
import { now, serve, tell } from "./lines.mjs";
import { numberingPeer } from "./numbering-peer.js";

const { module, options, seed, everyMs = 20 } = JSON.parse(process.argv[2] ?? "{}");

/** @type {typeof import("../../../src/node/index.js")} */
const { NetworkManager } = await import(module);

const identity = createHash("sha256").update(String(seed)).digest();
if (options.wrtc === true) options.wrtc = await import("@roamhq/wrtc");

/** Options that not every version knows: given as long as nobody complains. */
function createManager() {
  const given = { ...options, identity };
  for (;;) {
    try {
      return { net: new NetworkManager(given), given };
    } catch (error) {
      const unknown = Object.keys(options).find((name) => String(error).includes(`${name} is not known`) && name in given);
      if (!unknown) throw error;
      delete given[unknown];
    }
  }
}

const { net, given } = createManager();

const commands = numberingPeer(net, { tell, now, everyMs });

/**
 * Connects two peers inside this process once. What is measured later is then the network and the protocol, and not how long the
 * compiler of a fresh process takes for code that runs for the first time.
 */
async function warmUp() {
  const [one, other] = [new NetworkManager({ host: "127.0.0.1" }), new NetworkManager({ host: "127.0.0.1" })];
  await Promise.all([one.start(), other.start()]);
  const answered = new Promise((resolve) => one.setMessageCallback(resolve));
  other.setMessageCallback((message) => other.sendMessage(message.senderId, { type: "number", payload: 1 }));
  const id = await one.connectToPeer("127.0.0.1", Number(other.getLocalPort()));
  one.sendMessage(id, { type: "number", payload: 0 });
  await answered;
  await Promise.all([one.stop(), other.stop()]);
}

await warmUp();

/**
 * @param {string} address
 * @param {number} port
 * @returns {Promise<number>} how long it takes to connect
 */
function connectMs(address, port) {
  const began = now();
  return new Promise((resolve, reject) => {
    const socket = connect(port, address);
    socket.on("error", reject);
    socket.on("connect", () => {
      resolve(now() - began);
      socket.destroy();
    });
  });
}

serve(
  {
    /** @param {{ port?: number }} args */
    start: async ({ port = 0 }) => {
      await net.start(port);
      return { peerId: net.peerId, port: net.getLocalPort(), options: Object.keys(given) };
    },
    ...commands,
    /**
     * The fastest of five TCP connections to a port, in ms: a round trip as the network makes it, without any of our code.
     * @param {{ address: string, port: number }} args
     */
    roundTrip: async ({ address, port }) =>
      Math.min(...(await Promise.all(Array.from({ length: 5 }, () => connectMs(address, port))))),
  },
  () => net.stop(),
);
