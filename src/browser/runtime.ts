// The browser runtime: what this build brings to core.

// First of all: what is alike compresses best side by side, and noble in the midst of our own code costs a page 0.8 kB more.
import { nobleCrypto } from "./noble-crypto.js";

// All else.

import type { NetworkManagerOptions } from "../core/options.js";
import type { Transport } from "../core/path/transport.js";
import type { Clock, Runtime } from "../core/runtime.js";
import { hasOwnWebRtc } from "../webrtc/webrtc-link.js";
import { webrtcTransport } from "../webrtc/webrtc-transport.js";
import { browserAdvice } from "./advice.js";
import { browserClock } from "./clock.js";
import { watchNetwork } from "./network-watch.js";
import { browserRandom } from "./random.js";
import { openRelaySocket } from "./relay-socket.js";
import { watchUnload } from "./unload.js";
import { websocketTransport } from "./websocket-transport.js";

/** What a page or a worker brings to `NetworkManager`. Without WebRTC, as in a worker, everything else works. */
export function browserRuntime(options: NetworkManagerOptions = {}): Runtime {
  const clock = browserClock();
  return {
    name: "browser",
    clock,
    random: browserRandom,
    crypto: nobleCrypto(browserRandom),
    transports: browserTransports(options, clock),
    openRelaySocket,
    // A page learns no address of its machine.
    localAddresses: () => [],
    onNetworkChange: (callback) => watchNetwork(callback),
    onUnload: (callback) => watchUnload(callback),
    advice: browserAdvice,
    maxConnections: 100,
  };
}

function browserTransports(options: NetworkManagerOptions, clock: Clock): Transport[] {
  const disabled = new Set(options.disableTransports);
  const transports: Transport[] = [];
  if (!disabled.has("websocket")) transports.push(websocketTransport(clock));
  if (!disabled.has("webrtc") && hasOwnWebRtc())
    transports.push(webrtcTransport({ clock, iceServers: options.iceServers ?? [] }));
  return transports;
}
