// What the NAT laboratory needs of a machine: root on Linux, network namespaces, packet filters, and a Python for what they lack.

import { existsSync } from "node:fs";
import { aptInstall } from "./browsers.mjs";
import { works } from "./run.mjs";

/** Programs, how to see that they are there, and the Debian package that has them. */
const TOOLS = [
  { name: "ip", args: ["-V"], debian: "iproute2" },
  { name: "nft", args: ["--version"], debian: "nftables" },
  { name: "iptables", args: ["--version"], debian: "iptables" },
  { name: "python3", args: ["--version"], debian: "python3" },
];

/** The system's own first: one that a version manager puts before it takes ten times as long to start. */
export const PYTHON = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

// One rule of each sort that the laboratory is built of.
const TRIAL = [
  "ip link add trial0 type veth peer name trial1",
  "ip link add trial2 type bridge",
  "iptables -A FORWARD -j NFQUEUE --queue-num 0",
  "nft 'add table ip trial; add map ip trial m { type inet_proto . inet_service : ipv4_addr . inet_service; flags dynamic,timeout; }'",
].join(" && ");

/** @returns {string | null} why there can be no laboratory on this machine as it is; `null` where there can */
export function natLabProblem() {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "only root may make network namespaces";
  const missing = TOOLS.filter(({ name, args }) => !works(name, args)).map(({ name }) => name);
  if (missing.length > 0) return `${missing.join(", ")} missing`;
  if (!works("unshare", ["-n", "sh", "-c", TRIAL]))
    return "this kernel, or the container, allows no namespace with NAT and NFQUEUE";
  return null;
}

/**
 * Installs what is missing, where that can be done.
 * @returns {Promise<string | null>} as {@link natLabProblem}
 */
export async function ensureNatTools() {
  for (const { name, args, debian } of TOOLS) {
    if (!works(name, args)) await aptInstall(debian);
  }
  return natLabProblem();
}
