// What would improve the paths of a page.

import type { Advice } from "../core/explain/facts.js";
import type { FindingCode } from "../core/explain/findings.js";

export const browserAdvice: Advice = {
  path({ attempts, remote }) {
    const codes = attempts.map(({ code }) => code);
    const hints: FindingCode[] = [];
    if (codes.includes("ERR_DIAL_FORBIDDEN")) hints.push("HINT_PAGE_HTTPS");
    if (codes.includes("ERR_WEBRTC_FAILED")) hints.push("HINT_TURN");
    // Only Node dials TCP.
    if (remote?.schemes.includes("tcp") && !remote.negotiable.includes("webrtc")) hints.push("HINT_REMOTE_WEBRTC_MISSING");
    return hints;
  },
};
