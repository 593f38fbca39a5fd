// One process sends each message to all its connections, the other one holds them and checks what each gets.
//
// The sender is at most a window ahead of the slowest receiver, for every system: so nobody wins by filling memory, and a call that
// reaches all peers at once never meets a full queue.

import { cpuSeconds } from "../lib/cpu.mjs";
import { BEGIN, binaryMessages, END } from "../lib/messages.mjs";

/** @typedef {import("../lib/types.js").Connection} Connection */
/** @typedef {{ bytes: number, peers: number, warmUpMs: number, measureMs: number }} Params */
/** @typedef {import("../lib/types.js").Side<Params>} Side */

/** Messages that the sender may be ahead. */
const WINDOW = 256;
/** Each receiver tells after so many messages that it has them. */
const TELL_EVERY = 64;
/** The clock is looked at after so many messages. */
const LOOK_EVERY = 16;

/** A fan-out to connections that wait each for themselves. @param {readonly Connection[]} connections @param {(index: number) => any} make */
function oneByOne(connections, make) {
  const next = connections.map(() => 0);
  const waiting = connections.map(() => false);
  let sent = 0;
  /** @param {number} c @param {any} message */
  const trySend = (c, message) => {
    const connection = /** @type {Connection} */ (connections[c]);
    if (connection.send(message)) {
      next[c] = /** @type {number} */ (next[c]) + 1;
      return true;
    }
    waiting[c] = true;
    void connection.ready().then(() => {
      waiting[c] = false;
      while (/** @type {number} */ (next[c]) < sent && trySend(c, make(/** @type {number} */ (next[c]))));
    });
    return false;
  };
  return (/** @type {any} */ message) => {
    const index = sent++;
    for (let c = 0; c < connections.length; c++) if (!waiting[c] && next[c] === index) trySend(c, message);
    return connections.length;
  };
}

/** @param {Side} side @returns {Promise<{ deliveries: number, seconds: number, cpuSeconds: number }>} */
export async function server(side) {
  const { bytes, peers, warmUpMs, measureMs } = side.params;
  const source = binaryMessages(bytes);
  /** @type {Connection[]} */
  const connections = [];
  /** @type {Map<Connection, number>} messages that a receiver has told of */
  const has = new Map();
  let wake = () => {};
  const listening = await side.adapter.listen({ connections: peers }, (connection) => {
    connections.push(connection);
    connection.onMessage = (message) => {
      has.set(connection, source.asControl(message)?.value ?? -1);
      wake();
    };
  });
  side.tell(listening.address);
  await side.hear();

  let index = 0;
  const least = () => (has.size < peers ? -1 : Math.min(...has.values()));
  /** @param {number} value */
  const reached = async (value) => {
    while (least() < value) {
      await new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
        wake = resolve;
      });
    }
  };
  // Each receiver has told that it has nothing yet.
  await reached(0);
  if (connections.length !== peers) throw new Error(`${connections.length} connections instead of ${peers}`);

  const broadcast = listening.broadcast ?? oneByOne(connections, source.make);
  /** @param {number} ms */
  const run = async (ms) => {
    const first = index;
    const startedAt = performance.now();
    while (performance.now() - startedAt < ms || index % TELL_EVERY !== 0) {
      await reached(index - WINDOW + TELL_EVERY);
      for (const end = index + LOOK_EVERY; index < end; index++) {
        const took = broadcast(source.make(index));
        if (took !== peers) throw new Error(`${took} peers took message ${index}`);
      }
    }
    await reached(index);
    return { deliveries: (index - first) * peers, seconds: (performance.now() - startedAt) / 1000 };
  };
  /** @returns {Promise<number>} seconds of both processes */
  const cpuOfBoth = async () => {
    side.tell("cpu");
    return cpuSeconds() + (await side.hear());
  };
  await run(warmUpMs);
  const before = await cpuOfBoth();
  const result = await run(measureMs);
  const after = await cpuOfBoth();
  side.tell("done");
  return { ...result, cpuSeconds: after - before };
}

/** @param {Side} side */
export async function client(side) {
  const { bytes, peers } = side.params;
  const source = binaryMessages(bytes);
  const dialer = await side.adapter.createDialer({ connections: peers }, await side.hear());
  for (let i = 0; i < peers; i++) {
    const connection = await dialer.dial();
    let expected = 0;
    connection.onMessage = (message) => {
      if (!source.check(expected, message))
        side.fail(new Error(`peer ${i}: message ${expected} is missing, or not what was sent`));
      expected++;
      if (expected % TELL_EVERY === 0 && !connection.send(source.control(END, expected))) side.fail(new Error("no room to tell"));
    };
    connection.send(source.control(BEGIN, 0));
  }
  side.tell("connected");
  while ((await side.hear()) === "cpu") side.tell(cpuSeconds());
}
