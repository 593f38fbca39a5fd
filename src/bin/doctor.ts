// `linknet doctor`: looks at the network of this machine, and at the path to one peer, and says in words what it found.

import { parseArgs } from "node:util";
import { FINDINGS, NetworkError, NetworkManager, type NetworkReport, type PathReport } from "linknet";
import { sentence } from "../../demo-node/chat-room.js";
import { loadWebRtc } from "../../demo-node/load-webrtc.js";
import { networkLines, pathLines } from "../../demo-web/chat/explain-text.js";
import { displayName, terminalText } from "../../demo-web/chat/names.js";

/** What `linknet doctor --help` prints. */
export const DOCTOR_HELP = `linknet doctor - what NAT is in between, who can be reached, and what would improve it

Usage:
  linknet doctor [options]

Options:
  --relay URL      a relay to try; may be given several times (default: LINKNET_RELAY, if set)
  --stun URL       a STUN server to ask, such as stun:stun.example:3478; may be given several
                   times. Two are needed to know a NAT; relays mostly have one.
  --peer TARGET    also look at the path to this peer: a ticket, a PeerId or an address
  --wait SECONDS   how long the path to the peer may take to become a direct one (default 15)
  --port PORT      port to listen on (default: any free one)
  --webrtc         also use WebRTC, where the package @roamhq/wrtc is installed
  --json           print the reports as JSON
  --help           print this

It asks the relays and servers that it is given and nobody else. With --peer, that peer sees a
session with somebody new for a moment. The exit code is 0 when all that was named could be
reached, 1 when something could not, 2 when an option is wrong.
`;

interface DoctorOptions {
  readonly relays: readonly string[];
  readonly stunServers: readonly string[];
  readonly peer: string | null;
  readonly waitMs: number;
  readonly port: number;
  readonly webrtc: boolean;
  readonly json: boolean;
}

/**
 * Runs `linknet doctor`.
 * @param argv - what follows `doctor`
 * @returns the exit code
 */
export async function runDoctorCommand(argv: readonly string[]): Promise<number> {
  const options = parseDoctorOptions(argv, process.env);
  if (options === "help") {
    process.stdout.write(DOCTOR_HELP);
    return 0;
  }
  if ("problem" in options) return refuse(options.problem);
  let net: NetworkManager;
  try {
    const { relays, stunServers } = options;
    const wrtc = options.webrtc ? await loadWebRtc() : undefined;
    net = new NetworkManager({ relays, stunServers, ...(wrtc ? { wrtc } : {}) });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  try {
    return await examine(net, options);
  } catch (error) {
    process.stderr.write(`linknet doctor: ${sentence(error)}\n`);
    return 1;
  } finally {
    await net.stop();
  }
}

function refuse(problem: string): number {
  process.stderr.write(`linknet doctor: ${terminalText(problem)}. See linknet doctor --help.\n`);
  return 2;
}

async function examine(net: NetworkManager, options: DoctorOptions): Promise<number> {
  await net.start(options.port);
  const network = await net.explain();
  const print = (lines: readonly string[]): void => {
    if (!options.json) process.stdout.write(`${lines.join("\n")}\n`);
  };
  print(networkLines(network));
  let path: PathReport | null = null;
  let problem: NetworkError | null = null;
  if (options.peer !== null) {
    try {
      const peerId = await net.connectToPeer(options.peer);
      path = await settledPath(net, peerId, options.waitMs);
      const name = displayName(net.getPeer(peerId)?.name ?? "", peerId);
      print(["", ...pathLines(path, name, process.stdout.columns ?? 80, true)]);
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      problem = error;
      process.stderr.write(`linknet doctor: the peer was not reached. ${sentence(error)}\n`);
    }
  }
  if (options.json) process.stdout.write(`${JSON.stringify(jsonReport(network, path, problem), null, 2)}\n`);
  const reached = network.relays.every(({ connected }) => connected) && (options.peer === null || path !== null);
  return reached ? 0 : 1;
}

/** What the path is once nothing better is to be expected soon, or when the time is up. */
async function settledPath(net: NetworkManager, peerId: string, waitMs: number): Promise<PathReport> {
  const until = performance.now() + waitMs;
  for (;;) {
    const report = await net.explain(peerId);
    const { path, why } = report;
    // Where a direct path is there, the other side may go on looking for a better one for ever.
    const isFinal = path !== null && !UNSETTLED.has(why) && (path !== "relay" || why !== "WHY_AWAITED");
    if (isFinal || performance.now() >= until) return report;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

const LOOK_EVERY_MS = 200;
const UNSETTLED: ReadonlySet<PathReport["why"]> = new Set(["WHY_NO_LINK", "WHY_UNTOLD", "WHY_TRYING"]);

/** The reports, and the sentences of the codes in them. */
function jsonReport(network: NetworkReport, path: PathReport | null, problem: NetworkError | null): object {
  const codes = [...network.hints, ...(path ? [path.why, ...path.hints] : [])];
  const findings = Object.fromEntries(codes.map((code) => [code, FINDINGS[code]]));
  return { network, path, problem: problem && { code: problem.code, message: problem.message }, findings };
}

/**
 * Reads the command line.
 * @returns `"help"` when help is asked for, or a sentence that says what is wrong
 */
export function parseDoctorOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): DoctorOptions | "help" | { readonly problem: string } {
  let values: ReturnType<typeof parse>["values"];
  try {
    ({ values } = parse(argv));
  } catch (error) {
    return { problem: error instanceof Error ? error.message.replace(/\.$/, "") : String(error) };
  }
  if (values.help) return "help";
  const [port, seconds] = [Number(values.port), Number(values.wait)];
  if (!/^\d{1,5}$/.test(values.port) || port > 65_535) return { problem: "--port must be a whole number from 0 to 65535" };
  if (!/^\d{1,4}(\.\d+)?$/.test(values.wait)) return { problem: "--wait must be a number of seconds, such as 15" };
  return {
    relays: values.relay ?? (env.LINKNET_RELAY ? [env.LINKNET_RELAY] : []),
    stunServers: values.stun ?? [],
    peer: values.peer ?? null,
    waitMs: seconds * 1000,
    port,
    webrtc: values.webrtc,
    json: values.json,
  };
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: {
      relay: { type: "string", multiple: true },
      stun: { type: "string", multiple: true },
      peer: { type: "string" },
      wait: { type: "string", default: "15" },
      port: { type: "string", default: "0" },
      webrtc: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
}
