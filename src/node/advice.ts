// What would improve the paths of a Node peer: packages that are missing, STUN servers, and what its NAT needs.

import type { Advice } from "../core/explain/facts.js";
import type { FindingCode } from "../core/explain/findings.js";
import type { NatSummary } from "../core/explain/report.js";

type Hints = readonly (FindingCode | false)[];

export const nodeAdvice: Advice = {
  network({ transports, stunServers, nat, portMapping }) {
    const why = (kind: string): string | null => transports.find((transport) => transport.kind === kind)?.missing ?? null;
    const hints: Hints = [
      why("udp") === "ERR_UDP_UNAVAILABLE" && "HINT_UDP_MISSING",
      why("webrtc") === "WHY_NOT_HERE" && "HINT_WEBRTC_MISSING",
      stunServers.length === 0 && "HINT_STUN_NONE",
      nat !== null && portMapping?.state !== "mapped" && natHint(nat),
    ];
    return hints.filter((hint) => hint !== false);
  },

  path({ attempts, remote, local, hopeless }, { options, stunServers }) {
    const failed = (code: string): boolean => attempts.some((attempt) => attempt.code === code);
    // Nobody but Node dials TCP.
    const isNode = remote?.schemes.includes("tcp");
    const may = (kind: string): boolean => !options.disableTransports?.includes(kind);
    const lacks = (side: typeof remote | typeof local, kind: string): boolean => side?.negotiable.includes(kind) === false;
    const hints: Hints = [
      hopeless.length > 0 && "HINT_PORTS_HOPELESS",
      failed("ERR_PUNCH_FAILED") && "HINT_PUNCH_FAILED",
      failed("ERR_WEBRTC_FAILED") && "HINT_TURN",
      isNode === true && may("udp") && lacks(local, "udp") && "HINT_UDP_MISSING",
      isNode === true && !lacks(local, "udp") && lacks(remote, "udp") && "HINT_REMOTE_UDP_MISSING",
      isNode === true && stunServers.length === 0 && "HINT_STUN_NONE",
      isNode === false && may("webrtc") && lacks(local, "webrtc") && "HINT_WEBRTC_MISSING",
    ];
    return hints.filter((hint) => hint !== false);
  },
};

function natHint({ open, mapping, allocation, mapped }: NatSummary): FindingCode | false {
  if (mapped === null) return "HINT_UDP_BLOCKED";
  if (open || mapping === "endpoint-independent") return false;
  if (mapping === "unknown") return "HINT_STUN_SECOND";
  return allocation === "sequential" ? "HINT_NAT_SEQUENTIAL" : "HINT_NAT_RANDOM";
}
