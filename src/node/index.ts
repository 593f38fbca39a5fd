// The Node build: everything of core, and a NetworkManager that brings sockets, `ws` and `node:crypto`.

import { CoreNetworkManager } from "../core/index.js";
import type { NetworkManagerOptions } from "../core/options.js";
import { nodeRuntime } from "./runtime.js";

export * from "../core/index.js";

/** The one class of the SDK, as Node runs it: TCP and WebSocket on one port, the relay, and WebRTC where `wrtc` is given. */
export class NetworkManager extends CoreNetworkManager {
  /** @throws NetworkError `ERR_OPTION_INVALID` naming the option that is unknown or malformed */
  constructor(options: NetworkManagerOptions = {}) {
    super(options, nodeRuntime(options));
  }
}
