// The browser runtime: what this build brings to core.

import type { IceServer, NetworkManagerOptions } from "../core/options.js";
import type { Transport } from "../core/path/transport.js";
import type { Clock, Runtime } from "../core/runtime.js";
import { browserAdvice } from "./advice.js";
import { browserClock } from "./clock.js";
import { watchNetwork } from "./network-watch.js";
import { nobleCrypto } from "./noble-crypto.js";
import { browserRandom } from "./random.js";
import { openRelaySocket } from "./relay-socket.js";
import { watchUnload } from "./unload.js";
import { withWebCrypto } from "./webcrypto-aead.js";
import { websocketTransport } from "./websocket-transport.js";

/** The `webrtc` transport of this browser; `null` where it has no WebRTC, as in a worker. */
export type WebRtc = (settings: { readonly clock: Clock; readonly iceServers: readonly IceServer[] }) => Transport | null;

/**
 * What a page or a worker brings to `NetworkManager`. Without WebRTC everything else works.
 * @param webrtc - given rather than imported, so that a bundle can be without it. Default: there is none
 */
export function browserRuntime(options: NetworkManagerOptions = {}, webrtc?: WebRtc): Runtime {
  const clock = browserClock();
  return {
    name: "browser",
    clock,
    random: browserRandom,
    crypto: withWebCrypto(nobleCrypto(browserRandom), globalThis.crypto.subtle),
    transports: browserTransports(options, clock, webrtc),
    openRelaySocket,
    // A page learns no address of its machine.
    localAddresses: () => [],
    onNetworkChange: (callback) => watchNetwork(callback),
    onUnload: (callback) => watchUnload(callback),
    advice: browserAdvice,
    maxConnections: 100,
  };
}

function browserTransports(options: NetworkManagerOptions, clock: Clock, webrtc?: WebRtc): Transport[] {
  const disabled = new Set(options.disableTransports);
  const transports: Transport[] = [];
  if (!disabled.has("websocket")) transports.push(websocketTransport(clock));
  const rtc = disabled.has("webrtc") ? null : webrtc?.({ clock, iceServers: options.iceServers ?? [] });
  if (rtc) transports.push(rtc);
  return transports;
}
