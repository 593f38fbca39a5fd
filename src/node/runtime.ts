// The Node runtime: what this build brings to core.

import { randomFillSync } from "node:crypto";
import type { NetworkManagerOptions } from "../core/options.js";
import type { Transport } from "../core/path/transport.js";
import type { Random, Runtime } from "../core/runtime.js";
import { webrtcImplementation } from "../webrtc/webrtc-implementation.js";
import { webrtcTransport } from "../webrtc/webrtc-transport.js";
import { nodeClock } from "./clock.js";
import { localAddresses } from "./local-addresses.js";
import { watchNetwork } from "./network-watch.js";
import { nodeCrypto } from "./node-crypto.js";
import { openRelaySocket } from "./relay-socket.js";
import { tcpTransport } from "./tcp-transport.js";
import { UdpTransport } from "./udp-transport.js";
import { websocketTransport } from "./websocket-transport.js";

/**
 * What Node brings to `NetworkManager`.
 * @throws NetworkError `ERR_OPTION_INVALID` when `wrtc` is no WebRTC implementation
 */
export function nodeRuntime(options: NetworkManagerOptions = {}): Runtime {
  return {
    name: "node",
    clock: nodeClock,
    random: nodeRandom,
    crypto: nodeCrypto(),
    transports: nodeTransports(options),
    openRelaySocket,
    localAddresses,
    onNetworkChange: (callback) => watchNetwork(nodeClock, localAddresses, callback),
    maxConnections: 300,
  };
}

const nodeRandom: Random = { bytes: (length) => randomFillSync(new Uint8Array(length)) };

function nodeTransports(options: NetworkManagerOptions): Transport[] {
  const disabled = new Set(options.disableTransports);
  const transports: Transport[] = [];
  // One port for both kinds: whichever comes first opens it.
  if (!disabled.has("tcp")) transports.push(tcpTransport({ acceptWebSocket: !disabled.has("websocket") }));
  if (!disabled.has("websocket")) transports.push(websocketTransport({ ownPort: disabled.has("tcp") }));
  if (!disabled.has("udp")) {
    const loadUdx = async () => (await import("udx-native")).default;
    transports.push(new UdpTransport({ clock: nodeClock, random: nodeRandom, crypto: nodeCrypto(), localAddresses, loadUdx }));
  }
  const wrtc = options.wrtc === undefined || options.wrtc === null ? null : webrtcImplementation(options.wrtc);
  if (wrtc && !disabled.has("webrtc"))
    transports.push(webrtcTransport({ clock: nodeClock, iceServers: options.iceServers ?? [], wrtc }));
  return transports;
}
