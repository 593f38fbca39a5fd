// The browser build: everything of core, and a NetworkManager that brings WebSocket, WebRTC and noble.

import { CoreNetworkManager } from "../core/index.js";
import type { NetworkManagerOptions } from "../core/options.js";
import { hasOwnWebRtc } from "../webrtc/webrtc-link.js";
import { webrtcTransport } from "../webrtc/webrtc-transport.js";
import { browserRuntime, type WebRtc } from "./runtime.js";

export * from "../core/index.js";

const ownWebRtc: WebRtc = (settings) => (hasOwnWebRtc() ? webrtcTransport(settings) : null);

/** The one class of the SDK, as a browser runs it: WebRTC, WebSocket and the relay. It listens on no port. */
export class NetworkManager extends CoreNetworkManager {
  /** @throws NetworkError `ERR_OPTION_INVALID` naming the option that is unknown or malformed */
  constructor(options: NetworkManagerOptions = {}) {
    super(options, browserRuntime(options, ownWebRtc));
  }
}
