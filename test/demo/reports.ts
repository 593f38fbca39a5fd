// Reports of `explain()` for the tests of their text and their picture.

import type { NetworkReport, PathAttempt, PathReport } from "linknet";

type Given = Partial<PathAttempt> & Pick<PathAttempt, "kind" | "startedMs">;

export function attempt({ kind, startedMs, ...rest }: Given): PathAttempt {
  return {
    ...{ kind, startedMs, way: "dial", target: null, endedMs: null, outcome: "running", code: null, message: null, steps: [] },
    ...rest,
  };
}

/** Ten seconds of two Node peers whose NATs allow nothing but the relay. */
export const RELAYED: PathReport = {
  peerId: "a".repeat(52),
  status: "connected",
  nowMs: 10_240,
  path: "relay",
  address: null,
  rttMs: 42.4,
  why: "WHY_RETRY",
  local: { addresses: ["tcp://10.0.0.1:1000"], schemes: ["tcp", "ws", "wss"], negotiable: ["tcp", "udp"] },
  remote: {
    addresses: ["tcp://10.0.0.2:1000", "tcp://127.0.0.1:1000", "quic://10.0.0.2:1000"],
    schemes: ["tcp", "ws", "wss"],
    negotiable: ["tcp", "udp"],
    verdicts: ["dialable", "refused", "foreign"],
  },
  attempts: [
    attempt({
      ...{ kind: "tcp", target: "tcp://10.0.0.2:1000", startedMs: 40, endedMs: 165, outcome: "failed" },
      ...{ code: "ERR_DIAL_REFUSED", message: "nothing listens at this address" },
    }),
    attempt({
      ...{ kind: "udp", way: "offer", startedMs: 290, endedMs: 1_790, outcome: "failed", code: "ERR_PUNCH_HOPELESS" },
      message: "the NATs in between allow no direct path: the relay carries on (random against random)",
      steps: [
        { atMs: 330, text: "our NAT: random, seen at 203.0.113.5:4000" },
        { atMs: 410, text: "the other side's NAT: random, seen at 198.51.100.7:5000; plan: local" },
      ],
    }),
    attempt({ kind: "tcp", way: "offer", startedMs: 540, endedMs: 1_900, outcome: "abandoned" }),
    attempt({
      ...{ kind: "tcp", target: "tcp://10.0.0.2:1000", startedMs: 10_100, endedMs: 10_220, outcome: "failed" },
      ...{ code: "ERR_DIAL_REFUSED", message: "nothing listens at this address" },
    }),
    attempt({ kind: "tcp", way: "offer", startedMs: 10_120 }),
  ],
  changes: [{ atMs: 12, path: "relay", address: null }],
  retryInMs: 14_000,
  hopeless: ["udp"],
  hints: ["HINT_PORTS_HOPELESS"],
};

/** A path that moved from the relay to WebRTC, was lost, and came back after an hour. */
export const MOVED: PathReport = {
  ...RELAYED,
  ...{ nowMs: 3_700_000, path: "webrtc", address: "192.0.2.7:5000", rttMs: 3.25, why: "WHY_BEST", retryInMs: null, hints: [] },
  hopeless: [],
  attempts: [
    attempt({ kind: "webrtc", way: "answer", startedMs: 120, endedMs: 900, outcome: "opened" }),
    attempt({ kind: "relay", target: "wss://relay.example/", startedMs: 3_600_100, endedMs: 3_600_300, outcome: "opened" }),
    attempt({ kind: "webrtc", way: "answer", startedMs: 3_600_500, endedMs: 3_601_100, outcome: "opened" }),
  ],
  changes: [
    { atMs: 12, path: "relay", address: null },
    { atMs: 930, path: "webrtc", address: "192.0.2.7:5000" },
    { atMs: 3_600_000, path: null, address: null },
    { atMs: 3_600_310, path: "relay", address: null },
    { atMs: 3_601_120, path: "webrtc", address: "192.0.2.7:5000" },
  ],
};

export const NETWORK: NetworkReport = {
  peerId: "b".repeat(52),
  build: "node",
  port: 8080,
  transports: [
    { kind: "tcp", can: ["dial", "listen", "negotiate"], missing: null },
    { kind: "websocket", can: ["dial"], missing: null },
    { kind: "udp", can: [], missing: "ERR_UDP_UNAVAILABLE" },
    { kind: "webrtc", can: [], missing: "WHY_NOT_HERE" },
  ],
  addresses: ["tcp://10.0.0.1:8080", "ws://10.0.0.1:8080"],
  portMapping: null,
  relays: [
    { url: "wss://relay.example/", connected: true, rttMs: 23.4, code: null, message: null },
    {
      url: "wss://other.example/",
      connected: false,
      rttMs: null,
      code: "ERR_RELAY_UNAVAILABLE",
      message: "no relay is connected (refused)",
    },
  ],
  stunServers: ["stun:192.0.2.9", "stun:192.0.2.10"],
  nat: {
    ...{ open: false, mapping: "address-and-port-dependent", filtering: "unknown", allocation: "random" },
    ...{ mapped: "203.0.113.5:4000", localPort: 8080, tookMs: 310 },
    servers: [
      { server: "192.0.2.9:3478", mapped: "203.0.113.5:4000", code: null },
      { server: "192.0.2.10:3478", mapped: null, code: "ERR_STUN_TIMEOUT" },
    ],
  },
  hints: ["HINT_UDP_MISSING", "HINT_NAT_RANDOM"],
};
