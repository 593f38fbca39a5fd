// A peer on a host of the laboratory: a NetworkManager by command. From the moment it is connected it sends numbered messages all
// the time, and it checks that those of the other side come once and in order.
// Argument: { module, options, seed, everyMs } as JSON; options are those of NetworkManager.

import { createHash } from "node:crypto";
import { connect } from "node:net";
import { now, serve, tell } from "./lines.mjs";

const { module, options, seed, everyMs = 20 } = JSON.parse(process.argv[2] ?? "{}");

/** @type {typeof import("../../../src/node/index.js")} */
const { NetworkManager } = await import(module);

const identity = createHash("sha256").update(String(seed)).digest();

/** Faults that are told one by one; after that they are only counted. */
const MAX_FAULTS = 5;

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

/** One direction of numbered messages with one peer. */
class Flow {
  sent = 0;
  received = 0;
  faults = 0;
  /** @type {number | null} */
  firstAt = null;
  lastAt = 0;
  longestGapMs = 0;
  /** @type {NodeJS.Timeout | null} */
  timer = null;

  /** @param {string} peerId */
  start(peerId) {
    const send = () => {
      // A number that was refused is sent the next time: `false` means that nothing was taken.
      if (net.sendMessage(peerId, { type: "number", payload: this.sent })) this.sent++;
    };
    this.timer ??= setInterval(send, everyMs);
    send();
  }

  stop() {
    clearInterval(this.timer ?? undefined);
    this.timer = null;
  }

  /** @param {unknown} number */
  receive(number) {
    const at = now();
    if (this.firstAt === null) {
      this.firstAt = at;
      tell("first", { at });
    } else this.longestGapMs = Math.max(this.longestGapMs, at - this.lastAt);
    this.lastAt = at;
    if (number !== this.received && this.faults++ < MAX_FAULTS) tell("fault", { expected: this.received, got: number });
    this.received = Number(number) + 1;
  }
}

/** @type {Map<string, Flow>} */
const flows = new Map();

/** @param {string} peerId */
function flowOf(peerId) {
  const flow = flows.get(peerId) ?? new Flow();
  flows.set(peerId, flow);
  return flow;
}

net.on("message", (message) => flowOf(message.senderId).receive(message.payload));
net.on("connection", ({ peerId, status, error }) => {
  tell("connection", { peerId, status, code: error?.code ?? null, at: now() });
  if (status === "connected") flowOf(peerId).start(peerId);
  if (status === "disconnected") flowOf(peerId).stop();
});
net.on("path", ({ peerId, path, previous }) => {
  tell("path", { peerId, path, previous, address: net.getPeer(peerId)?.address ?? null, at: now() });
});
net.on("relay", ({ status, error }) => tell("relay", { status, code: error?.code ?? null }));
net.on("error", (error) => tell("error", { code: error.code, text: error.message }));
net.on("failed", ({ error }) => tell("failed", { code: error.code }));

/** @param {string} peerId */
function report(peerId) {
  const { sent, received, faults, firstAt, longestGapMs } = flowOf(peerId);
  const peer = net.getPeer(peerId);
  return { sent, received, faults, firstAt, longestGapMs, path: peer?.path ?? null, address: peer?.address ?? null };
}

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
    /** @param {{ target: string }} args */
    connect: async ({ target }) => {
      const startedAt = now();
      const peerId = await net.connectToPeer(target);
      return { peerId, startedAt, connectedAt: now() };
    },
    /** @param {{ peerId: string }} args */
    stopSending: ({ peerId }) => {
      flowOf(peerId).stop();
      return { sent: flowOf(peerId).sent };
    },
    /** @param {{ peerId: string }} args */
    startSending: ({ peerId }) => flowOf(peerId).start(peerId),
    /** @param {{ peerId: string }} args */
    report: ({ peerId }) => report(peerId),
    /**
     * Why the path is what it is, where the SDK can tell; `null` where it cannot.
     * @param {{ peerId: string }} args
     */
    explain: async ({ peerId }) => {
      const { explain } = /** @type {{ explain?: (peerId: string) => unknown }} */ (/** @type {unknown} */ (net));
      return explain ? await explain.call(net, peerId) : null;
    },
    /**
     * The fastest of five TCP connections to a port, in ms: a round trip as the network makes it, without any of our code.
     * @param {{ address: string, port: number }} args
     */
    roundTrip: async ({ address, port }) =>
      Math.min(...(await Promise.all(Array.from({ length: 5 }, () => connectMs(address, port))))),
  },
  () => net.stop(),
);
