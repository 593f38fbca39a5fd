// How old a cursor is that another peer sees, over a WebRTC path that loses packets: by the lane, and by datagrams.
// node bench/cursors-under-loss.mjs [--loss 5] [--rtt 50] [--rate 30] [--seconds 60]        after npm run build

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { parseArgs } from "node:util";
import wrtc from "@roamhq/wrtc";
import { loadLinkNet, loadRelay } from "./lib/linknet.mjs";

const { NetworkManager } = await loadLinkNet();
const { createRelay } = await loadRelay();

const { values } = parseArgs({
  options: {
    loss: { type: "string", default: "5" },
    rtt: { type: "string", default: "50" },
    rate: { type: "string", default: "30" },
    seconds: { type: "string", default: "60" },
  },
});
const lossPercent = Number(values.loss);
const rttMs = Number(values.rtt);
const perSecond = Number(values.rate);
const seconds = Number(values.seconds);

/** A path through this process: each packet waits for half a round trip, and some are lost. */
class Path {
  /** @type {import("node:dgram").Socket[]} */
  #sockets = [];
  #packets = 0;
  #lost = 0;
  lossPercent = 0;

  get lossSeen() {
    return (100 * this.#lost) / this.#packets;
  }

  /**
   * Opens a port that stands for an address.
   * @param {string} host
   * @param {number} port
   */
  async portFor(host, port) {
    const [near, far] = [createSocket("udp4"), createSocket("udp4")];
    this.#sockets.push(near, far);
    /** @type {import("node:dgram").RemoteInfo | null} */
    let client = null;
    near.on("message", (packet, from) => {
      client = from;
      this.#pass(() => far.send(packet, port, host));
    });
    far.on("message", (packet) => {
      const to = client;
      if (to) this.#pass(() => near.send(packet, to.port, to.address));
    });
    for (const socket of [near, far]) {
      socket.on("error", () => undefined);
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
    }
    return near.address().port;
  }

  /** @param {() => void} send */
  #pass(send) {
    this.#packets++;
    if (Math.random() * 100 < this.lossPercent) {
      this.#lost++;
      return;
    }
    setTimeout(() => {
      try {
        send();
      } catch {
        // The path was closed meanwhile.
      }
    }, rttMs / 2);
  }

  close() {
    for (const socket of this.#sockets) socket.close();
  }
}

/**
 * WebRTC whose every candidate leads through the path.
 * @param {Path} path
 * @param {boolean} datagrams whether the second channel may be made
 */
function webrtcOver(path, datagrams) {
  /** @type {any} */
  const given = wrtc;
  class Connection extends given.RTCPeerConnection {
    /** @param {string} label @param {RTCDataChannelInit} [settings] */
    createDataChannel(label, settings) {
      if (settings?.negotiated && !datagrams) throw new TypeError("not in this run");
      return super.createDataChannel(label, settings);
    }

    /** @param {RTCSessionDescription} description Those in the description come like the others. */
    async setRemoteDescription({ type, sdp }) {
      await super.setRemoteDescription(new given.RTCSessionDescription({ type, sdp: sdp.replace(/^a=candidate:.*\r\n/gm, "") }));
      for (const [, candidate] of sdp.matchAll(/^a=(candidate:.*)\r\n/gm)) {
        await this.addIceCandidate({ candidate, sdpMid: "0", sdpMLineIndex: 0 });
      }
    }

    /** @param {RTCIceCandidateInit} init */
    async addIceCandidate(init) {
      const [foundation, component, transport, priority, host, port, ...rest] = (init.candidate ?? "").split(" ");
      if (transport?.toLowerCase() !== "udp" || !/^[0-9.]+$/.test(host ?? "")) return;
      const standIn = await path.portFor(/** @type {string} */ (host), Number(port));
      const candidate = [foundation, component, transport, priority, "127.0.0.1", standIn, ...rest].join(" ");
      return super.addIceCandidate({ ...init, candidate });
    }
  }
  return { ...given, RTCPeerConnection: Connection };
}

/**
 * @param {boolean} datagrams
 * @returns {Promise<{ ages: number[], seen: number, lossSeen: number }>} how old each position was when it, or a newer one, was there
 */
async function measure(datagrams) {
  const path = new Path();
  const relay = await createRelay({ port: 0, host: "127.0.0.1", stunPort: false });
  const options = { relays: [relay.url], wrtc: webrtcOver(path, datagrams), disableTransports: ["tcp", "udp", "websocket"] };
  const [alice, bob] = [new NetworkManager(options), new NetworkManager(options)];
  await alice.start();
  await bob.start();
  await alice.connectToPeer(bob.peerId);
  while (alice.getPeer(bob.peerId)?.path !== "webrtc" || bob.getPeer(alice.peerId)?.path !== "webrtc") await pause(20);
  await pause(1_000);
  path.lossPercent = lossPercent;

  /** @type {number[]} */
  const sentAt = [];
  /** @type {number[]} */
  const ages = [];
  let seen = 0;
  bob.on("message", ({ payload }) => {
    seen++;
    for (let i = ages.length; i <= Number(payload); i++) ages.push(performance.now() - /** @type {number} */ (sentAt[i]));
  });
  const count = perSecond * seconds;
  const startedAt = performance.now();
  for (let i = 0; i < count; i++) {
    sentAt.push(performance.now());
    alice.sendMessage(bob.peerId, { type: "cursor", payload: i }, { latest: "cursor" });
    await pause(startedAt + ((i + 1) * 1_000) / perSecond - performance.now());
  }
  while (ages.length < count) await pause(20);
  const { lossSeen } = path;
  await Promise.all([alice.stop(), bob.stop()]);
  await relay.close();
  path.close();
  return { ages, seen, lossSeen };
}

/**
 * @param {number} ms
 * @returns {Promise<void>}
 */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

/** @param {number[]} values @param {number} share */
function quantile(values, share) {
  return [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN;
}

console.log(`${perSecond} positions a second for ${seconds} s, a round trip of ${rttMs} ms, ${lossPercent} % of packets lost.\n`);
console.log("| age of a position when it, or a newer one, has come, ms | p50 | p90 | p99 | most | handed on | packets lost |");
console.log("|---|--:|--:|--:|--:|--:|--:|");
for (const [name, datagrams] of /** @type {const} */ ([
  ["by the lane", false],
  ["by datagrams", true],
])) {
  const { ages, seen, lossSeen } = await measure(datagrams);
  const columns = [0.5, 0.9, 0.99, 1].map((share) => quantile(ages, share).toFixed(0));
  console.log(`| ${name} | ${columns.join(" | ")} | ${((100 * seen) / ages.length).toFixed(1)} % | ${lossSeen.toFixed(1)} % |`);
}
process.exit();
