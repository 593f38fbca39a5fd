// What was found out about a NAT, as `explain()` tells it: text instead of endpoints, and each server with what came of it.

import type { NatSummary } from "../core/explain/report.js";
import { formatEndpoint } from "../core/path/dial-url.js";
import type { Endpoint } from "../nat/datagram-port.js";
import type { NatReport } from "../nat/nat-discovery.js";

/** @param unresolved - servers that could not be asked, as their names do not resolve */
export function natSummary(report: NatReport, unresolved: readonly string[]): NatSummary {
  const { open, mapping, filtering, allocation, mapped, localPort, observations, failures, tookMs } = report;
  return {
    open,
    mapping,
    filtering,
    allocation,
    mapped: mapped && textOf(mapped),
    localPort,
    servers: [
      ...observations.map(({ server, mapped: seen }) => ({ server: textOf(server), mapped: textOf(seen), code: null })),
      ...failures.map(({ server, code }) => ({ server: textOf(server), mapped: null, code })),
      ...unresolved.map((server) => ({ server, mapped: null, code: "ERR_DIAL_NAME" as const })),
    ],
    tookMs: Math.round(tookMs),
  };
}

function textOf({ host, port }: Endpoint): string {
  return formatEndpoint(host, port);
}
