// What it means for us that the other side said goodbye.

import { NetworkError } from "../errors.js";
import type { PeerId } from "../events.js";
import type { GoodbyeReason } from "./record.js";

export function goodbyeError(reason: GoodbyeReason, peerId: PeerId): NetworkError {
  switch (reason) {
    case "limit":
      return new NetworkError("ERR_LIMIT_CONNECTIONS", "at the other side", { peerId });
    case "refused":
      return new NetworkError("ERR_CLOSED_BY_PEER", "it refused us", { peerId });
    case "protocol":
      return new NetworkError("ERR_CLOSED_BY_PEER", "it found what we sent malformed", { peerId });
    default:
      return new NetworkError("ERR_CLOSED_BY_PEER", undefined, { peerId });
  }
}
