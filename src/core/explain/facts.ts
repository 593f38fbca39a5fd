// What the reports of `explain()` are made of, and who knows what would help.

import type { PeerId } from "../events.js";
import type { NetworkManagerOptions } from "../options.js";
import type { PortMappingStatus } from "../path/port-mapping.js";
import type { Transport } from "../path/transport.js";
import type { RelayClient } from "../relay/relay-client.js";
import type { Runtime } from "../runtime.js";
import type { FindingCode } from "./findings.js";
import type { NetworkReport, PathReport } from "./report.js";

/** This side, as of now. */
export interface Facts {
  readonly runtime: Runtime;
  readonly options: NetworkManagerOptions;
  readonly peerId: PeerId;
  readonly port: number | null;
  readonly transports: readonly Transport[];
  readonly addresses: readonly string[];
  readonly portMapping: PortMappingStatus | null;
  readonly relays: readonly RelayClient[];
  readonly stunServers: readonly string[];
}

/** What would improve things in one runtime; each reads a report that has no hints yet. */
export interface Advice {
  /** Beside relays, about which core knows enough. */
  network?(report: Omit<NetworkReport, "hints">): FindingCode[];
  /** Asked about poor paths only. */
  path(report: Omit<PathReport, "hints">, facts: Pick<Facts, "options" | "stunServers">): FindingCode[];
}
