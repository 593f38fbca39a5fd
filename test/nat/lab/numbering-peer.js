// What a peer of the laboratory does, in Node and in a page alike: from the moment it is connected it sends numbered messages all the
// time, and it checks that those of the other side come once and in order.

/** Faults that are told one by one; after that they are only counted. */
const MAX_FAULTS = 5;

/**
 * @typedef {object} Surroundings
 * @property {(event: string, details?: Record<string, unknown>) => void} tell
 * @property {() => number} now the clock that all processes of the laboratory share, in ms
 * @property {number} everyMs between two messages
 */

/** One direction of numbered messages with one peer. */
class Flow {
  sent = 0;
  received = 0;
  faults = 0;
  /** @type {number | null} */
  firstAt = null;
  lastAt = 0;
  longestGapMs = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  timer = undefined;

  /** @param {() => boolean} sendNext @param {number} everyMs */
  start(sendNext, everyMs) {
    const send = () => {
      // A number that was refused is sent the next time: `false` means that nothing was taken.
      if (sendNext()) this.sent++;
    };
    this.timer ??= setInterval(send, everyMs);
    send();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** @param {unknown} number @param {Surroundings} surroundings */
  receive(number, { tell, now }) {
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

/**
 * @param {import("../../../src/core/network-manager.js").CoreNetworkManager} net not started yet
 * @param {Surroundings} surroundings
 * @returns commands by name, to be served
 */
export function numberingPeer(net, surroundings) {
  const { tell, now, everyMs } = surroundings;
  /** @type {Map<string, Flow>} */
  const flows = new Map();
  /** @param {string} peerId */
  const flowOf = (peerId) => {
    const flow = flows.get(peerId) ?? new Flow();
    flows.set(peerId, flow);
    return flow;
  };
  /** @param {string} peerId */
  const startSending = (peerId) => {
    const flow = flowOf(peerId);
    flow.start(() => net.sendMessage(peerId, { type: "number", payload: flow.sent }), everyMs);
  };

  net.on("message", (message) => flowOf(message.senderId).receive(message.payload, surroundings));
  net.on("connection", ({ peerId, status, error }) => {
    tell("connection", { peerId, status, code: error?.code ?? null, at: now() });
    if (status === "connected") startSending(peerId);
    if (status === "disconnected") flowOf(peerId).stop();
  });
  net.on("path", ({ peerId, path, previous }) => {
    tell("path", { peerId, path, previous, address: net.getPeer(peerId)?.address ?? null, at: now() });
  });
  net.on("relay", ({ status, error }) => tell("relay", { status, code: error?.code ?? null, at: now() }));
  net.on("error", (error) => tell("error", { code: error.code, text: error.message, at: now() }));
  net.on("failed", ({ error }) => tell("failed", { code: error.code }));

  return {
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
    startSending: ({ peerId }) => startSending(peerId),
    /** @param {{ peerId: string }} args */
    report: ({ peerId }) => {
      const { sent, received, faults, firstAt, longestGapMs } = flowOf(peerId);
      const peer = net.getPeer(peerId);
      return { sent, received, faults, firstAt, longestGapMs, path: peer?.path ?? null, address: peer?.address ?? null };
    },
    /**
     * Why the path is what it is, where the SDK can tell; `null` where it cannot.
     * @param {{ peerId: string }} args
     */
    explain: async ({ peerId }) => {
      const { explain } = /** @type {{ explain?: (peerId: string) => unknown }} */ (/** @type {unknown} */ (net));
      return explain ? await explain.call(net, peerId) : null;
    },
  };
}
