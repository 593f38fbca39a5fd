// Builds the report about this side: what there is, what is missing, and what would improve it.

import type { ExplainOptions } from "../call-options.js";
import { abortable, type Deadline, deadline } from "../deadline.js";
import { NetworkError } from "../errors.js";
import type { Clock } from "../runtime.js";
import type { Facts } from "./facts.js";
import type { NetworkReport, TransportReport } from "./report.js";

/** Kinds that the SDK brings to one runtime or the other. */
const BUILT_IN = ["tcp", "udp", "websocket", "webrtc"];

const ABILITIES = ["dial", "listen", "negotiate"] as const;

/** An examination of a NAT takes 4 s at most. */
const EXPLAIN_TIMEOUT_MS = 5_000;

/** What {@link explainNetwork} waits for at most. */
export function explainDeadline(clock: Clock, { timeoutMs = EXPLAIN_TIMEOUT_MS, signal }: ExplainOptions): Deadline {
  return deadline(clock, timeoutMs, signal, () => new NetworkError("ERR_CLOSED_TIMEOUT"));
}

/**
 * Asks STUN servers; when they have not answered by the time that the signal aborts as `ERR_CLOSED_TIMEOUT`, the NAT is not known.
 * @throws any other reason of the signal
 */
export async function explainNetwork(facts: Facts, signal: AbortSignal): Promise<NetworkReport> {
  const { runtime, options: _options, transports, relays: clients, ...known } = facts;
  const relays = clients.map(({ url, connected, rttMs, problem }) => {
    const { code, message } = problem ?? { code: null, message: null };
    return { url, connected, rttMs, code, message };
  });
  const examined = transports.find(({ examine }) => examine)?.examine?.(facts.stunServers, signal);
  const nat = examined ? await abortable(examined, signal).catch(() => null) : null;
  if (signal.aborted && signal.reason?.code !== "ERR_CLOSED_TIMEOUT") throw signal.reason;
  const kinds = new Set([...transports.map(({ kind }) => kind), ...BUILT_IN]);
  const reports = [...kinds].map((kind) => transportReport(kind, facts));
  const report = { ...known, build: runtime.name, transports: reports, relays, nat };
  const hints = runtime.advice?.network?.(report) ?? [];
  if (!relays.some(({ connected }) => connected)) hints.unshift(relays.length > 0 ? "HINT_RELAY_DOWN" : "HINT_RELAY_NONE");
  return { ...report, hints };
}

function transportReport(kind: string, { transports, options }: Facts): TransportReport {
  const found = transports.find((transport) => transport.kind === kind);
  const why = options.disableTransports?.includes(kind) ? "WHY_DISABLED" : "WHY_NOT_HERE";
  const missing = found ? (found.problem?.code ?? null) : why;
  return { kind, can: missing ? [] : ABILITIES.filter((ability) => found?.[ability]), missing };
}
