// Random bytes in a browser.

import type { Random } from "../core/runtime.js";

/** Most bytes that one call of `getRandomValues` gives (Web Cryptography §10.1.1). */
const MOST_AT_ONCE = 65_536;

/** Works outside a secure context too, as `crypto.getRandomValues` does. */
export const browserRandom: Random = {
  bytes(length) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += MOST_AT_ONCE) crypto.getRandomValues(bytes.subarray(at, at + MOST_AT_ONCE));
    return bytes;
  },
};
