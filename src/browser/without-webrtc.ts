// The browser build without WebRTC: for workers, which have none, and for pages that only meet Node peers and relays.

import { CoreNetworkManager } from "../core/index.js";
import type { NetworkManagerOptions } from "../core/options.js";
import { browserRuntime } from "./runtime.js";

export * from "../core/index.js";

/** The one class of the SDK, with WebSocket and the relay alone. It listens on no port. */
export class NetworkManager extends CoreNetworkManager {
  /** @throws NetworkError `ERR_OPTION_INVALID` naming the option that is unknown or malformed */
  constructor(options: NetworkManagerOptions = {}) {
    super(options, browserRuntime(options));
  }
}
