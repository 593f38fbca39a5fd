// The relay, for those who run one inside their own program: `import { createRelay } from "linknet/relay"`.

import { type RelayOptions, resolveRelayOptions } from "./relay-options.js";
import { RelayServer } from "./relay-server.js";

export { NetworkError } from "../core/errors.js";
export { RELAY_LIMITS, type RelayLimits } from "./relay-limits.js";
export type { RelayLogEntry, RelayOptions } from "./relay-options.js";

/** A running relay. `url` is one to dial, `stunPort` is 0 where STUN is off, `clients` counts those that are logged in. */
export type Relay = Pick<RelayServer, "port" | "stunPort" | "stunAlternate" | "url" | "clients" | "rooms" | "close">;

/**
 * Starts a relay: a WebSocket server that proves who its clients are, forwards their sealed frames, keeps rooms and answers
 * STUN. It keeps everything in memory and the process alive until `close()`.
 * @throws NetworkError `ERR_LISTEN_IN_USE`, `ERR_LISTEN_FAILED`, `ERR_PORT_INVALID`, `ERR_OPTION_INVALID`
 */
export async function createRelay(options: RelayOptions = {}): Promise<Relay> {
  const relay = new RelayServer(resolveRelayOptions(options));
  await relay.open();
  return relay;
}
