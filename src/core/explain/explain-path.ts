// Builds the report about the path to one peer: why it is this one, what was tried, what comes next, and what would improve it.

import type { PathsMessage } from "../connect/path-message.js";
import type { Peer } from "../connect/peer-table.js";
import { RELAY_RANK } from "../connect/relay-set.js";
import type { Facts } from "./facts.js";
import type { FindingCode } from "./findings.js";
import type { PathReport, SideReport } from "./report.js";

export function explainPath({ session, upgrader, reconnector }: Peer, facts: Facts): PathReport {
  const { runtime, options } = facts;
  const { history, remote, hopeless } = upgrader;
  const { attempts } = history;
  const retryAt = reconnector.retryAt ?? upgrader.retryAt;
  const isPoor = session.pathRank >= RELAY_RANK;

  const why = (): FindingCode => {
    if (session.path === null) return "WHY_NO_LINK";
    if (options.upgrade === false) return "WHY_FIXED";
    if (!remote) return "WHY_UNTOLD";
    if (upgrader.isTrying || attempts.some(({ outcome }) => outcome === "running")) return "WHY_TRYING";
    if (retryAt !== null) return "WHY_RETRY";
    if (upgrader.awaits) return "WHY_AWAITED";
    if (!isPoor) return "WHY_BEST";
    return hopeless.length > 0 ? "WHY_HOPELESS" : "WHY_NOTHING_COMMON";
  };

  const report = {
    peerId: session.peerId,
    status: session.status,
    nowMs: history.nowMs,
    path: session.path,
    address: session.remoteAddress,
    rttMs: session.rttMs,
    why: why(),
    local: side(upgrader.announced),
    remote: remote && { ...side(remote), verdicts: remote.addresses.map((url) => upgrader.judge(url)) },
    attempts,
    changes: history.changes,
    retryInMs: retryAt && Math.max(0, Math.round(retryAt - runtime.clock.now())),
    hopeless,
  };
  return { ...report, hints: (isPoor && runtime.advice?.path(report, facts)) || [] };
}

function side({ addresses, schemes, negotiable }: PathsMessage): SideReport {
  return { addresses, schemes, negotiable };
}
