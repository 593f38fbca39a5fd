// The WebRTC implementation that an application hands over in Node.

import { NetworkError } from "../core/errors.js";

const NEEDED = ["RTCPeerConnection", "RTCSessionDescription", "RTCIceCandidate"] as const;

/**
 * Finds the three constructors in what was given: the module itself, or its default export.
 * @throws NetworkError `ERR_OPTION_INVALID`
 */
export function webrtcImplementation(given: unknown): object {
  for (const candidate of [given, (given as { default?: unknown } | null)?.default]) {
    if (typeof candidate !== "object" || candidate === null) continue;
    const constructors = candidate as Record<string, unknown>;
    if (NEEDED.every((name) => typeof constructors[name] === "function")) return candidate;
  }
  throw new NetworkError("ERR_OPTION_INVALID", `wrtc must be an object with ${NEEDED.join(", ")}, such as @roamhq/wrtc`);
}
